"""The real ``edge-guard collect`` in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from brokers import free_port
from resender import wait_until


class Running:
    """Starts, kills and asks a collector.

    Parameters
    ----------
    folder : Path
        For its configuration, database, pictures and log.
    broker_port : int
    store_url : str
        Left out: SQLite in the folder.
    more : str
        Further tables of the configuration.
    """

    def __init__(self, folder: Path, broker_port: int, store_url: str = "", more: str = "") -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config = folder / "collector.toml"
        self.config.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker_port}\n'
            f'[store]\nurl = "{store_url or f"sqlite:///{folder}/c.sqlite"}"\n'
            f'frames = "{folder / "frames"}"\n'
            f'[web]\nport = {self.url.rpartition(":")[2]}\ntitle = "Plant North"\n' + more
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Running:
        """Return when its page answers and the broker has, or cannot be reached."""
        with (self.folder / "log").open("ab") as log:
            earlier = log.tell()
            self._process = subprocess.Popen(command(self.config), stdout=log, stderr=log)
        wait_until(self._answers, 60)
        wait_until(lambda: _knows_of_broker(self.log()[earlier:]), 60)
        return self

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=15)
            self._process = None

    def terminate(self) -> int:
        """SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def get(self, path: str) -> Any:
        """Return the JSON at a path of its interface."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def log(self) -> str:
        """Return what it has printed."""
        return (self.folder / "log").read_text()

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and (code := self._process.poll()) is not None:
            print(f"the collector had ended with {code}; its log:\n{self.log()}")
        self.kill()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.log())
        try:
            return bool(self.get("/api/health"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _knows_of_broker(log: str) -> bool:
    return "connected to broker" in log or "cannot be reached" in log


def command(config: Path) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "edge_guard.cli.main", "collect", str(config)]
