"""Bounds of a weighted share that hold however often somebody looks: tests by betting.

Frame i was drawn with probability π_i, and y_i is 1 where it counts (a wrong answer). With
r_i = ℓ/π_i ≤ 1 at a fixed scale ℓ, whoever bets against "the share is at least a" has, after any
frame,

    W = Σ_f c_f Π_i (1 + b_f r_i (a − y_i)),    b_f = f/(1 − a), 0 < f ≤ 1, Σ c_f = 1

Of all frames that a threshold accepts, E[(a − y)/π · drawn] ≤ 0 wherever the share is a or more, so
that W is a nonnegative supermartingale and P(W ever ≥ 1/δ) ≤ δ (Ville 1939; Waudby-Smith & Ramdas
2024, "Estimating means of bounded random variables by betting", §4; Horvitz & Thompson 1952 for the
weights). One may look after every label and stop when one likes. With equal π it is the likelihood
ratio of a share (1 − f)a against a; f = 1 earns most while nothing is wrong.

A scale must not follow the frames, or each look would be at another bet: it starts at the smallest
π of the first frames, and for a π below it a second bet, at half the scale, takes over with a share
of δ of its own, then a third (`scales`). Each bets on all frames from the first one on, until one
comes that is drawn more rarely than its scale allows, so that weights are 1/π exactly.

Weights may come from the clock or the rate of frames, never from what a person said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.types import Doubles

_FRACTIONS = (1.0, 0.75, 0.5)
_COINS = (0.25, 0.4, 0.35)
"""How the stake is split among the bets against "at least a"."""
_FINE = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)
"""Bets that describe a share of any size instead of promising a small one; with equal stakes."""
_UPWARD = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.004)
"""Bets against "at most a", as shares of the largest one that is allowed, with equal stakes."""
_AT_ONCE = 0.9
"""Share of δ of the first scale; the others have the rest: 1/2 of it, 1/6, 1/12, …"""
_STEPS = 36


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale of stakes.

    Attributes
    ----------
    least : float
        ℓ, the smallest π that it allows.
    share : float
        Of δ; those of all scales that there could ever be add up to 1.
    """

    least: float
    share: float


def scales(start: float, least: float) -> list[Scale]:
    """Return the scales that were needed so far; the last one allows every frame.

    Parameters
    ----------
    start : float
        The first ℓ.
    least : float
        The smallest π so far.
    """
    found = [Scale(start, _AT_ONCE)]
    while found[-1].least > least:
        k = len(found)
        found.append(Scale(found[-1].least / 2, (1.0 - _AT_ONCE) / (k * (k + 1))))
    return found


@dataclass(frozen=True, slots=True)
class Draws:
    """Frames that were drawn, put together by weight; the order does not matter.

    Attributes
    ----------
    ratio : Doubles
        (G,) r of each group, 0 < r ≤ 1.
    yes, no : Doubles
        (G,) how many count and how many do not.
    """

    ratio: Doubles
    yes: Doubles
    no: Doubles

    @property
    def n(self) -> int:
        """How many frames."""
        return int(self.yes.sum() + self.no.sum())

    @property
    def share(self) -> float:
        """Σ w y / Σ w with w = 1/π (Hájek 1971); NaN without frames."""
        total = float((self.ratio * (self.yes + self.no)).sum())
        return float((self.ratio * self.yes).sum()) / total if total else math.nan


def draws(probability: Doubles, y: npt.NDArray[np.bool_], least: float | None = None) -> Draws:
    """Return frames by weight.

    Parameters
    ----------
    probability : Doubles
        (N,) π, 0 < π ≤ 1.
    y : array of bool
        (N,).
    least : float, optional
        ℓ; default: the smallest of these.
    """
    if not len(y):
        return Draws(*(np.zeros(0) for _ in range(3)))
    smallest = float(probability.min()) if least is None else least
    ratio, place = np.unique(smallest / probability, return_inverse=True)
    size = len(ratio)
    yes = np.bincount(place, y, size).astype(np.float64)
    return Draws(ratio, yes, np.bincount(place, np.ones(len(y)), size) - yes)


def log_wealth(seen: Draws, share: float) -> float:
    """Return ln W of the bets against "the share is at least ``share``", 0 < share < 1."""
    return _against(seen, share, _FRACTIONS, _COINS)


