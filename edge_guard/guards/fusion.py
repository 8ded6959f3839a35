"""One score out of many: squashed robust z-scores, combined with non-negative weights.

    z_k   = (s_k − center_k) / spread_k            center = median, spread = q84 − median
    a_k   = sign(z_k) · ln(1 + |z_k|),  b_k = 3 tanh(a_k / 3)
    fused = Σ weight_k b_k + Σ tail_k max(0, a_k − knee_k) + top1 · max b + top3 · mean of the 3
            largest b

The squash keeps one enormous z from drowning the rest: a rare but good part may be enormously far
from the usual ones in one kind of statistics, where a foreign one is far in many. The tail terms
let a single guard be heard that is louder than it was on good parts. A small fault is seen by the
feature-map guard alone, and twenty others outvote it: where that guard sees such faults better
than the rest do, it gets a share of the flags of its own,

    fused ← softness · ln(exp(fused / softness) + exp((gain a_last + offset) / softness))

which costs the others no more than a factor two in rarity, as in a Bonferroni correction. Weights
and solo come from calibration (`edge_guard.calibration.weights`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.types import Array, Doubles

_SPREAD_FLOOR = 1e-6
_LOUDEST = 3.0


@dataclass(frozen=True, slots=True)
class Fusion:
    """Fitted fusion of K scores.

    Attributes
    ----------
    center, spread : Doubles
        (K,), location and positive scale of each score on the references, out of fold.
    weight, tail : Doubles
        (K,), non-negative.
    knee : Doubles
        (K,), the a from which on a score counts as loud.
    top1, top3 : float
        Non-negative weights of the largest b and of the mean of the three largest.
    solo : Doubles or None
        (3,): gain, offset and softness by which the last score speaks for the whole frame.
    """

    center: Doubles
    spread: Doubles
    weight: Doubles
    tail: Doubles
    knee: Doubles
    top1: float
    top3: float
    solo: Doubles | None = None

    def squash(self, scores: Array) -> Doubles:
        """Return a (N, K) of raw scores (N, K)."""
        return squash(scores, self.center, self.spread)

    def fuse(self, scores: Array) -> Doubles:
        """Return the fused score (N,) of raw scores (N, K); NaN where any score is NaN."""
        coefficients = np.concatenate([self.weight, self.tail, [self.top1, self.top3]])
        a = self.squash(scores)
        together = np.asarray(terms(a, self.knee) @ coefficients)
        if self.solo is None:
            return together
        gain, offset, softness = self.solo
        return np.asarray(
            softness * np.logaddexp(together / softness, (gain * a[:, -1] + offset) / softness)
        )


def robust_scale(scores: Array) -> tuple[Doubles, Doubles]:
    """Return median and q84 − median of each column of (N, K), the latter kept positive."""
    center = np.median(scores, axis=0)
    spread = np.quantile(scores, 0.84, axis=0) - center
    floor = _SPREAD_FLOOR * np.maximum(1.0, np.abs(center))
    return np.asarray(center), np.maximum(spread, floor)


def squash(scores: Array, center: Doubles, spread: Doubles) -> Doubles:
    """Return a = sign(z) ln(1 + |z|) of scores (N, K)."""
    z = (np.asarray(scores, np.float64) - center) / spread
    return np.asarray(np.sign(z) * np.log1p(np.abs(z)))


def terms(a: Doubles, knee: Doubles) -> Doubles:
    """Return the (N, 2K + 2) terms that the fusion weighs: b, tails, largest, top-3 mean."""
    b = _LOUDEST * np.tanh(a / _LOUDEST)
    ordered = np.sort(b, axis=1)
    return np.concatenate(
        [b, np.maximum(a - knee, 0.0), ordered[:, -1:], ordered[:, -3:].mean(1, keepdims=True)],
        axis=1,
    )
