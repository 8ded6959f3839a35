"""The threads between a source and the disk: capture (one a stream), inspection, watchdog."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge_guard.errors import SourceError
from edge_guard.intake import Intake, Item
from edge_guard.stream import Stream
from edge_guard.types import Reason, Result, Verdict

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
OnResult = Callable[[Item, Result], None]


def capture(stream: Stream, intake: Intake) -> None:
    """Read a stream's source to its end, or until the intake is closed."""
    source = stream.source
    try:
        while not source.finished:
            item = source.read(_TICK_SECONDS)
            stream.watch_source()
            if item is not None and not intake.put(item, live=source.live):
                break
        stream.watch_source()
    except SourceError as error:
        log.error("stream %s: %s", stream.name, error)
        stream.fail(str(error))


class Turn(NamedTuple):
    """A frame that is being judged."""

    stream: Stream
    item: Item
    since: float


class Inspection:
    """Judges frames one at a time, commits what is to be said, then announces the verdict.

    Parameters
    ----------
    streams : mapping of str to Stream
    intake : Intake
    on_result : callable
        Called after each frame, when its messages are on the disk.
    """

    def __init__(self, streams: Mapping[str, Stream], intake: Intake, on_result: OnResult) -> None:
        self._streams = streams
        self._intake = intake
        self._on_result = on_result
        self._mutex = threading.Lock()
        self._turn: Turn | None = None
        self.alive_at = time.monotonic()

    def run(self) -> None:
        """Inspect until the intake is exhausted; the last thing is a summary of each stream."""
        while not self._intake.exhausted:
            self.alive_at = time.monotonic()
            item = self._intake.get(_TICK_SECONDS)
            if item is not None and not self._inspect(self._streams[item.stream], item):
                return  # the watchdog has taken over
            for stream in self._streams.values():
                stream.close_window()
        self.close_windows()

    def overdue(self) -> Turn | None:
        """Return, and take over, a frame whose model exceeds its time; None when there is none."""
        with self._mutex:
            turn = self._turn
            if turn is None:
                return None
            limit = turn.stream.table.model_timeout_seconds
            if time.monotonic() - turn.since < limit:
                return None
            self._turn = None
            return turn

    def fail_safe(self, items: list[Item]) -> None:
        """Report frames that no model has judged."""
        reason = Reason("watchdog", "the model does not answer: a person must look", None)
        for item in items:
            self._report(item, Result(Verdict.REVIEW, reasons=(reason,)))

    def close_windows(self) -> None:
        """Post a summary of each stream's unfinished window."""
        for stream in self._streams.values():
            stream.close_window(now=True)

    def _inspect(self, stream: Stream, item: Item) -> bool:
        """Judge one frame; return False when it took so long that the watchdog has reported it."""
        with self._mutex:
            turn = self._turn = Turn(stream, item, time.monotonic())
        result = stream.judge(item)
        with self._mutex:
            if self._turn is not turn:
                return False
            self._turn = None
        self._report(item, result)
        return True

    def _report(self, item: Item, result: Result) -> None:
        self._streams[item.stream].report(item, result)
        self._on_result(item, result)