def highest_log_wealth(
    probability: Doubles, y: npt.NDArray[np.bool_], share: float, least: float
) -> float:
    """Return ln of the most that W has been while these frames came in, one after the other; at the
    first one that is drawn more rarely than ``least`` the bets end.

    Parameters
    ----------
    probability : Doubles
        (N,) π, in an order that nobody chose for the answers' sake.
    y : array of bool
        (N,).
    share : float
        As for `log_wealth`.
    least : float
        ℓ.
    """
    rare = np.flatnonzero(probability < least)
    end = int(rare[0]) if len(rare) else len(y)
    probability, y = probability[:end], y[:end]
    if not end:
        return 0.0
    bets = np.array(_FRACTIONS)[:, None] / (1.0 - share) * (least / probability)
    with np.errstate(divide="ignore"):
        steps = np.log(np.maximum(1.0 + bets * (share - y), 0.0))
    paths = np.log(_COINS)[:, None] + np.cumsum(steps, axis=1)
    return max(0.0, float(np.logaddexp.reduce(paths, axis=0).max()))


def log_wealth_upward(seen: Draws, share: float) -> float:
    """Return ln W of the bets against "the share is at most ``share``", 0 < share < 1."""
    bets = np.array(_UPWARD)[:, None] / share * seen.ratio
    stakes = (1.0 / len(_UPWARD),) * len(_UPWARD)
    return _total(1.0 - bets * share, 1.0 + bets * (1.0 - share), seen, stakes)


def at_most(seen: Draws, delta: float) -> float:
    """Return the smallest share that the bets refute at 1/δ: the true one exceeds it with
    probability δ at most, whenever somebody looks."""
    return _edge(lambda share: log_wealth(seen, share) >= -math.log(delta), refuted=1.0)


def at_least(seen: Draws, delta: float) -> float:
    """Return the largest share that is refuted from below, in the same sense."""
    return _edge(lambda share: log_wealth_upward(seen, share) >= -math.log(delta), refuted=0.0)


def interval(seen: Draws, delta: float) -> tuple[float, float]:
    """Return where the share lies, in the same sense; (0, 1) of no frames."""
    stakes, goal = (1.0 / len(_FINE),) * len(_FINE), -math.log(delta / 2)
    high = _edge(lambda share: _against(seen, share, _FINE, stakes) >= goal, refuted=1.0)
    return at_least(seen, delta / 2), high


def more_needed(seen: Draws, share: float, delta: float) -> int:
    """Return how many more frames, none of which counts, refute the share at 1/δ; 0: it is.

    Parameters
    ----------
    seen : Draws
    share : float
    delta : float
    """
    typical = float(np.average(seen.ratio, weights=seen.yes + seen.no)) if seen.n else 1.0

    def enough(more: int) -> bool:
        extra = Draws(
            np.append(seen.ratio, typical), np.append(seen.yes, 0.0), np.append(seen.no, more)
        )
        return log_wealth(extra, share) >= -math.log(delta)

    high = 1
    if enough(0):
        return 0
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _against(
    seen: Draws, share: float, fractions: tuple[float, ...], stakes: tuple[float, ...]
) -> float:
    bets = np.array(fractions)[:, None] / (1.0 - share) * seen.ratio
    return _total(1.0 + bets * share, 1.0 - bets * (1.0 - share), seen, stakes)


def _total(no: Doubles, yes: Doubles, seen: Draws, stakes: tuple[float, ...]) -> float:
    """Return ln of the bets' sum from the factor of each bet and group."""
    if not seen.n:
        return 0.0
    with np.errstate(divide="ignore"):
        factors = np.log(np.maximum(no, 0.0)), np.log(np.maximum(yes, 0.0))
    parts = [
        np.where(count > 0, count * np.where(count > 0, log, 0.0), 0.0)
        for log, count in zip(factors, (seen.no, seen.yes), strict=True)
    ]
    return float(np.logaddexp.reduce(np.log(stakes) + (parts[0] + parts[1]).sum(1)))


def _edge(refutes: Callable[[float], bool], *, refuted: float) -> float:
    """Return where refuted shares begin, seen from the end of the scale that is refuted first."""
    inside, outside = 1.0 - refuted, refuted
    for _ in range(_STEPS):
        middle = 0.5 * (inside + outside)
        if refutes(middle):
            outside = middle
        else:
            inside = middle
    return outside
