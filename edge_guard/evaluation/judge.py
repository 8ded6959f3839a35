"""What the guard says of a set of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.references import Progress, Reference
from edge_guard.errors import EdgeGuardError
from edge_guard.pipeline import Pipeline
from edge_guard.types import Detection, Doubles, Frame, Image, Result, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard said of N images.

    Attributes
    ----------
    images : list of Reference
    verdicts : array of str
        (N,).
    leading : list of str
        Guard of the leading reason, "" where accepted.
    scores : Doubles
        (N, K + 1) raw scores and, last, the fused one, whatever the gate says; +inf where the
        model could not be asked.
    label_index : array of int
        (N,), −1 for none. Filled for invalid images too: accuracy is the model's own.
    confidence : Doubles
        (N,), NaN for none.
    found : list of tuple of Detection, or of None
        (N,) a detector's boxes; None for other tasks, and where the model could not be asked.
    shapes : list of tuple of int
        (N,) rows and columns; empty where a picture could not be read.
    """

    images: list[Reference]
    verdicts: npt.NDArray[np.str_]
    leading: list[str]
    scores: Doubles
    label_index: npt.NDArray[np.intp]
    confidence: Doubles
    found: list[tuple[Detection, ...] | None]
    shapes: list[tuple[int, ...]]

    @property
    def fused(self) -> Doubles:
        """(N,) fused scores."""
        return self.scores[:, -1]

    @property
    def flagged(self) -> npt.NDArray[np.bool_]:
        """(N,), True for every verdict but accept."""
        return np.asarray(self.verdicts != Verdict.ACCEPT)


def judge(
    pipeline: Pipeline, images: Sequence[Reference], stage: str, progress: Progress
) -> Judged:
    """Return verdicts and raw scores of images; unreadable ones count as invalid.

    Parameters
    ----------
    pipeline : Pipeline
    images : sequence of Reference
    stage : str
        What ``progress`` is told.
    progress : callable
        Called with (stage, done, total).
    """
    n = len(images)
    scores = np.full((n, len(pipeline.manifest.guards.scores) + 1), np.inf)
    label_index = np.full(n, -1, np.intp)
    confidence = np.full(n, np.nan)
    verdicts, leading = [], []
    found: list[tuple[Detection, ...] | None] = [None] * n
    shapes: list[tuple[int, ...]] = [()] * n
    for i, reference in enumerate(images):
        progress(stage, i, n)
        try:
            image = reference.load()
            result = pipeline.inspect(Frame("evaluate", i, image))
            seen = _numbers(pipeline, image, result)
        except EdgeGuardError:
            verdicts.append(Verdict.INVALID.value)
            leading.append("gate.format")
            continue
        verdicts.append(result.verdict.value)
        leading.append(result.reasons[0].guard if result.reasons else "")
        found[i], shapes[i] = seen.found, image.shape
        scores[i] = seen.scores
        label_index[i] = -1 if seen.label_index is None else seen.label_index
        confidence[i] = np.nan if seen.confidence is None else seen.confidence
    progress(stage, n, n)
    scores[np.isnan(scores)] = np.inf
    return Judged(
        list(images), np.array(verdicts), leading, scores, label_index, confidence, found, shapes
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What the model and the guards say of one image, (K + 1,) scores with the fused one last."""

    scores: Doubles
    label_index: int | None
    confidence: float | None
    found: tuple[Detection, ...] | None


def _numbers(pipeline: Pipeline, image: Image, result: Result) -> _Numbers:
    """Return the numbers of a result; where the gate kept the image from the model, ask it."""
    if result.scores:
        values = [result.scores[name] for name in pipeline.manifest.guards.scores]
        scores = np.array([*values, result.scores["fused"]])
        return _Numbers(scores, result.label_index, result.confidence, result.detections)
    scored = pipeline.score(image)
    return _Numbers(
        np.append(scored.scores, scored.fused),
        scored.label_index,
        scored.confidence,
        scored.detections,
    )
