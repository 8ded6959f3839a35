"""Weights of the fusion: a ridge-penalised, non-negative logistic regression.

minimise  mean over both classes, balanced, of ln(1 + exp(∓(b + Σ_j w_j t_j))) + λ/2 Σ_j (w_j − w⁰)²
subject to w_j ≥ 0, with t the fusion terms of references (class 0) and pseudo-outliers (class 1).

The penalty pulls towards equal weights w⁰ on the plain terms rather than towards zero, and λ grows
as references get fewer: at 50 references the fusion stays close to a mean of the squashed scores.
"""

from __future__ import annotations

import numpy as np

from edge_guard.guards.fusion import Fusion, robust_scale, squash, terms
from edge_guard.types import Array, Doubles

PENALTY = 0.01
_PENALTY_REFERENCES = 300
"""The penalty is `PENALTY` at this many references and grows in proportion below."""

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
    penalty = PENALTY * max(1.0, _PENALTY_REFERENCES / len(references))
    w = _logistic(inside, outside, _kind_weights(kinds), penalty, _prior(k))
    return Fusion(center, spread, w[:k], w[k : 2 * k], float(w[-2]), float(w[-1]))


def _prior(k: int) -> Doubles:
    prior = np.zeros(2 * k + 2)
    prior[:k] = _PRIOR_MEAN_WEIGHT / k
    return prior


def _kind_weights(kinds: Array) -> Doubles:
    """Return weights that sum to 1, the same total for each kind."""
    names, members, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(names) * counts[members]))


def _logistic(
    inside: Doubles, outside: Doubles, outside_weight: Doubles, penalty: float, prior: Doubles
) -> Doubles:
    """Return the minimiser's weights (intercept dropped: a threshold follows anyway)."""
    from scipy.optimize import minimize

    t = np.concatenate([-inside, outside])
    side = np.concatenate([-np.ones(len(inside)), np.ones(len(outside))])
    mass = np.concatenate([np.full(len(inside), 0.5 / len(inside)), 0.5 * outside_weight])

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        w, b = parameters[:-1], parameters[-1]
        margin = t @ w + side * b
        slope = -mass / (1.0 + np.exp(np.clip(margin, -500, 500)))
        value = float(mass @ np.logaddexp(0.0, -margin) + 0.5 * penalty * ((w - prior) ** 2).sum())
        return value, np.append(slope @ t + penalty * (w - prior), slope @ side)

    bounds = [(0.0, None)] * len(prior) + [(None, None)]
    start = np.append(prior, 0.0)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1])
