"""Confidence that fits the labels: a line on the parent's odds, taken only where it helps.

y' = a·y + b, y the ln of the odds that the parent gives (Platt 1999), fitted to drawn and judged
frames by weighted maximum likelihood with w = 1/π; a > 0, so that the order of frames, and with it
every threshold's guarantee, stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.retune.frames import Frames
from edge_guard.types import Doubles

FEWEST, FEWEST_WRONG = 300, 10
"""Labelled frames, and mistakes among them, from which a line is fitted."""

_FOLDS = 5
_GAIN = 1e-3
"""Out-of-fold likelihood loss per frame that a line must save."""
_LEAST_SLOPE = 1e-2
_LIMIT = 36.0
_ROUNDS = 50
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Line:
    """y' = slope · y + offset.

    Attributes
    ----------
    slope, offset : float
    before, after : float
        Mean −ln of the probability given to what happened: the parent's, and out of fold.
    """

    slope: float
    offset: float
    before: float
    after: float

    def moved(self, confidence: float) -> float:
        """Return the new confidence of a parent's one."""
        return float(1.0 / (1.0 + np.exp(-(self.slope * _odds(confidence) + self.offset))))

    def original(self, confidence: float) -> float:
        """Return the parent's confidence that a new one comes from."""
        return float(1.0 / (1.0 + np.exp(-(_odds(confidence) - self.offset) / self.slope)))


def fit_line(frames: Frames) -> Line | None:
    """Return the line that the labels support, or None where the parent's confidence will do."""
    known = frames.drawn & frames.judged & frames.open & ~frames.unsure
    right = ~frames.wrong[known]
    if known.sum() < FEWEST or (~right).sum() < FEWEST_WRONG:
        return None
    y = np.asarray(_odds(frames.confidence[known]))
    w = 1.0 / frames.probability[known]
    fold = np.random.default_rng(len(y)).permutation(len(y)) % _FOLDS
    held = np.zeros(len(y))
    for k in range(_FOLDS):
        rest = fold != k
        slope, offset = _fit(y[rest], right[rest], w[rest])
        held[fold == k] = slope * y[fold == k] + offset
    before, after = _loss(y, right, w), _loss(held, right, w)
    if after >= before - _GAIN:
        return None
    return Line(*_fit(y, right, w), before, after)


def _fit(y: Doubles, right: npt.NDArray[np.bool_], w: Doubles) -> tuple[float, float]:
    """Newton's method on the weighted likelihood."""
    terms = np.stack([y, np.ones(len(y))], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(_ROUNDS):
        p = 1.0 / (1.0 + np.exp(-np.clip(terms @ found, -_LIMIT, _LIMIT)))
        slope = terms.T @ (w * (right - p)) / w.sum() - _RIDGE * found
        bend = (terms * (w * p * (1 - p) / w.sum())[:, None]).T @ terms + _RIDGE * np.eye(2)
        step = np.linalg.solve(bend, slope)
        found = found + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return max(float(found[0]), _LEAST_SLOPE), float(found[1])


def _loss(odds: Doubles, right: npt.NDArray[np.bool_], w: Doubles) -> float:
    return float(np.average(np.logaddexp(0.0, np.where(right, -odds, odds)), weights=w))


def _odds(confidence: Doubles | float) -> Doubles:
    p = np.clip(confidence, 1e-15, 1.0 - 1e-15)
    return np.asarray(np.log(p) - np.log1p(-p))
