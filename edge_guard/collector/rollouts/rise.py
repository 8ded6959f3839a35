"""Whether a stream is flagged more often than before: a test that may be looked at at any time.

The rate before is not known, only counted: x₀ of n₀ frames. Half of the level goes into its upper
limit U (Clopper & Pearson 1934), half into the test of "the rate now is at most U" by the mixture

    E = mean over k of Π (p_k / U)^flagged ((1 − p_k) / (1 − U))^(1 − flagged),   p_k > U.

Each factor's mean is at most 1 while the rate is at most U, so E reaches 1/α ever, however often it
is looked at, with probability α at most (Ville 1939). Together: a rate that has not risen is called
risen with at most the level's probability, over the whole life of the rollout.

Flags come in bursts, frames are not independent. Both counts are therefore divided by how much more
the windows before scattered than independent frames would have (Fisher's dispersion); for bursts
the level is approximate.

References
----------
Clopper & Pearson (1934), Biometrika 26. Ville (1939), Étude critique de la notion de collectif.
Ramdas, Grünwald, Vovk & Shafer (2023), Statistical Science 38, on tests by betting.
McCullagh & Nelder (1989), Generalized Linear Models, §4.5, on dispersion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, log1p

from edge_guard.collector.beta import beta_quantile

MOST_FLAGGED = 0.5
"""A stream of which nothing is known before is expected to stay below this."""
_RISES = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_LEAST_WINDOWS = 10
"""Fewer say nothing of how flags scatter."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a stream was like under its earlier bundle.

    Attributes
    ----------
    frames, flagged : int
        Flagged: every verdict but ``accept``.
    scatter : float
        ≥ 1, variance of the flagged count of a window over that of independent frames.
    """

    frames: int = 0
    flagged: int = 0
    scatter: float = 1.0

    @property
    def rate(self) -> float:
        """Flagged share, 0 without frames."""
        return self.flagged / self.frames if self.frames else 0.0


def counted(windows: Sequence[tuple[int, int]]) -> Before:
    """Return what windows of (frames, flagged) add up to.

    Scatter is Σ (xᵢ − nᵢ p)² / (nᵢ p (1 − p)) / (k − 1), at least 1; 1 for fewer than 10 windows.
    """
    filled = [(n, x) for n, x in windows if n > 0]
    frames, flagged = sum(n for n, _ in filled), sum(x for _, x in filled)
    before = Before(frames, flagged)
    p = before.rate
    if len(filled) < _LEAST_WINDOWS or not 0.0 < p < 1.0:
        return before
    pearson = sum((x - n * p) ** 2 / (n * p * (1.0 - p)) for n, x in filled)
    return Before(frames, flagged, max(1.0, pearson / (len(filled) - 1)))


@lru_cache(maxsize=8192)  # asked for again with every count
def upper_limit(before: Before, level: float, rise: float = 1.0) -> float:
    """Return the rate that counts as not risen: U above, and never beyond half the frames.

    Parameters
    ----------
    before : Before
    level : float
        Probability of a false alarm in all; half of it is spent here.
    rise : float
        ≥ 1, how many times the rate before may be reached.
    """
    frames, flagged = before.frames / before.scatter, before.flagged / before.scatter
    limit = beta_quantile(1.0 - 0.5 * level, flagged + 1.0, frames - flagged)
    return min(limit * rise, max(MOST_FLAGGED, before.rate * rise), 1.0)


def has_risen(before: Before, frames: int, flagged: int, level: float, rise: float = 1.0) -> bool:
    """Return whether so many flagged frames since prove a higher rate than before.

    Parameters
    ----------
    before : Before
    frames, flagged : int
        Since the new bundle is in use; call again with every new count.
    level : float
        Probability, over all calls together, of a wrong True.
    rise : float
        ≥ 1, how many times the rate before may be reached.
    """
    return log_evidence(before, frames, flagged, level, rise) >= log(2.0 / level)


def log_evidence(
    before: Before, frames: int, flagged: int, level: float, rise: float = 1.0
) -> float:
    """Return log E of the module's formula; 0 = none, where every rate would be as before."""
    limit = upper_limit(before, level, rise)
    if limit >= 1.0:
        return 0.0
    rates = [limit * times for times in _RISES if limit * times < 1.0] or [0.5 * (1.0 + limit)]
    hits, misses = flagged / before.scatter, (frames - flagged) / before.scatter
    logs = [hits * log(rate / limit) + misses * (log1p(-rate) - log1p(-limit)) for rate in rates]
    top = max(logs)
    return top + log(sum(exp(one - top) for one in logs) / len(logs))
