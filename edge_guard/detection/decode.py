"""From a detector's output arrays to candidate boxes in px of the model's input.

The layouts are those that the exporters write: Ultralytics YOLOv5, v8 (also v9, 11, 12) and v10,
and the ``TFLite_Detection_PostProcess`` operator of the TensorFlow Object Detection API.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_guard.detection.spec import DetectionSpec
from edge_guard.types import Doubles, Floats

FLOOR = 0.05
"""Candidates below this score, or half the threshold, are forgotten."""
MOST = 300
"""Candidates that are kept, the best."""
_MOST_LOOKED_AT = 3000
"""The best that are looked at for overlaps: a part has tens of them."""
OVERLAP = 0.45
"""Of two boxes of a class that overlap more (intersection over union), the better one stays."""
_SUPPRESSED = ("yolo10", "ssd")
"""Forms whose models have done that themselves."""


class Candidates(NamedTuple):
    """N boxes, best first.

    Attributes
    ----------
    corners : Doubles
        (N, 4) left, top, right, bottom.
    scores : Doubles
        (N,) the model's own, 0 to 1.
    classes : array of int
        (N,)
    """

    corners: Doubles
    scores: Doubles
    classes: npt.NDArray[np.intp]


def decode(
    spec: DetectionSpec, answers: Sequence[Floats], height: int, width: int
) -> Candidates | None:
    """Return the candidates of one run; None where an output is not finite.

    Parameters
    ----------
    spec : DetectionSpec
    answers : sequence of Floats
        The model's outputs as real numbers, without batch dimension.
    height, width : int
        Of the model's input, px.
    """
    if not all(np.isfinite(answer).all() for answer in answers):
        return None
    found = _read(spec, answers)
    kept = np.flatnonzero(found.scores >= floor_of(spec.threshold))
    kept = kept[np.argsort(-found.scores[kept], kind="stable")][:_MOST_LOOKED_AT]
    corners = found.corners[kept]
    if spec.shares:
        corners = corners * [width, height, width, height]
    best = Candidates(corners, found.scores[kept], found.classes[kept])
    best = best if spec.form in _SUPPRESSED else suppress(best)
    return Candidates(best.corners[:MOST], best.scores[:MOST], best.classes[:MOST])


def floor_of(threshold: float) -> float:
    """Return the score below which candidates are forgotten."""
    return min(FLOOR, threshold / 2)


def _read(spec: DetectionSpec, answers: Sequence[Floats]) -> Candidates:
    """Return all boxes, in the model's own units."""
    if spec.form == "ssd":
        corners, classes, scores = (np.asarray(a, np.float64) for a in answers[:3])
        corners = corners.reshape(-1, 4)[:, [1, 0, 3, 2]]
        return Candidates(corners, scores.reshape(-1), np.rint(classes.reshape(-1)).astype(np.intp))
    rows = np.asarray(answers[0], np.float64).squeeze()
    rows = np.atleast_2d(rows.T if spec.columns_first else rows)
    if spec.form == "yolo10":
        return Candidates(rows[:, :4], rows[:, 4], np.rint(rows[:, 5]).astype(np.intp))
    objectness = rows[:, 4] if spec.form == "yolo5" else 1.0
    each = rows[:, 5 if spec.form == "yolo5" else 4 :]
    classes = each.argmax(1)
    scores = each[np.arange(len(each)), classes] * objectness
    center, half = rows[:, :2], rows[:, 2:4] / 2
    return Candidates(np.hstack([center - half, center + half]), scores, classes)


def suppress(found: Candidates) -> Candidates:
    """Return the boxes, best first, without those that overlap a better one of their class."""
    kept: list[int] = []
    left = np.arange(len(found.scores))
    while len(left):
        best, rest = left[0], left[1:]
        kept.append(int(best))
        alike = found.classes[rest] == found.classes[best]
        overlaps = intersection_over_union(found.corners[best], found.corners[rest]) > OVERLAP
        left = rest[~(alike & overlaps)]
    return Candidates(found.corners[kept], found.scores[kept], found.classes[kept])


def intersection_over_union(one: Doubles, others: Doubles) -> Doubles:
    """Return how far a box (4,) and each of the others (N, 4) overlap, 0 to 1, (N,)."""
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
    areas = np.prod(np.clip(others[:, 2:] - others[:, :2], 0.0, None), axis=1)
    whole = float(np.prod(np.clip(one[2:] - one[:2], 0.0, None))) + areas - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros(len(others)), where=whole > 0))
