"""What guards and monitors see in one set of images, kept as numbers and a few pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edge_guard.drift.channels import Reader
from edge_guard.drift.model import DriftModel
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles, Frame, Image, Result, Verdict

SHOWN = 6
"""Images that are kept to be shown: the strangest."""

_BLOCK_PX = 8


@dataclass(slots=True)
class Batch:
    """A set of images that could be measured.

    Attributes
    ----------
    rows : list of Doubles
        One an image, of `edge_guard.drift.channels.Reader`.
    flagged : int
        Not accepted.
    reasons : Counter of str
        Leading reasons of flagged images.
    shapes : Counter of tuple
        (H, W, channels).
    blocks : list of float
        `blockiness` of each.
    strangest : list of (float, str, Image)
        p-value, source, picture.
    """

    rows: list[Doubles] = field(default_factory=list)
    flagged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shapes: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    blocks: list[float] = field(default_factory=list)
    strangest: list[tuple[float, str, Image]] = field(default_factory=list)

    @property
    def values(self) -> Doubles:
        """The rows (n, V)."""
        return np.array(self.rows)

    def add(self, frame: Frame, result: Result, row: Doubles) -> None:
        """Take an image in."""
        self.rows.append(row.copy())
        if result.verdict != Verdict.ACCEPT:
            self.flagged += 1
            self.reasons[result.reasons[0].guard] += 1
        height, width = frame.image.shape[:2]
        self.shapes[height, width, 1 if frame.image.ndim == 2 else 3] += 1
        self.blocks.append(blockiness(frame.image))
        # what was not even scored comes first
        strangeness = -1.0 if result.p_value is None else result.p_value
        self.strangest.append((strangeness, frame.source, frame.image))
        self.strangest = sorted(self.strangest, key=lambda item: item[0])[:SHOWN]


def measured(pipeline: Pipeline, model: DriftModel, frames: Iterable[Frame]) -> Batch:
    """Return what a bundle makes of images; what is no picture is left out."""
    names = tuple(c.name for c in model.spec.channels)
    reader = Reader(model.scene, names, model.spec.flag_rate)
    batch = Batch()
    for frame in frames:
        result = pipeline.inspect(frame)
        seen = pipeline.seen
        if seen is not None:
            reader.read(seen.statistics, seen.cells, frame.image, result)
            batch.add(frame, result, reader.row)
    return batch


def blockiness(image: Image) -> float:
    """Return how much larger steps across 8 px block borders are than others; 1 = not at all."""
    plane = (image if image.ndim == 2 else image[..., 1]).astype(np.float32)
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(plane, axis=axis)).mean(1 - axis)
        border = np.arange(len(steps)) % _BLOCK_PX == _BLOCK_PX - 1
        if border.any() and steps[~border].mean() > 0:
            ratios.append(float(steps[border].mean() / steps[~border].mean()))
    return float(np.mean(ratios)) if ratios else 1.0
