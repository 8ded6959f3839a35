"""The flag threshold and what it promises.

p(s) = (1 + #{s_i ≥ s}) / (n + 1); flag when p ≤ α, that is when
s exceeds the k-th largest s_i, k = ⌊α(n + 1)⌋. For exchangeable frames the flag rate is at
most α on average over calibrations (Vovk et al. 2005, "Algorithmic learning in a random world",
prop. 2.3). Flagging at the k-th largest of n scores realises a rate distributed Beta(k, n + 1 − k)
(Vovk 2012, "Conditional validity of inductive conformal predictors", prop. 2).
"""

from __future__ import annotations

import numpy as np

from edge_guard.errors import ReferencesError
from edge_guard.manifest import Promise
from edge_guard.types import Doubles

MIN_EFFECTIVE = 20
"""Fewer effective references than this support nothing."""

_ADVISORY = 50
_CONFIDENT = 299
_CONFIDENCE = 0.95


def promise(
    calibration: Doubles, n_effective: float, requested: float, *, advisory: bool = False
) -> Promise:
    """Return the threshold on the fused score and its guarantee.

    Parameters
    ----------
    calibration : Doubles
        (N,) sorted ascending: out-of-fold fused scores of the references.
    n_effective : float
        Independent references that the N are worth.
    requested : float
        α, 0 < α < 1.
    advisory : bool
        Where the references support nothing, flag what is beyond all of them and promise nothing,
        instead of refusing.

    Raises
    ------
    ReferencesError
        Fewer than `MIN_EFFECTIVE` effective references, unless ``advisory``.
    """
    if n_effective < MIN_EFFECTIVE and not advisory:
        raise ReferencesError(
            f"the references are worth only {n_effective:.0f} independent images, "
            f"{MIN_EFFECTIVE} are the least",
            "add images of other parts, taken further apart in time; or pass --advisory for a "
            "guard without a promise",
        )
    n = len(calibration)
    attainable = max(requested, 1.0 / (n_effective + 1.0))
    k = max(1, int(np.floor(attainable * (n + 1) + 1e-9)))
    regime = "advisory" if n_effective < _ADVISORY else "marginal"
    if n_effective < MIN_EFFECTIVE:
        k = 1
    if n_effective >= _CONFIDENT and (sure := _confident_rank(n, n_effective, requested)):
        k, regime = sure, "confident"
    return Promise(
        false_flag_rate=attainable,
        requested=requested,
        regime=regime,  # type: ignore[arg-type]
        score_limit=float(calibration[n - k]),
        p_limit=float(k + 0.5) / (n + 1),
    )


def _confident_rank(n: int, n_effective: float, alpha: float) -> int:
    """Return the largest k whose realised rate exceeds α with probability ≤ 5 %; 0 if none.

    Beta(k, n + 1 − k) is taken at the effective size: rank k of n is worth k·n_eff/n of n_eff.
    """
    from scipy.special import betaincinv

    share = n_effective / n
    ranks = np.arange(1, max(2, int(alpha * (n + 1)) + 1))
    upper = betaincinv(ranks * share, n_effective + 1 - ranks * share, _CONFIDENCE)
    passing = ranks[upper <= alpha]
    return int(passing.max()) if len(passing) else 0
