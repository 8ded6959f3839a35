"""Between capture and inspection: one bounded queue a stream, drops counted."""

from __future__ import annotations

import threading
from collections import Counter, deque

from edge_guard.sources.contract import CLOSED, NEWER_FRAME, Damaged
from edge_guard.types import Frame

Item = Frame | Damaged
_FILE_FRAMES = 4
"""Frames that a file may be ahead of inspection."""


class Intake:
    """One stream's bounded queue of frames. Thread-safe.

    A live stream keeps its newest frame; a file waits until there is room.
    """

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._dropped: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, *, live: bool) -> bool:
        """Take an item in; return False, counting it as dropped, when the intake is closed."""
        with self._changed:
            if live and self._waiting and not self._closed:
                self._waiting.popleft()
                self._dropped[NEWER_FRAME] += 1
            self._changed.wait_for(
                lambda: self._closed or live or len(self._waiting) < _FILE_FRAMES
            )
            if self._closed:
                self._dropped[CLOSED] += 1
                return False
            self._waiting.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Item | None:
        """Return the next item; None when there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting), timeout_s)
            if not self._waiting:
                return None
            self._changed.notify_all()
            return self._waiting.popleft()

    def finish(self) -> None:
        """Let what is queued be read to the end; nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> list[Item]:
        """Close, and return what was queued."""
        with self._changed:
            self._closed = True
            items = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return items

    def discard(self) -> None:
        """Close; what was queued counts as dropped."""
        lost = len(self.drain())
        if lost:
            with self._changed:
                self._dropped[CLOSED] += lost

    @property
    def exhausted(self) -> bool:
        """True when nothing is queued and nothing more comes."""
        with self._changed:
            return self._closed and not self._waiting

    @property
    def waiting(self) -> int:
        """How many frames are queued."""
        return len(self._waiting)

    @property
    def dropped(self) -> Counter[str]:
        """A copy of how many frames were dropped here, by cause."""
        with self._changed:
            return Counter(self._dropped)
