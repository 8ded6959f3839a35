"""One stream of a device: its source, its guard, its counts, its state as others see it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from edge_guard.captures import Captures
from edge_guard.config import StreamTable
from edge_guard.drift.model import DriftModel
from edge_guard.drift.summary import Window
from edge_guard.drift_watch import DriftWatch
from edge_guard.gate.gate import Measurement
from edge_guard.intake import Intake
from edge_guard.manifest import AccuracySpec
from edge_guard.publish.messages import StreamState
from edge_guard.publish.sampling import Sampling
from edge_guard.publish.stamp import rfc3339
from edge_guard.reporting import Reporter
from edge_guard.selftest import SelfTestReport
from edge_guard.sources.contract import Damaged, Source, SourceState
from edge_guard.tightening import Tightened
from edge_guard.trouble import Trouble
from edge_guard.types import Frame, Reason, Result, Verdict

log = logging.getLogger(__name__)

_RATE_FRAMES = 60
_RATE_SECONDS = 10.0
_FROZEN = "the same picture again and again"


class Inspector(Protocol):
    """What judges frames; ``pipeline.Pipeline`` is one."""

    bundle_id: str

    model_id: str
    """Digest of the model file that the bundle was calibrated on."""

    drift: DriftModel | None
    """What the monitors know; None where the bundle has none."""

    accuracy: AccuracySpec | None
    """How accuracy is estimated; None where the bundle cannot."""

    own_limits: Tightened
    """The bundle's limits that can be made stricter."""

    tightened: Tightened
    """What was made stricter."""

    @property
    def statistics(self) -> dict[str, float]:
        """Image statistics of the last frame."""
        ...

    def tighten(self, limits: Tightened) -> None:
        """Judge by stricter limits from the next frame on."""
        ...

    @property
    def seen(self) -> Measurement | None:
        """What was measured in the last frame; None where it was no picture."""
        ...

    def inspect(self, frame: Frame) -> Result:
        """Return the guard's word on a frame."""
        ...

    def trials(self) -> Iterator[str]:
        """Try one test frame a step; yield what is wrong, empty when nothing is."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


class Stream:
    """Judges and reports the frames of one stream, and knows how it is.

    ``judge``, ``report`` and ``close_window`` belong to the inspection thread (to the watchdog
    when that one hangs), ``watch_source`` to the capture thread; ``snapshot`` is anybody's.

    Parameters
    ----------
    table : StreamTable
    inspector : Inspector
    source : Source
    reporter : Reporter
    intake : Intake
    changed : callable
        Called when the state that others see has changed.
    memory : Path
        File that the monitors' state is kept in.
    """

    def __init__(
        self,
        table: StreamTable,
        *,
        inspector: Inspector,
        source: Source,
        reporter: Reporter,
        intake: Intake,
        changed: Callable[[], None],
        memory: Path,
    ) -> None:
        self.table = table
        self.name = table.name
        self.source = source
        self.inspector = inspector
        self.reporter = reporter
        self.verdicts: Counter[str] = Counter()
        self._intake = intake
        self._changed = changed
        self._mutex = threading.Lock()
        self._failure = ""
        self.self_test: SelfTestReport | None = None
        self._source_state = SourceState.STARTING
        self._last_frame: str | None = None
        self._last_new_frame: str | None = None
        self._trouble = Trouble(reporter)
        self.captures = Captures()
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._window = Window(inspector.accuracy)
        self._sampling = Sampling(table)
        self._number = 0
        self._reported_drops: Counter[str] = Counter()
        self._window_due = time.monotonic() + table.summary_seconds
        self._memory = memory
        self._watch = DriftWatch(table.name, inspector.drift, reporter, memory)

    def judge(self, frame: Frame | Damaged) -> Result:
        """Return the verdict on a frame; whatever goes wrong makes it a person's."""
        if isinstance(frame, Damaged):
            reason = Reason("gate.format", frame.cause, None)
            return Result(Verdict.INVALID, reasons=(reason,))
        try:
            return self.inspector.inspect(frame)
        except Exception as error:
            words = f"the inspection failed: {type(error).__name__}: {error}"
            return Result(Verdict.REVIEW, reasons=(Reason("pipeline", words, None),))

    def report(self, frame: Frame | Damaged, result: Result) -> None:
        """Post the verdict and what it means for the alarms, then count it."""
        seen = isinstance(frame, Frame) and not _is_about(result, "gate.format", "watchdog")
        statistics = self.inspector.statistics if seen else {}
        self._tell(frame, result, statistics)
        measured = self.inspector.seen if seen else None
        if isinstance(frame, Frame) and self._watch.take(frame, result, measured):
            self._changed()
        self._window.add(result, statistics, self._watch.deviations if seen else {})
        with self._mutex:
            self.verdicts[result.verdict.value] += 1
            self._last_frame = rfc3339(frame.wall_ns)
            if isinstance(frame, Frame) and not self._trouble.frozen:
                self._last_new_frame = self._last_frame
            self._times.append(time.monotonic())

    def close_window(self, *, now: bool = False) -> None:
        """Post the summary of the window if it is over, or ``now``; let alarms' delays end."""
        if self.reporter.tick():
            self._changed()
        moment = time.monotonic()
        if moment < self._window_due and not now:
            return
        self._window_due = moment + self.table.summary_seconds
        dropped = self.dropped()
        new, self._reported_drops = dropped - self._reported_drops, dropped
        self.reporter.summary(self._number, self._window, new, self._watch.references(moment))
        self._number += 1
        self._window = Window(self.inspector.accuracy)
        self._watch.save()

    def adopt(self, table: StreamTable, inspector: Inspector) -> None:
        """Go on with other settings, and with another guard if it is one; between two frames.

        The window ends with the old guard, and the monitors of the new one start anew.
        """
        self.close_window(now=True)
        self.table = table
        self.reporter.follow(table, inspector.bundle_id)
        self._window_due = time.monotonic() + table.summary_seconds
        self._sampling = Sampling(table)
        if inspector is not self.inspector:
            self.inspector = inspector
            self.self_test = None
            self._watch = DriftWatch(self.name, inspector.drift, self.reporter, self._memory)
        self._window = Window(inspector.accuracy)
        self._changed()

    def tested(self, report: SelfTestReport) -> None:
        """Note how a self-test went, and raise or clear its alarm."""
        words = f"the self-test {report.words}"
        if report.passed:
            log.info("stream %s: %s", self.name, words)
        self.self_test, cause = report, "passed" if report.passed else "failed"
        self._alarm("self-test", not report.passed, cause, words)
        self._changed()

    def offered(self, refusal: str) -> None:
        """Raise the alarm about a bundle that was not taken over; clear it where one was."""
        words = f"bundle {self.inspector.bundle_id} is in use"
        if refusal:
            words = f"the new bundle is not used, the old one goes on: {refusal}"
        self._alarm("bundle", bool(refusal), "refused" if refusal else "used", words)

    def stuck(self, seconds: float) -> None:
        """Raise the alarm about a source whose read does not return."""
        words = f"no frames from {self.source.address}: a read has not returned for {seconds:.0f} s"
        self._alarm("source", True, "stuck", words)

    def watch_source(self) -> None:
        """Raise or clear the alarm about the source, and tell of each change of its state."""
        state = SourceState.FAILED if self._failure else self.source.state
        cause = self._failure or self.source.cause
        lost = state in (SourceState.RETRYING, SourceState.FAILED)
        if state != SourceState.STARTING:
            words = f"no frames from {self.source.address}: {cause}" if lost else "frames come"
            self._alarm("source", lost, str(state), words)
        if state != self._source_state:
            self._source_state = state
            self._changed()

    def fail(self, cause: str) -> None:
        """Note that capture has ended with an error."""
        self._failure = cause
        self.watch_source()

    @property
    def failure(self) -> str:
        """Why capture has ended; empty while it goes on, and after an orderly end."""
        return self._failure

    def hung(self, seconds: float) -> None:
        """Raise the alarm about a model that does not answer."""
        self._alarm("watchdog", True, "timeout", f"the model has not answered for {seconds:.0f} s")

    def dropped(self) -> Counter[str]:
        """Return how many frames were dropped before inspection, by cause."""
        return self._intake.dropped + Counter(self.source.dropped)

    def snapshot(self) -> StreamState:
        """Return the stream as it is now."""
        state = SourceState.FAILED if self._failure else self.source.state
        frozen = self._trouble.frozen and state == SourceState.RUNNING
        with self._mutex:
            times, verdicts = list(self._times), dict(self.verdicts)
            last_frame, last_new_frame = self._last_frame, self._last_new_frame
        return StreamState(
            name=self.name,
            state="frozen" if frozen else str(state),
            cause=_FROZEN if frozen else self._failure or self.source.cause,
            bundle=self.inspector.bundle_id,
            last_frame_wall_time=last_frame,
            frames=sum(verdicts.values()),
            frames_per_second=_rate(times),
            verdicts=verdicts,
            dropped=dict(self.dropped()),
            monitors=self._watch.status,
            last_new_frame_wall_time=last_new_frame,
            tightened=self.inspector.tightened.named(),
            self_test=self.self_test.words if self.self_test else "",
        )

    def _tell(self, frame: Frame | Damaged, result: Result, seen: dict[str, float]) -> None:
        """Post what there is to say of the frame."""
        incident, capture = self._trouble.take(result), self.captures.next()
        asked, accepted = capture.command_id if capture else "", result.verdict is Verdict.ACCEPT
        drawn = self._sampling.draw(seen | result.scores, accepted, time.monotonic())
        event_id = self.reporter.verdict(frame, result, drawn, asked, incident)
        self._sampling.sent(drawn, self.reporter.picture_bytes)
        if capture:
            capture.settle(event_id)
        if self._trouble.news:
            self._changed()

    def _alarm(self, name: str, active: bool, cause: str, words: str) -> None:
        if self.reporter.alarm(name, active, cause, words):
            level = logging.WARNING if active else logging.INFO
            log.log(level, "stream %s: %s%s", self.name, "" if active else "over: ", words)
            self._changed()


def _is_about(result: Result, *guards: str) -> bool:
    """Return whether the leading reason is one of these guards'."""
    return bool(result.reasons) and result.reasons[0].guard in guards


def _rate(times: list[float]) -> float:
    if len(times) < 2 or time.monotonic() - times[-1] > _RATE_SECONDS:
        return 0.0
    return round((len(times) - 1) / max(times[-1] - times[0], 1e-6), 2)
