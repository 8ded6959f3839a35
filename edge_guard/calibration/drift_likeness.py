"""How alike the neighbours in a series of references are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from edge_guard.types import Array, Doubles

CAREFUL = 0.8
"""Confidence of each limit of a baseline."""

_LARGEST_RHO = 0.995


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one channel on the references, in the order of capture.

    Attributes
    ----------
    name : str
    values : Doubles
        (N,).
    groups : Array
        (N,), the folder of each: neighbours across folders are none.
    """

    name: str
    values: Doubles
    groups: Array

    @property
    def together(self) -> Array:
        """(N − 1,) whether each reference and the next are neighbours."""
        return np.asarray(self.groups[1:] == self.groups[:-1])


def likeness(series: Series) -> tuple[float, float]:
    """Return the correlation of neighbours at its upper confidence limit, and its length, frames.

    The length is the larger of (1 + ρ)/(1 − ρ) and 1 + 2 Σ ρ_k.
    """
    inside = within(series.values, series.groups)
    rho = _rho(inside, series.together)
    return rho, max((1 + rho) / (1 - rho), _integrated(inside, series.groups))


def within(x: Doubles, groups: Array) -> Doubles:
    """Return the series about the mean of each group."""
    _, index = np.unique(groups, return_inverse=True)
    means = np.bincount(index, x) / np.bincount(index)
    return np.asarray(x - means[index])


def long_run(e: Doubles) -> float:
    """Return the ratio ≥ 1 of the long-run variance of residuals to their variance."""
    n, variance = len(e), float((e * e).mean())
    lags = min(n // 10, 50)
    if lags < 2 or variance <= 0.0:
        return 1.0
    rhos = [float((e[lag:] * e[:-lag]).mean()) / variance for lag in range(1, lags + 1)]
    ratio = 1.0 + 2.0 * sum((1 - lag / (lags + 1)) * r for lag, r in enumerate(rhos, 1))
    noise = np.sqrt(4.0 * lags / (3.0 * n))
    return float(ratio) if ratio > 1.0 + 2.0 * noise else 1.0


def _rho(inside: Doubles, together: Array) -> float:
    """Return the correlation of neighbours at its upper confidence limit; 0 where there is none."""
    n, variance = int(together.sum()), float((inside * inside).mean())
    if n < 10 or variance <= 0.0:
        return 0.0
    rho = float((inside[1:] * inside[:-1])[together].mean()) / variance
    if rho < stats.norm.ppf(CAREFUL) / np.sqrt(n):
        return max(rho, 0.0)
    rho += (1.0 + 3.0 * rho) / n  # Kendall 1954: its bias
    rho += stats.norm.ppf(CAREFUL) * np.sqrt(max(1.0 - rho * rho, 0.0) / n)
    return min(float(rho), _LARGEST_RHO)


def _integrated(inside: Doubles, groups: Array) -> float:
    """Return 1 + 2 Σ ρ_k up to the first insignificant ρ_k, or a tenth of the series."""
    variance = max(float((inside * inside).mean()), 1e-300)
    length, floor = 1.0, 2.0 / np.sqrt(len(inside))
    for lag in range(1, len(inside) // 10):
        together = groups[lag:] == groups[:-lag]
        if not together.any():
            break
        rho = float((inside[lag:] * inside[:-lag])[together].mean()) / variance
        if rho <= floor:
            break
        length += 2.0 * rho
    return length
