"""Pictures that somebody has asked for: the next frame of a stream, whatever its verdict."""

from __future__ import annotations

import threading
from collections import deque


class Capture:
    """One picture that is wanted."""

    def __init__(self, command_id: str) -> None:
        self.command_id = command_id
        self._event_id: str | None = None
        self._taken = threading.Event()

    def settle(self, event_id: str | None) -> None:
        """Name the event; None: the disk refused it."""
        self._event_id = event_id
        self._taken.set()

    def wait(self, seconds: float) -> bool:
        """Return whether the picture was taken in time."""
        return self._taken.wait(seconds)

    @property
    def event_id(self) -> str | None:
        """The event, once it was taken."""
        return self._event_id


class Captures:
    """The pictures that are wanted of one stream, first come, first served. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._wanted: deque[Capture] = deque()

    def want(self, command_id: str) -> Capture:
        """Ask for the next frame."""
        capture = Capture(command_id)
        with self._mutex:
            self._wanted.append(capture)
        return capture

    def next(self) -> Capture | None:
        """Return whom the frame at hand is for, who must be told its event; None: nobody."""
        with self._mutex:
            return self._wanted.popleft() if self._wanted else None

    def give_up(self, capture: Capture) -> bool:
        """Want a picture no longer; return False when it is being taken."""
        with self._mutex:
            wanted = capture in self._wanted
            if wanted:
                self._wanted.remove(capture)
            return wanted
