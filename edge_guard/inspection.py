"""The inspection thread of one stream: frame after frame, each verdict on the disk before the next.

Between two frames it does what must not happen during one: it takes a new guard over, tries the
guard on a test frame, closes the summary's window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from edge_guard.intake import Intake, Item
from edge_guard.meter import Meter
from edge_guard.selftest import SelfTest
from edge_guard.stream import Stream
from edge_guard.types import Reason, Result, Verdict

TICK_SECONDS = 0.25
OnResult = Callable[[Item, Result], None]


class Turn(NamedTuple):
    """What the model works on: a frame, or a test frame (None)."""

    item: Item | None
    since: float


class Inspection:
    """Judges one stream's frames, commits what is to be said, then announces the verdict.

    Parameters
    ----------
    stream : Stream
    intake : Intake
    self_test : SelfTest
    on_result : callable
        Called after each frame, when its messages are on the disk.

    Attributes
    ----------
    meter : Meter
    alive_at : float
        Monotonic seconds at which the thread was last seen.
    """

    def __init__(
        self, stream: Stream, intake: Intake, self_test: SelfTest, on_result: OnResult
    ) -> None:
        self.stream = stream
        self.self_test = self_test
        self.meter = Meter()
        self.alive_at = time.monotonic()
        self._intake = intake
        self._on_result = on_result
        self._mutex = threading.Lock()
        self._turn: Turn | None = None
        self._errands: list[Callable[[], None]] = []

    def run(self) -> None:
        """Inspect until the intake is exhausted; the last thing is a summary."""
        while not self._intake.exhausted:
            self.alive_at = time.monotonic()
            self._run_errands()
            item = self._intake.get(TICK_SECONDS)
            if item is not None and not self._inspect(item):
                return  # the watchdog has taken over
            if not self._try_guard(idle=item is None and not self._intake.waiting):
                return
            self.stream.close_window()
        self._run_errands()
        self.stream.close_window(now=True)

    def between_frames(self, errand: Callable[[], None]) -> None:
        """Have something done in this thread before the next frame; it must not raise."""
        with self._mutex:
            self._errands.append(errand)

    def overdue(self) -> Turn | None:
        """Return, and take over, a frame whose model exceeds its time; None when there is none."""
        with self._mutex:
            turn = self._turn
            limit = self.stream.table.model_timeout_seconds
            if turn is None or time.monotonic() - turn.since < limit:
                return None
            self._turn = None
            return turn

    def fail_safe(self, items: list[Item]) -> None:
        """Report frames that no model has judged."""
        reason = Reason("watchdog", "the model does not answer: a person must look", None)
        for item in items:
            self._report(item, Result(Verdict.REVIEW, reasons=(reason,)))

    def _inspect(self, item: Item) -> bool:
        """Judge one frame; return False when it took so long that the watchdog has reported it."""
        turn = self._begin(item)
        result = self.stream.judge(item)
        if not self._finish(turn):
            return False
        self._report(item, result)
        return True

    def _try_guard(self, *, idle: bool) -> bool:
        """Run one step of a self-test that is due; return False when the watchdog took over."""
        if not self.self_test.wants_a_step(idle=idle):
            return True
        turn = self._begin(None)
        report = self.self_test.step(self.stream)
        if not self._finish(turn):
            return False
        if report is not None:
            self.stream.tested(report)
        return True

    def _begin(self, item: Item | None) -> Turn:
        turn = Turn(item, time.monotonic())
        with self._mutex:
            self._turn = turn
        return turn

    def _finish(self, turn: Turn) -> bool:
        """Return False when the watchdog has taken the turn over."""
        with self._mutex:
            mine = self._turn is turn
            self._turn = None
            return mine

    def _run_errands(self) -> None:
        with self._mutex:
            errands, self._errands = self._errands, []
        for errand in errands:
            errand()

    def _report(self, item: Item, result: Result) -> None:
        self.stream.report(item, result)
        self.meter.observe(item, result)
        self._on_result(item, result)
