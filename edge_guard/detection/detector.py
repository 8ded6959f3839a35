"""The boxes of one frame, and how far they can be trusted.

A frame's boxes are right when they are all there is and each is in its place. What speaks against
that is a candidate near the threshold: the next picture of the same part may have it on the other
side. So the frames are ordered by

    x = min over candidates of |ln odds(score) − ln odds(threshold)|

and labelled references map x to the probability that all boxes are right, as a classifier's
ranking score is mapped (`edge_guard.confidence`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edge_guard.backends.geometry import Mode, covered
from edge_guard.backends.spec import TapPlan, TensorSpec
from edge_guard.confidence import LIMIT, to_confidence
from edge_guard.detection.decode import Candidates, decode, floor_of
from edge_guard.detection.spec import DetectionSpec
from edge_guard.manifest import ConfidenceSpec, answer_in_words
from edge_guard.types import Array, Box, Detection, Doubles, Floats, Outputs

NOTHING = "nothing"
"""The answer to a frame without boxes."""


class Seen(NamedTuple):
    """What a detector says of one frame.

    Attributes
    ----------
    boxes : tuple of Detection
        Its answer, best first.
    clearance : float
        x.
    """

    boxes: tuple[Detection, ...]
    clearance: float

    @property
    def label(self) -> str:
        """The answer in a word: the label of the best box."""
        return self.boxes[0].label if self.boxes else NOTHING


class Detector:
    """Reads a detector's outputs.

    Parameters
    ----------
    spec : DetectionSpec
    plan : TapPlan
    labels : tuple of str
    mode : str
        How frames become the model's input.
    """

    def __init__(
        self, spec: DetectionSpec, plan: TapPlan, labels: tuple[str, ...], mode: Mode
    ) -> None:
        self._spec, self._plan, self._labels = spec, plan, labels
        self._mode: Mode = mode

    def read(self, outputs: Outputs, frame: tuple[int, int]) -> Seen | None:
        """Return what one run says of a frame of (rows, columns); None where it is not finite."""
        target = self._plan.input
        answers = real_answers(outputs, self._plan)
        found = decode(self._spec, answers, target.height, target.width)
        if found is None:
            return None
        area = covered(self._mode, frame, target.height, target.width)
        corners = _in_frame(found.corners, area, target)
        sure = np.flatnonzero(found.scores >= self._spec.threshold)
        inside = [row for row in sure if _overlaps(corners[row], frame)]
        boxes = tuple(self._detection(found, corners, int(row), frame) for row in inside)
        # A sure box beside the frame is no box: nothing that such an answer says is sure.
        clear = clearance(found.scores, self._spec.threshold) if len(inside) == len(sure) else 0.0
        return Seen(boxes, clear)

    def _detection(
        self, found: Candidates, corners: Doubles, row: int, frame: tuple[int, int]
    ) -> Detection:
        score, index = float(found.scores[row]), int(found.classes[row])
        confidence = None
        if self._spec.box_knots:
            odds = np.array([log_odds(score)])
            confidence = float(to_confidence(odds, self._spec.box_knots)[0])
        label = answer_in_words(self._labels, index)
        return Detection(label, index, score, confidence, _box(corners[row], frame))


def real_answers(outputs: Outputs, plan: TapPlan) -> list[Floats]:
    """Return the model's own outputs as real numbers; of an SSD, the boxes that it counts.

    TFLite's post-processing leaves in the places beyond these what the frame before had there.
    """
    stored = ((outputs.main, plan.main), *zip(outputs.answers, plan.answers, strict=True))
    answers = [_real(array, spec) for array, spec in stored]
    if plan.main.channels != 4 or len(answers) != 4 or answers[3].size != 1:
        return answers
    corners, classes, scores, count = answers
    n = max(0, int(np.nan_to_num(count.reshape(-1)[0])))
    return [corners.reshape(-1, 4)[:n], classes.reshape(-1)[:n], scores.reshape(-1)[:n], count]


def frame_confidence(spec: ConfidenceSpec, seen: Seen) -> float:
    """Return the probability that all of a frame's boxes are right, and no others are missing."""
    return float(to_confidence(np.array([seen.clearance]), spec.knots)[0])


def clearance(scores: Doubles, threshold: float) -> float:
    """Return how far the nearest candidate is from the threshold, in ln of the odds."""
    limit = log_odds(threshold)
    distances = [abs(log_odds(float(score)) - limit) for score in scores]
    return min([*distances, limit - log_odds(floor_of(threshold))])


def log_odds(score: float) -> float:
    """Return ln of the odds of a score, within ±`LIMIT`."""
    if not 0.0 < score < 1.0:
        return LIMIT if score >= 1.0 else -LIMIT
    return max(-LIMIT, min(LIMIT, math.log(score / (1.0 - score))))


def _real(array: Array, spec: TensorSpec) -> Floats:
    if spec.dtype == "float32":
        return array
    return (array.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)


def _in_frame(
    corners: Doubles, area: tuple[float, float, float, float], target: TensorSpec
) -> Doubles:
    """Return the corners in px of the frame, those beyond it too."""
    x, y, width, height = area
    across, down = width / target.width, height / target.height
    return np.asarray(corners * [across, down, across, down] + [x, y, x, y])


def _overlaps(corners: Doubles, frame: tuple[int, int]) -> bool:
    left, top, right, bottom = corners
    return bool(max(left, 0) < min(right, frame[1]) and max(top, 0) < min(bottom, frame[0]))


def _box(corners: Doubles, frame: tuple[int, int]) -> Box:
    """Return the px that a box touches: however small, it does not round away."""
    rows, columns = frame
    left, top = (max(0, math.floor(value)) for value in corners[:2])
    right = min(columns, max(left + 1, math.ceil(corners[2])))
    bottom = min(rows, max(top + 1, math.ceil(corners[3])))
    return left, top, right - left, bottom - top
