"""A device's life under a systemd of its own: installed, upgraded while it runs, removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wheels import BuildError, NotHereError

BOOT = Path(__file__).with_name("machine.sh")
SETTINGS = """[device]
id = "release-check"
[[stream]]
name = "line"
source = "footage.avi"
loop = true
frames_per_second = 20
bundle = "demo_line.guard"
[spool]
path = "/var/lib/edge-guard/spool"
[mqtt]
host = "localhost"
"""
INSTALL = "/srv/release/install.sh"
COUNT = """import sqlite3
spool = sqlite3.connect("file:/var/lib/edge-guard/spool/spool.sqlite?mode=ro", uri=True)
print(*spool.execute("SELECT count(*) FROM message").fetchone())"""
PATIENCE_SECONDS = 60.0


class Machine:
    """What runs below machine.sh, entered with nsenter; its disk is seen from here as ``disk``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.disk = Path(f"/proc/{pid}/root")
        self.settings = self.disk / "etc/edge-guard"
        self.spool = self.disk / "var/lib/edge-guard/spool/spool.sqlite"

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in there."""
        namespaces = ("-p", "-m", "-u", "-i", "-n", "-C", f"-r{self.disk}", f"-w{self.disk}")
        return subprocess.run(
            ["nsenter", "-t", str(self._pid), *namespaces, "bash", "-c", command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, command: str) -> str:
        """Return what a shell command prints in there; raises BuildError when it fails."""
        done = self.attempt(command)
        if done.returncode:
            raise BuildError(f"{command} under systemd: {(done.stdout + done.stderr)[-1500:]}")
        return done.stdout

    def waiting(self) -> int:
        """Return how many messages wait in the spool, 0 before there is one."""
        said = self.attempt(f"python3 -c '{COUNT}'").stdout
        return int(said or 0)


def life_of_a_device(release: Path, models: Path, work: Path) -> str:
    """Return what was seen; ``release`` is the folder with install.sh for this machine.

    No broker is there, so that what the device has to tell waits in its spool all the while.
    """
    with booted(work, release) as device:
        device.run(INSTALL)
        for name in ("footage.avi", "demo_line.guard"):
            shutil.copy2(models / name, device.settings)
        (device.settings / "device.toml").write_text(SETTINGS)
        device.run("chgrp -R edge-guard /etc/edge-guard && chmod 640 /etc/edge-guard/*")
        device.run("systemctl enable --now edge-guard")
        wait_for("events in the spool", lambda: device.waiting() > 3)
        before = device.waiting()
        old = device.run("readlink -f /opt/edge-guard/current")
        device.run(INSTALL)
        if device.run("readlink -f /opt/edge-guard/current") == old:
            raise BuildError("an upgrade left the old version current")
        device.run("systemctl is-active edge-guard")
        device.run("systemctl stop edge-guard")
        after = device.waiting()
        if after < before:
            raise BuildError(f"of {before} waiting messages {after} are left after the upgrade")
        removed(device)
    return f"installed, upgraded and removed while it ran, {after} messages waiting all the while"


def removed(device: Machine) -> None:
    """Remove it while it runs, data kept; then all of it."""
    device.run("systemctl start edge-guard")
    device.run("/opt/edge-guard/install.sh --uninstall")
    if left := device.attempt("pgrep -a -f ^/opt/edge-guard").stdout:
        raise BuildError(f"still running after --uninstall: {left}")
    if not (device.spool.exists() and (device.settings / "device.toml").exists()):
        raise BuildError("--uninstall removed settings or data")
    device.run(f"{INSTALL} --purge")
    folders = "/opt/edge-guard /etc/edge-guard /var/lib/edge-guard"
    if left := device.attempt(f"ls -d {folders}; id edge-guard").stdout:
        raise BuildError(f"still there after --purge: {left}")


@contextmanager
def booted(work: Path, share: Path) -> Iterator[Machine]:
    """A machine that systemd has started on; ends with all that runs on it."""
    if os.geteuid() != 0:
        raise NotHereError("this needs root")
    if missing := [name for name in ("unshare", "nsenter", "ip") if not shutil.which(name)]:
        raise NotHereError(f"no {missing[0]} here: apt-get install util-linux iproute2")
    if not Path("/lib/systemd/systemd").exists():
        raise NotHereError("no systemd here: apt-get install systemd dbus")
    log = work / "machine.log"
    with (
        log.open("w") as out,
        subprocess.Popen([BOOT, work, share], stdout=out, stderr=out) as boot,
    ):
        try:
            yield Machine(first_process(boot, log))
        finally:
            boot.terminate()
            boot.wait(PATIENCE_SECONDS)


def first_process(boot: subprocess.Popen[bytes], log: Path) -> int:
    """Return the process that is systemd, when it has started everything."""
    children = Path(f"/proc/{boot.pid}/task/{boot.pid}/children")

    def found() -> int:
        if boot.poll() is not None:
            raise NotHereError(f"systemd could not be started: {log.read_text()[-300:]}")
        unshared = [pid for pid in children.read_text().split() if "unshare" in command_of(pid)]
        for parent in unshared:
            inner = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            for pid in inner:
                if "systemd" in command_of(pid):
                    state = Machine(int(pid)).attempt("systemctl is-system-running").stdout.strip()
                    return int(pid) if state in ("running", "degraded") else 0
        return 0

    return wait_for("systemd", found)


def command_of(pid: str) -> str:
    """Return what a process was started as."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def wait_for(what: str, found: Callable[[], int]) -> int:
    """Return the first true answer; raises BuildError when none comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise BuildError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.2)
    return answer
