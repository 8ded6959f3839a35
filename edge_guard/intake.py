"""Between capture and inspection: one bounded queue a stream, served in turn, drops counted."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable

from edge_guard.sources.contract import CLOSED, NEWER_FRAME, Damaged
from edge_guard.types import Frame

Item = Frame | Damaged
_FILE_FRAMES = 4
"""Frames that a file may be ahead of inspection."""


class Intake:
    """Bounded queues of frames. Thread-safe.

    A live stream keeps its newest frame; a file waits until there is room.

    Parameters
    ----------
    streams : iterable of str
        Names, in the order of the first turn.
    """

    def __init__(self, streams: Iterable[str]) -> None:
        self._queues: dict[str, deque[Item]] = {name: deque() for name in streams}
        self._dropped: dict[str, Counter[str]] = {name: Counter() for name in self._queues}
        self._turns = deque(self._queues)
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, *, live: bool) -> bool:
        """Take an item in; return False, counting it as dropped, when the intake is closed."""
        waiting = self._queues[item.stream]
        with self._changed:
            if live and waiting and not self._closed:
                waiting.popleft()
                self._dropped[item.stream][NEWER_FRAME] += 1
            self._changed.wait_for(lambda: self._closed or live or len(waiting) < _FILE_FRAMES)
            if self._closed:
                self._dropped[item.stream][CLOSED] += 1
                return False
            waiting.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Item | None:
        """Return the next item, streams in turn; None when there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(self._queues.values()), timeout_s)
            for _ in range(len(self._turns)):
                self._turns.rotate(-1)
                waiting = self._queues[self._turns[-1]]
                if waiting:
                    self._changed.notify_all()
                    return waiting.popleft()
            return None

    def finish(self) -> None:
        """Let what is queued be read to the end; nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> list[Item]:
        """Close, and return what was queued."""
        with self._changed:
            self._closed = True
            items = [item for waiting in self._queues.values() for item in waiting]
            for waiting in self._queues.values():
                waiting.clear()
            self._changed.notify_all()
        return items

    def discard(self) -> None:
        """Close; what was queued counts as dropped."""
        for item in self.drain():
            with self._changed:
                self._dropped[item.stream][CLOSED] += 1

    @property
    def exhausted(self) -> bool:
        """True when nothing is queued and nothing more comes."""
        with self._changed:
            return self._closed and not any(self._queues.values())

    def dropped(self, stream: str) -> Counter[str]:
        """Return how many frames of a stream were dropped here, by cause."""
        with self._changed:
            return Counter(self._dropped[stream])
