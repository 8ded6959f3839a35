"""A wall clock that is wrong, for the device only; its monotonic clock goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_guard.publish import stamp


class Clock:
    """Stands in for ``time`` where a device stamps its messages; ``seconds`` off the true time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def time_ns(self) -> int:
        return time.time_ns() + int(self.seconds * 1e9)


@contextmanager
def wrong_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Give a clock that can be set while messages are posted."""
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(stamp, "time", clock)
        yield clock
