"""The demo's processes: started one after the other, watched, stopped in reverse."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edge_guard.errors import LinkError

_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_LEASH = Path(__file__).with_name("leash.py")


class Child:
    """One process of the demo.

    Parameters
    ----------
    name : str
        What people call it.
    arguments : list of str
        After the Python interpreter.
    log : Path
        Takes its output.
    """

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        leash = [sys.executable, "-IS", str(_LEASH), str(os.getpid())]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                # -P: the installed package, not a folder of its name in the current directory
                [*leash, sys.executable, "-P", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the demo only, which stops them in order
            )

    def check(self) -> None:
        """Raise when the process has ended by itself.

        Raises
        ------
        LinkError
            With its last words.
        """
        code = self._process.poll()
        if code is not None:
            raise LinkError(f"the demo's {self.name} ended with code {code}", self.last_words())

    def last_words(self) -> str:
        """Return the last line of what the process wrote."""
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["no output"]
        return f"its last words: {lines[-1]}"

    def wait_for_port(
        self, port: int, seconds: float, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Return when the process accepts connections on 127.0.0.1:``port``.

        Parameters
        ----------
        port : int
        seconds : float
            Longest wait.
        pause : callable
            ``pause(seconds)`` waits between two attempts; what it raises ends the waiting.

        Raises
        ------
        LinkError
            It ended, or does not within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                pause(_POLL_SECONDS)
            else:
                return
        raise LinkError(
            f"the demo's {self.name} does not answer on 127.0.0.1:{port} after {seconds:.0f} s",
            self.last_words(),
        )

    def stop(self) -> None:
        """Ask the process to end, and end it when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Children:
    """Starts processes and, as a context, stops whatever still runs in reverse order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Return a new running process."""
        child = Child(name, list(arguments), self._logs / f"{name}.log")
        self._started.append(child)
        return child

    def check(self) -> None:
        """Raise when one of them has ended by itself."""
        for child in self._started:
            child.check()

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._started:
            self._started.pop().stop()
