"""A ridge-penalised logistic regression of references against pseudo-outliers.

minimise  mean over both classes, balanced, of ln(1 + exp(∓(b + Σ_j w_j t_j))) + λ/2 Σ_j (w_j − w⁰)²

The penalty pulls towards w⁰, and λ grows as references get fewer.
"""

from __future__ import annotations

import numpy as np

from edge_guard.types import Array, Doubles

PENALTY = 0.01
_PENALTY_REFERENCES = 300
"""The penalty is `PENALTY` at this many references and grows in proportion below."""


def separate(
    inside: Doubles, outside: Doubles, kinds: Array, prior: Doubles, *, non_negative: bool = False
) -> Doubles:
    """Return the minimiser's weights (J,); the intercept is dropped: a threshold follows anyway.

    Parameters
    ----------
    inside, outside : Doubles
        (N, J) of references and (M, J) of pseudo-outliers, finite.
    kinds : array of str
        (M,), kind of each outlier; kinds weigh the same however many pictures they have.
    prior : Doubles
        (J,), w⁰.
    non_negative : bool
        w_j ≥ 0.
    """
    from scipy.optimize import minimize

    t = np.concatenate([-inside, outside])
    side = np.concatenate([-np.ones(len(inside)), np.ones(len(outside))])
    mass = np.concatenate([np.full(len(inside), 0.5 / len(inside)), 0.5 * _kind_weights(kinds)])
    penalty = PENALTY * max(1.0, _PENALTY_REFERENCES / len(inside))

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        w, b = parameters[:-1], parameters[-1]
        margin = t @ w + side * b
        slope = -mass / (1.0 + np.exp(np.clip(margin, -500, 500)))
        value = float(mass @ np.logaddexp(0.0, -margin) + 0.5 * penalty * ((w - prior) ** 2).sum())
        return value, np.append(slope @ t + penalty * (w - prior), slope @ side)

    bounds = [(0.0 if non_negative else None, None)] * len(prior) + [(None, None)]
    start = np.append(prior, 0.0)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1])


def _kind_weights(kinds: Array) -> Doubles:
    """Return weights that sum to 1, the same total for each kind."""
    names, members, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(names) * counts[members]))
