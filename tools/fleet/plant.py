"""The processes of a plant: Mosquitto, PostgreSQL, collectors; and what they use."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_guard.errors import BrokerError, StoreError

_ROOT = Path(__file__).resolve().parents[2]
_DEPLOYED = _ROOT / "deploy" / "mosquitto.conf"
_QUEUES = re.compile(r"^(max_\w+|set_tcp_nodelay) .*$", re.MULTILINE)
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_NEW = ("--username=edge", "--auth=trust", "--no-sync")
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Use:
    """What a process and its children have used.

    Attributes
    ----------
    cpu_s : float
        Processor time, kernel included.
    memory_mib : float
        Resident now; what processes share is divided among them.
    """

    cpu_s: float
    memory_mib: float


class Process:
    """A process of the plant, ended with the plant.

    Parameters
    ----------
    name : str
    command : list of str
    folder : Path
        Its log is ``{name}.log`` there.
    answers : callable
        Whether it has started.
    **settings
        For `subprocess.Popen`.

    Raises
    ------
    StoreError
        It does not start.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        answers: Callable[[], bool],
        **settings: Any,
    ) -> None:
        self.name = name
        log = folder / f"{name}.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, **settings)
        self._spent: dict[int, float] = {}
        deadline = time.monotonic() + START_S
        while not answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise StoreError(f"{name} does not start", f"see {log}")
            time.sleep(0.05)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def use(self) -> Use:
        """Return what it uses; of children that have ended, what they had when last asked."""
        memory = 0.0
        for pid in _family(self._process.pid):
            with suppress(OSError):
                self._spent[pid] = _cpu_s(pid)
                memory += _memory_mib(pid)
        return Use(sum(self._spent.values()), memory)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(30)

    def end(self) -> None:
        """Ask it to end, and wait."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def mosquitto(folder: Path, port: int) -> Process:
    """Return a broker with the queues of the shipped configuration, open on the loopback."""
    program = shutil.which("mosquitto", path=_PATH)
    if program is None:
        raise BrokerError("mosquitto is not installed", "apt-get install mosquitto")
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        *(found.group() for found in _QUEUES.finditer(_DEPLOYED.read_text())),
    ]
    if os.geteuid() == 0:
        lines.append("user root")  # else it drops to a user who cannot write here
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    return Process("mosquitto", [program, "-c", str(config)], folder, lambda: _listens(port))


def postgresql(folder: Path) -> tuple[Process, str, Path]:
    """Return a PostgreSQL that writes as in production, the URL of its database, its folder."""
    home = Path(tempfile.mkdtemp(prefix="fleet-pg-"))  # sockets have short names
    settings: dict[str, Any] = {"cwd": home}
    if os.geteuid() == 0:  # it refuses to run as root
        user = pwd.getpwnam("postgres")
        shutil.chown(home, user.pw_uid, user.pw_gid)
        settings |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    subprocess.run(
        [
            _program("initdb"),
            f"--pgdata={home / 'data'}",
            "--username=edge",
            "--auth=trust",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        **settings,
    )
    options = ["-clisten_addresses=", f"-cunix_socket_directories={home}"]
    command = [_program("postgres"), "-D", str(home / "data"), *options]
    url = f"postgresql+psycopg://edge@/postgres?host={home}"
    return Process("postgresql", command, folder, lambda: _takes(url), **settings), url, home


def collector(folder: Path, name: str, broker: int, url: str, group: str | None) -> Process:
    """Return a real collector."""
    port = free_port()
    config = folder / f"{name}.toml"
    config.write_text(
        f'[collector]\nid = "{name}"\n'
        + (f'group = "{group}"\n' if group else "")
        + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker}\n'
        f'[store]\nurl = "{url}"\nframes = "{folder / "frames"}"\n'
        f"[web]\nport = {port}\n"
    )
    command = [sys.executable, "-P", "-m", "edge_guard.cli.main", "collect", str(config)]
    return Process(name, command, folder, lambda: _connected(port), cwd=_ROOT)


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def disk_bytes(folders: Iterable[Path]) -> int:
    """Return what the files there take up, blocks included."""
    files = (file for folder in folders for file in folder.rglob("*"))
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat(follow_symlinks=False).st_blocks * 512
    return total


def _family(pid: int) -> list[int]:
    """Return the process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rolled, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def _program(name: str) -> str:
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(newest[0]) if newest else None)
    if found is None:
        raise StoreError("PostgreSQL is not installed", "apt-get install postgresql")
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _takes(url: str) -> bool:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url)
    try:
        engine.connect().close()
    except sqlalchemy.exc.OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def _connected(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5) as answer:
            return bool(json.load(answer)["broker"]["state"] == "connected")
    except (OSError, ValueError, KeyError):
        return False
