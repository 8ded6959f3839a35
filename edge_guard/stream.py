"""One stream of a device: its source, its guard, its counts, its state as others see it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from edge_guard.captures import Captures
from edge_guard.config import StreamTable
from edge_guard.duty import Duty, Guards, Inspector
from edge_guard.intake import Intake
from edge_guard.lineup import Lineup
from edge_guard.publish.messages import StreamState
from edge_guard.publish.sampling import Sampling
from edge_guard.publish.stamp import rfc3339
from edge_guard.reporting import Reporter
from edge_guard.selftest import SelfTestReport
from edge_guard.sources.contract import Damaged, Source, SourceState
from edge_guard.trouble import Trouble
from edge_guard.types import Frame, Reason, Result, Verdict

log = logging.getLogger(__name__)

_RATE_FRAMES = 60
_RATE_SECONDS = 10.0
_FROZEN = "the same picture again and again"
_SHOWN_SECONDS = 1.0
"""Part ids may change the product with every frame: the state is told no more often."""
UNWATCHED = "none: the last frame was of no known product"


class Stream:
    """Judges and reports the frames of one stream, and knows how it is.

    ``judge``, ``report`` and ``close_window`` belong to the inspection thread (to the watchdog
    when that one hangs), ``watch_source`` to the capture thread; ``snapshot`` is anybody's.

    Parameters
    ----------
    table : StreamTable
    guards : mapping of str to Inspector
        By product; under the empty name on a stream without products.
    source : Source
    reporter : Reporter
    intake : Intake
    changed : callable
        Called when the state that others see has changed.
    spool : Path
        The device's spool folder.
    refused : mapping of str to str, optional
        Why offered bundles do not guard it, by product.
    """

    def __init__(
        self,
        table: StreamTable,
        *,
        guards: Guards,
        source: Source,
        reporter: Reporter,
        intake: Intake,
        changed: Callable[[], None],
        spool: Path,
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.table = table
        self.name = table.name
        self.source = source
        self.reporter = reporter
        self.verdicts: Counter[str] = Counter()
        self._intake = intake
        self._changed = changed
        self._mutex = threading.Lock()
        self._failure = ""
        self._refused, self._told_refused = dict(refused), ""
        self.self_test: SelfTestReport | None = None
        self._source_state = SourceState.STARTING
        self._last_frame: str | None = None
        self._last_new_frame: str | None = None
        self._trouble = Trouble(reporter)
        self.captures = Captures()
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._sampling = Sampling(table)
        self._number = 0
        self._reported_drops: Counter[str] = Counter()
        self._window_due = time.monotonic() + table.summary_seconds
        self._lineup = Lineup(table, guards, reporter, spool)
        self._shown = self._lineup.current
        self._show_again = 0.0

    @property
    def inspector(self) -> Inspector:
        """The guard whose turn it is."""
        return self._lineup.current.inspector

    @property
    def guards(self) -> dict[str, Inspector]:
        """The guards by product."""
        return self._lineup.guards

    def judge(self, frame: Frame | Damaged) -> Result:
        """Return the verdict on a frame; whatever goes wrong makes it a person's."""
        duty = self._lineup.take(frame)
        if isinstance(frame, Damaged):
            reason = Reason(frame.guard, frame.cause, None)
            return Result(Verdict.INVALID, reasons=(reason,))
        try:
            return duty.inspector.inspect(frame)
        except Exception as error:
            words = f"the inspection failed: {type(error).__name__}: {error}"
            return Result(Verdict.REVIEW, reasons=(Reason("pipeline", words, None),))

    def report(self, frame: Frame | Damaged, result: Result) -> None:
        """Post the verdict and what it means for the alarms, then count it."""
        duty = self._lineup.of(frame)
        seen = isinstance(frame, Frame) and not _is_about(result, "gate.format", "watchdog")
        statistics = duty.inspector.statistics if seen else {}
        self._tell(duty, frame, result, statistics)
        measured = duty.inspector.seen if seen else None
        if isinstance(frame, Frame) and duty.watch and duty.watch.take(frame, result, measured):
            self._changed()
        off = duty.watch.deviations if seen and duty.watch else {}
        duty.window.add(result, statistics, off)
        with self._mutex:
            self.verdicts[result.verdict.value] += 1
            self._last_frame = rfc3339(frame.wall_ns)
            if isinstance(frame, Frame) and not self._trouble.frozen:
                self._last_new_frame = self._last_frame
            self._times.append(time.monotonic())

    def close_window(self, *, now: bool = False) -> None:
        """Post the summary of the window if it is over, or ``now``; let alarms' delays end."""
        moment = time.monotonic()
        if self.reporter.tick() | self._shows_another(moment):
            self._changed()
        if moment < self._window_due and not now:
            return
        self._window_due = moment + self.table.summary_seconds
        dropped = self.dropped()
        new, self._reported_drops = dropped - self._reported_drops, dropped
        self._number += self._lineup.post_summaries(self._number, new, moment)

    def adopt(self, table: StreamTable, guards: Guards) -> None:
        """Go on with other settings and guards; between two frames.

        The windows end with the old ones. A guard that stays keeps its monitors; those of a new
        one start anew.
        """
        self.close_window(now=True)
        if guards != self.guards:
            self.self_test = None
        self.table = table
        self.reporter.follow(table)
        self._window_due = time.monotonic() + table.summary_seconds
        self._sampling = Sampling(table)
        self._lineup.adopt(table, guards)
        self._shown = self._lineup.current
        self._changed()

    def tested(self, report: SelfTestReport) -> None:
        """Note how a self-test went, and raise or clear its alarm."""
        words = f"the self-test {report.words}"
        if report.passed:
            log.info("stream %s: %s", self.name, words)
        self.self_test, cause = report, "passed" if report.passed else "failed"
        self._alarm("self-test", not report.passed, cause, words)
        self._changed()

    def offered(self, product: str, refusal: str = "") -> None:
        """Note why a product's new bundle was not taken over; empty: it was."""
        others = {name: words for name, words in self._refused.items() if name != product}
        self._refused = others | ({product: refusal} if refusal else {})
        self.tell_refused()

    def tell_refused(self) -> None:
        """Raise the alarm about bundles that were not taken over; clear it where all were."""
        refused = [f"product {name}: {why}" if name else why for name, why in self._refused.items()]
        words = "; ".join(refused)
        if not words or words != self._told_refused:  # an alarm keeps its words while it stands
            self._alarm("bundle", False, "used", f"bundle {self.inspector.bundle_id} is in use")
        if words:
            self._alarm("bundle", True, "refused", words)
        self._told_refused = words

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
        duty = self._lineup.current
        return StreamState(
            name=self.name,
            state="frozen" if frozen else str(state),
            cause=_FROZEN if frozen else self._failure or self.source.cause,
            bundle=duty.inspector.bundle_id,
            last_frame_wall_time=last_frame,
            frames=sum(verdicts.values()),
            frames_per_second=_rate(times),
            verdicts=verdicts,
            dropped=dict(self.dropped()),
            monitors=duty.watch.status if duty.watch else UNWATCHED,
            last_new_frame_wall_time=last_new_frame,
            tightened=duty.inspector.tightened.named(),
            self_test=self.self_test.words if self.self_test else "",
            product=duty.product,
            products={name: guard.bundle_id for name, guard in self.guards.items() if name},
        )

    def trials(self) -> Iterator[str]:
        """Try one test frame of one bundle a step; yield what is wrong, empty when nothing is."""
        return self._lineup.trials()

    def _shows_another(self, moment: float) -> bool:
        """Return whether another product is shown than was told, and it is time to tell."""
        self._lineup.refresh()
        duty = self._lineup.current
        if duty is self._shown or moment < self._show_again:
            return False
        if self._lineup.steady:
            bundle = duty.inspector.bundle_id
            log.info("stream %s: product %s, bundle %s", self.name, duty.product, bundle)
        self._shown, self._show_again = duty, moment + _SHOWN_SECONDS
        return True

    def _tell(
        self, duty: Duty, frame: Frame | Damaged, result: Result, seen: dict[str, float]
    ) -> None:
        """Post what there is to say of the frame."""
        incident, capture = self._trouble.take(result), self.captures.next()
        asked, accepted = capture.command_id if capture else "", result.verdict is Verdict.ACCEPT
        drawn = self._sampling.draw(seen | result.scores, accepted, time.monotonic())
        event_id = duty.reporter.verdict(frame, result, drawn, asked, incident)
        self._sampling.sent(drawn, duty.reporter.picture_bytes)
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
