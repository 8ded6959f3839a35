"""Weights of the fusion: a ridge-penalised, non-negative logistic regression.

Its terms t are those of `edge_guard.guards.fusion`. The penalty pulls towards equal weights on the
plain terms rather than towards zero: at 50 references the fusion stays close to a mean of the
squashed scores.
"""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.logistic import separate
from edge_guard.guards.fusion import Fusion, robust_scale, squash, terms
from edge_guard.types import Array, Doubles

_PRIOR_MEAN_WEIGHT = 2.0
"""Sum of the prior's equal weights."""


def fit_fusion(references: Array, outliers: Array, kinds: Array) -> Fusion:
    """Return the fusion of raw scores.

    Parameters
    ----------
    references : Array
        (N, K) raw out-of-fold scores of the references.
    outliers : Array
        (M, K) raw scores of pseudo-outliers, by guards that never saw their originals.
    kinds : array of str
        (M,), kind of each outlier; kinds weigh the same however many pictures they have.
    """
    center, spread = robust_scale(references)
    inside = terms(squash(references, center, spread))
    outside = terms(squash(outliers, center, spread))
    k = references.shape[1]
    w = separate(inside, outside, kinds, _prior(k), non_negative=True)
    return Fusion(center, spread, w[:k], w[k : 2 * k], float(w[-2]), float(w[-1]))


def _prior(k: int) -> Doubles:
    prior = np.zeros(2 * k + 2)
    prior[:k] = _PRIOR_MEAN_WEIGHT / k
    return prior
