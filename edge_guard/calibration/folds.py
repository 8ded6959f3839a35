"""Folds for out-of-fold scores, and how many references are really independent.

Neighbouring video frames are nearly the same frame. With autocorrelation ρ_k the correlation length
is τ = 1 + 2 Σ_k ρ_k, which is (1 + ρ) / (1 − ρ) for an AR(1) process, and n references are worth
n / τ (Sokal 1997, "Monte Carlo methods in statistical mechanics", §3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.types import Array, Doubles

_DIRECTIONS = 3
_CORRELATED = 1.5
"""Correlation lengths below this are treated as independence."""

_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """Which references are fitted on and which are scored, as row indices."""

    fit: npt.NDArray[np.intp]
    score: npt.NDArray[np.intp]


def correlation_length(vectors: Array, groups: Array) -> float:
    """Return τ ≥ 1 of references in capture order.

    The longest τ among the leading principal directions, each summed up to the first lag whose
    ρ_k is insignificant (3/√n); measured inside groups, so that folders sorted by label do not
    look like a video.

    Parameters
    ----------
    vectors : Array
        (N, D) standardised image statistics in the order of capture.
    groups : Array
        (N,), the folder of each.
    """
    x = np.asarray(vectors, np.float64)
    for group in np.unique(groups):
        members = groups == group
        x[members] = x[members] - x[members].mean(0)
    neighbours = groups[1:] == groups[:-1]
    if len(x) < 10 or not neighbours.any():
        return 1.0
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    scores = x @ axes[:_DIRECTIONS].T
    floor = 3.0 / np.sqrt(neighbours.sum())
    return max(_integrated(column, groups, floor) for column in scores.T)


def _integrated(x: Doubles, groups: Array, floor: float) -> float:
    """Return 1 + 2 Σ ρ_k of one centred series, up to the first ρ_k at or below the floor."""
    variance = max(float((x * x).mean()), 1e-12)
    length = 1.0
    for lag in range(1, len(x)):
        together = groups[lag:] == groups[:-lag]
        if not together.any():
            break
        rho = float((x[lag:] * x[:-lag])[together].mean()) / variance
        if rho <= floor:
            break
        length += 2.0 * rho
    return length


def make_folds(n: int, length: float, rng: np.random.Generator) -> Iterator[Fold]:
    """Yield folds that cover every reference once.

    Independent references: 10 random folds (5 from 1,000). Correlated ones: 5 blocks in time, with
    a gap of τ references (at most half a block) left out of the fit on both sides.

    Parameters
    ----------
    n : int
        Number of references.
    length : float
        Their correlation length τ.
    """
    order = np.arange(n)
    if length < _CORRELATED:
        count = min(n, 10 if n < 1000 else 5)
        for part in np.array_split(rng.permutation(n), count):
            yield Fold(np.setdiff1d(order, part), np.sort(part))
        return
    gap = min(int(np.ceil(length)), n // (2 * _BLOCKS))
    for block in np.array_split(order, _BLOCKS):
        away = (order < block[0] - gap) | (order > block[-1] + gap)
        yield Fold(order[away], block)


def standardise(vectors: Array) -> Doubles:
    """Return columns with mean 0 and standard deviation 1 (constant ones become 0)."""
    x = np.asarray(vectors, np.float64)
    deviation = x.std(0)
    return np.asarray((x - x.mean(0)) / np.where(deviation > 1e-12, deviation, np.inf))
