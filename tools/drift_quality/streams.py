"""Real frames through a calibrated bundle's monitors: delay, cause, false alarms, cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from guard_quality.guarded import calibrated

from drift_quality.changes import Change, changed
from drift_quality.scenes import view
from edge_guard.calibration.settings import Settings
from edge_guard.drift.incident import Report
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.spec import DriftSpec
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Image, Result

MODEL = "pcb_simplecnn_int8_onnx"
BEFORE, AFTER = 60, 400
"""Frames before and after a change."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one change.

    Attributes
    ----------
    change : str
    delay : int or None
        Frames from the change to the alarm; None: none came.
    family : str
        Named in the last word said of it.
    right : bool
    size, error : float or None
    """

    change: str
    delay: int | None
    family: str
    right: bool
    size: float | None
    error: float | None


class Camera:
    """A guarded stream whose frames can be changed and played again.

    Parameters
    ----------
    references : sequence of Image
    seed : int
    """

    def __init__(self, references: Sequence[Image], seed: int) -> None:
        self._calibrated = calibrated(
            MODEL, [view(image) for image in references], Settings(seed=seed, advisory=True)
        )
        self._pipeline = Pipeline(self._calibrated.__enter__(), live=False)
        assert self._pipeline.drift is not None
        self.spec: DriftSpec = self._pipeline.drift.spec
        self.cost_us: list[float] = []

    def close(self) -> None:
        """Release the bundle."""
        self._pipeline.close()
        self._calibrated.__exit__(None, None, None)

    def play(self, frames: Sequence[Image], monitor: Monitor, start: int = 0) -> list[Report]:
        """Return what the monitor says of frames with their margin."""
        said = []
        for number, image in enumerate(frames, start):
            frame = Frame("s", number, view(image), monotonic_ns=(number + 1) * 100_000_000)
            report = self._feed(monitor, frame, self._pipeline.inspect(frame))
            if report:
                said.append(report)
        return said

    def false_alarms(self, frames: Sequence[Image]) -> int:
        """Return how often an untouched sequence raises an alarm."""
        return sum(r.state == "raised" for r in self.play(frames, self.monitor()))

    def monitor(self) -> Monitor:
        """Return a fresh monitor."""
        assert self._pipeline.drift is not None
        return Monitor(self._pipeline.drift)

    def quiet(self, clean: Sequence[Image]) -> int:
        """Return how many frames of an untouched sequence raise no alarm."""
        monitor = self.monitor()
        for number, image in enumerate(clean[: BEFORE + AFTER]):
            if self.play([image], monitor, number):
                return number
        return min(len(clean), BEFORE + AFTER)

    def outcome(self, clean: Sequence[Image], change: Change, seed: int) -> Outcome | None:
        """Return what comes of a change after `BEFORE` frames; None where an alarm came before.

        The cause is that of the last word within twice the delay, at least 24 frames.

        Parameters
        ----------
        clean : sequence of Image
            Frames that raise no alarm untouched (`quiet`).
        change : Change
        seed : int
        """
        monitor = self.monitor()
        if len(clean) <= BEFORE or self.play(clean[:BEFORE], monitor):
            return None
        first = last = None
        for t, image in enumerate(clean[BEFORE : BEFORE + AFTER]):
            after = changed(image, change.befall, t, seed)
            for report in self.play([after], monitor, BEFORE + t):
                first, last = (t + 1 if first is None else first), report
            if first is not None and t + 1 >= max(2 * first, first + 24):
                break
        if first is None or last is None:
            return Outcome(change.name, None, "", False, None, None)
        e = last.evidence
        right = e.family in change.right
        return Outcome(change.name, first, e.family, right, e.size, e.error)

    def _feed(self, monitor: Monitor, frame: Frame, result: Result) -> Report | None:
        seen = self._pipeline.seen
        started = time.perf_counter()
        report = monitor.update(
            frame, result, seen.statistics if seen else None, seen.cells if seen else None
        )
        self.cost_us.append((time.perf_counter() - started) * 1e6)
        return report
