"""One bundle at work on a stream: its guard, and all that belongs to it and to no other bundle.

A stream without products has one. One with products has one a product, all of them loaded: the
frames of each go to its own guard, monitors and summaries, so that those of another product
neither restart nor disturb them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from edge_guard.drift.histogram import Counts
from edge_guard.drift.model import DriftModel
from edge_guard.drift.summary import Window
from edge_guard.drift_watch import DriftWatch, Voice
from edge_guard.gate.gate import Measurement
from edge_guard.manifest import AccuracySpec
from edge_guard.reporting import Reporter
from edge_guard.tightening import Tightened
from edge_guard.types import Frame, Reason, Result, Verdict

NOBODY = "no product"
"""Guard of the reason why a frame that is no known product goes to a person."""


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


Guards = Mapping[str, Inspector]
"""A stream's guards by product; one with an empty name where it has no products."""


class NoProduct:
    """Judges frames that are of no known product: no bundle can say anything of them."""

    bundle_id = ""
    model_id = ""
    drift: DriftModel | None = None
    accuracy: AccuracySpec | None = None
    own_limits = tightened = Tightened()
    seen: Measurement | None = None

    @property
    def statistics(self) -> dict[str, float]:
        """Nothing: nothing was measured."""
        return {}

    def tighten(self, limits: Tightened) -> None:
        """Do nothing: every frame goes to a person already."""

    def inspect(self, frame: Frame) -> Result:
        """Return that a person must look, and why."""
        words = f"part id {frame.part_id!r} belongs to no product of this stream"
        if not frame.part_id:
            words = "the frame came without a part id, so that nobody knows its product"
        return Result(Verdict.REVIEW, reasons=(Reason(NOBODY, f"{words}: look at it", None),))

    def trials(self) -> Iterator[str]:
        """Yield nothing: there is nothing to try."""
        return iter(())

    def close(self) -> None:
        """Do nothing."""


class Duty:
    """One bundle at work on a stream; for the stream's inspection thread.

    Parameters
    ----------
    product : str
        Empty on streams without products.
    inspector : Inspector
    reporter : Reporter
        The stream's.
    voice : Voice
        What the monitors speak with.
    stream : str
        Its name.
    memory : Path or None
        File that the monitors' state is kept in; None: no product, nothing to watch.

    Attributes
    ----------
    window : Window
        What has been seen since the last summary.
    """

    def __init__(
        self,
        product: str,
        inspector: Inspector,
        reporter: Reporter,
        voice: Voice,
        stream: str,
        memory: Path | None,
    ) -> None:
        self.product = product
        self.inspector = inspector
        self.reporter = reporter
        self.window = Window(inspector.accuracy)
        self.watch = None
        if memory is not None:
            self.watch = DriftWatch(stream, inspector.drift, voice, memory)

    def post_summary(self, number: int, dropped: Mapping[str, int], now: float) -> None:
        """Post the summary of the window and begin the next."""
        references: dict[str, Counts] = self.watch.references(now) if self.watch else {}
        self.reporter.summary(number, self.window, dropped, references)
        self.window = Window(self.inspector.accuracy)
        if self.watch:
            self.watch.save()
