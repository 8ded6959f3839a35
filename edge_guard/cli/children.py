"""Processes that a command has started and that end with it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path


class Children:
    """Runs commands in processes, several at a time from threads; one call stops them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self, command: Sequence[str], folder: Path, given: str = ""
    ) -> tuple[int, bytes, bytes]:
        """Return exit code (negative: the signal), stdout and stderr of a command given some input.

        Raises
        ------
        OSError
            It cannot be started.
        InterruptedError
            `stop` was called before.
        """
        with self._lock:
            if self._stopped:
                raise InterruptedError("stopped")
            child = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self._running.add(child)
        out, err = child.communicate(given.encode())
        with self._lock:
            self._running.discard(child)
        return child.returncode, out, err

    def stop(self) -> None:
        """Terminate those that run; none is started any more."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.terminate()
