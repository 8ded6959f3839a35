"""The brokers: Mosquitto, and the one that is embedded in the demo."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edge_guard.config import MqttTable


class Broker:
    """A broker in a process of its own, on a free port of the loopback.

    Parameters
    ----------
    folder : Path
        For its files.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.settings: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        self._command = self._prepare(folder)

    @property
    def config(self) -> MqttTable:
        """What a client needs to know."""
        return MqttTable(**self.settings)

    def __enter__(self) -> Broker:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self._command[0]} does not answer")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _prepare(self, folder: Path) -> list[str]:
        raise NotImplementedError


class Mosquitto(Broker):
    """Mosquitto with the queue and window of the shipped configuration."""

    def _prepare(self, folder: Path) -> list[str]:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "max_queued_messages 100000\nmax_inflight_messages 100\nset_tcp_nodelay true\n"
        )
        return [program, "-c", str(config)]


class Embedded(Broker):
    """amqtt, as the demo starts it."""

    def _prepare(self, folder: Path) -> list[str]:
        login, secret = folder / "login", folder / "secret"
        login.write_text("bench:bench")
        secret.write_text("bench")
        self.settings |= {"username": "bench", "password_file": str(secret), "version": "3.1.1"}
        return [sys.executable, "-P", "-m", "edge_guard.demo.broker", str(self.port), str(login)]


KINDS: dict[str, type[Broker]] = {"mosquitto": Mosquitto, "embedded": Embedded}
