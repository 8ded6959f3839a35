"""Weights of the fusion: a ridge-penalised, non-negative logistic regression.

Its terms t are those of `edge_guard.guards.fusion`. The penalty pulls towards equal weights on the
plain terms rather than towards zero: at 50 references the fusion stays close to a mean of the
squashed scores.

The last score gets a solo where it tells small faults from references better, by itself, than the
fusion without a solo does. Both are then brought to one scale of rarity: median and 95 % quantile
of the references on ln 2 and ln 20, as −ln of a tail probability has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.logistic import separate
from edge_guard.guards.fusion import Fusion, robust_scale, squash, terms
from edge_guard.types import Array, Doubles

_LEAST = 1e-9
"""No scale is smaller."""

_USUAL = 0.99
"""A score is loud beyond this quantile of the references."""

_PRIOR_MEAN_WEIGHT = 2.0
"""Sum of the prior's equal weights."""


_AHEAD = 0.01
"""By so much AUROC the last score must be ahead on small faults."""


def fit_fusion(
    references: Array, outliers: Array, kinds: Array, small: Sequence[str] = ()
) -> Fusion:
    """Return the fusion of raw scores.

    Parameters
    ----------
    references : Array
        (N, K) raw out-of-fold scores of the references.
    outliers : Array
        (M, K) raw scores of pseudo-outliers, by guards that never saw their originals.
    kinds : array of str
        (M,), kind of each outlier; kinds weigh the same however many pictures they have.
    small : sequence of str
        Kinds of small faults, on which the last score may earn a solo; none: no solo.
    """
    center, spread = robust_scale(references)
    a = squash(references, center, spread)
    knee = np.maximum(1.0, np.quantile(a, _USUAL, axis=0))
    inside, outside = terms(a, knee), terms(squash(outliers, center, spread), knee)
    k = references.shape[1]
    w = separate(inside, outside, kinds, _prior(k), non_negative=True)
    fusion = Fusion(center, spread, w[:k], w[k : 2 * k], knee, float(w[-2]), float(w[-1]))
    solo = _solo(fusion, references, outliers, [kinds == kind for kind in small])
    return fusion if solo is None else replace(fusion, solo=solo)


def _solo(
    fusion: Fusion, references: Array, outliers: Array, small: list[npt.NDArray[np.bool_]]
) -> Doubles | None:
    """Return gain, offset and softness of a solo; None where it is not earned."""
    alone, faults = (fusion.squash(scores)[:, -1] for scores in (references, outliers))
    together, faulty = fusion.fuse(references), fusion.fuse(outliers)
    ahead = [
        _beyond(alone, faults[rows]) - _beyond(together, faulty[rows])
        for rows in small
        if rows.any()
    ]
    if not ahead or np.mean(ahead) < _AHEAD:
        return None
    (low, high), (low_alone, high_alone) = (np.quantile(s, [0.5, 0.95]) for s in (together, alone))
    gain = (high - low) / max(high_alone - low_alone, _LEAST)
    return np.array([gain, low - gain * low_alone, max(high - low, _LEAST) / np.log(10.0)])


def _beyond(references: Array, outliers: Array) -> float:
    """Return P(outlier > reference), the AUROC."""
    return float(np.searchsorted(np.sort(references), outliers).mean() / len(references))


def _prior(k: int) -> Doubles:
    prior = np.zeros(2 * k + 2)
    prior[:k] = _PRIOR_MEAN_WEIGHT / k
    return prior
