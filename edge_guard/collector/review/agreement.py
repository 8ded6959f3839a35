"""How far two people agree who judged the same frames without knowing of each other.

With p_ij the share of frames that the first calls i and the second j, p_i. and p_.j its margins,

    p_o = Σ p_ii          p_e = Σ p_i. p_.i          κ = (p_o − p_e) / (1 − p_e)    (Cohen 1960)

    var κ = ( Σ_i p_ii (1 − (p_i. + p_.i)(1 − κ))²
              + (1 − κ)² Σ_{i≠j} p_ij (p_.i + p_j.)²
              − (κ − p_e (1 − κ))² ) / (n (1 − p_e)²)       (Fleiss, Cohen & Everitt 1969, eq. 13)

The interval of κ is κ ± 1.96 √var within −1 to 1, that of p_o exact (Clopper & Pearson 1934). κ has
no meaning where both gave one and the same answer throughout (p_e = 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard.collector.beta import beta_quantile

FEWEST = 30
"""Frames from which κ is more than a hint."""
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far first and second words agree.

    Attributes
    ----------
    n : int
        Frames that both have judged.
    agreed : int
    observed : tuple of float
        Share that agrees, with its 95 % interval.
    kappa : tuple of float or None
        Cohen's κ, with its 95 % interval; None where it has no meaning.
    """

    n: int
    agreed: int
    observed: tuple[float, float, float]
    kappa: tuple[float, float, float] | None


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement | None:
    """Return how far pairs of answers agree; None of no pairs.

    Parameters
    ----------
    pairs : sequence of (str, str)
        First and second answer to one frame.
    """
    n = len(pairs)
    if not n:
        return None
    agreed = sum(first == second for first, second in pairs)
    low = beta_quantile(0.025, agreed, n - agreed + 1)
    high = beta_quantile(0.975, agreed + 1, n - agreed)
    return Agreement(n, agreed, (agreed / n, low, high), _kappa(pairs))


def _kappa(pairs: Sequence[tuple[str, str]]) -> tuple[float, float, float] | None:
    names = sorted({answer for pair in pairs for answer in pair})
    p = np.zeros((len(names), len(names)))
    for first, second in pairs:
        p[names.index(first), names.index(second)] += 1 / len(pairs)
    rows, columns, same = p.sum(axis=1), p.sum(axis=0), np.diag(p)
    chance = float(rows @ columns)
    if chance > 1.0 - 1e-12:
        return None
    kappa = (float(same.sum()) - chance) / (1.0 - chance)
    on = float((same * (1.0 - (rows + columns) * (1.0 - kappa)) ** 2).sum())
    spread = (p - np.diag(same)) * (columns[:, None] + rows[None, :]) ** 2
    off = (1.0 - kappa) ** 2 * float(spread.sum())
    rest = (kappa - chance * (1.0 - kappa)) ** 2
    reach = _Z95 * (max(0.0, on + off - rest) / len(pairs)) ** 0.5 / (1.0 - chance)
    return kappa, max(-1.0, kappa - reach), min(1.0, kappa + reach)
