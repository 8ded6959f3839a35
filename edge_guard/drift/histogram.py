"""Histograms with fixed bins: integer counts that add up exactly in any order, and their distances.

The bins are the same everywhere and for ever, by the version in each summary; deviations from the
references are in standard deviations, so that one set of bins suits every channel. With shares p, q
of n and m values in B bins, F and G their cumulated shares:

    PSI = Σ (p − q) ln(p/q)                 where nothing changed: about (B − 1)(1/n + 1/m)
    JS  = ½ Σ p ln(2p/(p+q)) + q ln(2q/(p+q))           "          (B − 1)(1/n + 1/m) / 8
    KS  = max |F − G|                       5 % of them exceed 1.36 √(1/n + 1/m)
    W   = ∫ |F − G|                          first Wasserstein distance between the outer edges, F
                                             and G taken as straight inside each bin

with ½ added to each count of PSI and JS. B counts the bins that hold anything. JS is in nats.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from edge_guard.types import Doubles

BINS_VERSION = 1
DEVIATION = "drift."
"""Names of histograms of deviations begin with it; all others are of shares, 0 to 1."""

_STEPS = (0.25, 0.5, 0.85, 1.3, 1.65, 2.3, 3.0, 4.0, 6.0, 10.0)
DEVIATION_EDGES = (*(-s for s in reversed(_STEPS)), 0.0, *_STEPS)
SHARE_EDGES = tuple(round(0.05 * i, 2) for i in range(1, 20))
_KS_95 = 1.36

Counts = tuple[int, ...]


def edges_of(name: str) -> tuple[float, ...]:
    """Return the edges between the bins of a histogram, ascending."""
    return DEVIATION_EDGES if name.startswith(DEVIATION) else SHARE_EDGES


def counted(deviations: Doubles) -> Counts:
    """Return how many deviations fall into each bin of `DEVIATION_EDGES`."""
    bins = np.searchsorted(DEVIATION_EDGES, deviations, "right")
    return tuple(np.bincount(bins, minlength=len(DEVIATION_EDGES) + 1).tolist())


class Histograms:
    """Counts by name, one value at a time."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Count each value in; those that are not a number are left out."""
        for name, value in values.items():
            if isnan(value):
                continue
            edges = edges_of(name)
            counts = self._counts.get(name)
            if counts is None:
                counts = self._counts[name] = [0] * (len(edges) + 1)
            counts[bisect_right(edges, value)] += 1

    def counts(self) -> dict[str, Counts]:
        """Return the counts by name."""
        return {name: tuple(counts) for name, counts in self._counts.items()}


@dataclass(frozen=True, slots=True)
class Distances:
    """How far two histograms lie apart.

    Attributes
    ----------
    psi_excess, js_excess : float
        PSI and JS beyond what chance gives, at least 0.
    ks, ks_chance : float
        KS, and what it exceeds by chance in 5 % of comparisons.
    wasserstein : float
        In standard deviations (deviations) or shares.
    """

    psi_excess: float
    js_excess: float
    ks: float
    ks_chance: float
    wasserstein: float


def distances(a: Sequence[int], b: Sequence[int], edges: Sequence[float]) -> Distances | None:
    """Return the distances of two histograms over the same bins; None where one is empty.

    Parameters
    ----------
    a, b : sequence of int
        Counts of the bins.
    edges : sequence of float
        Between the bins, one fewer.

    Raises
    ------
    ValueError
        The bins are not the same.
    """
    if not len(a) == len(b) == len(edges) + 1:
        raise ValueError(f"histograms of {len(a)} and {len(b)} bins over {len(edges)} edges")
    x, y = np.array(a, np.float64), np.array(b, np.float64)
    n, m = float(x.sum()), float(y.sum())
    if n == 0 or m == 0:
        return None
    held = (x + y) > 0
    chance = (float(held.sum()) - 1) * (1 / n + 1 / m)
    p, q = ((c[held] + 0.5) / (c[held] + 0.5).sum() for c in (x, y))
    psi = float(((p - q) * np.log(p / q)).sum())
    middle = 0.5 * (p + q)
    js = float(0.5 * (p * np.log(p / middle) + q * np.log(q / middle)).sum())
    apart = np.abs(np.cumsum(x / n - y / m))[:-1]  # at each edge
    return Distances(
        psi_excess=max(psi - chance, 0.0),
        js_excess=max(js - chance / 8, 0.0),
        ks=float(apart.max(initial=0.0)),
        ks_chance=_KS_95 * (1 / n + 1 / m) ** 0.5,
        wasserstein=float(0.5 * (apart[1:] + apart[:-1]) @ np.diff(edges)),
    )
