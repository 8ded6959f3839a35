"""What a threshold means on the line: coverage, errors, looks a shift, escapes, with intervals.

Everything is estimated from the frames that were drawn at random, weighted by 1/π; intervals are
those of `edge_guard.retune.betting` and hold however often somebody looks once 100 frames were
drawn, which fix the scale of the bets. They describe; only
`edge_guard.retune.certificate` promises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.retune.betting import draws, interval
from edge_guard.retune.certificate import LOOKS
from edge_guard.retune.frames import Frames

_POINTS = 25
_FIRST = 100
"""Drawn frames that fix the scale."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval; NaN where nothing is known."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """What accepting at or above one confidence means.

    Attributes
    ----------
    threshold : float
    coverage : Estimate
        Share of all frames that is accepted.
    risk : Estimate
        Share of wrong answers among the accepted; what people were unsure of counts as wrong.
    escapes : Estimate
        Share of all frames that is accepted and wrong: coverage times risk, whichever drawn frames
        people judge more often; the interval takes half of the 5 % from each.
    labelled : int
        Drawn and judged frames among the accepted.
    """

    threshold: float
    coverage: Estimate
    risk: Estimate
    escapes: Estimate
    labelled: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A point in frames of one shift.

    Attributes
    ----------
    frames : float
        Of a shift.
    looks, missed : Estimate
        Frames that a person looks at, and wrong answers that are accepted.
    cost : Estimate or None
        Of both together, in the unit of the given costs.
    """

    frames: float
    looks: Estimate
    missed: Estimate
    cost: Estimate | None


def at(frames: Frames, threshold: float) -> Point:
    """Return what accepting at or above a confidence means; unknown shares are (NaN, 0, 1)."""
    drawn, inside = frames.drawn, frames.open & (frames.confidence >= threshold)
    told = drawn & frames.judged & inside
    parts = [
        [_share(frames, drawn, inside, delta), _share(frames, told, frames.wrong, delta)]
        for delta in (LOOKS, LOOKS / 2)
    ]
    (coverage, risk), (c, r) = parts
    escapes = Estimate(c.share * r.share, c.low * r.low, c.high * r.high)
    return Point(threshold, coverage, risk, escapes, labelled=int(told.sum()))


def curve(frames: Frames) -> list[Point]:
    """Return points from strict to loose, evenly over the drawn frames that may be accepted."""
    passing = frames.confidence[frames.drawn & frames.open]
    if not len(passing):
        return []
    ordered = np.sort(passing)[::-1]
    ranks = np.unique(np.linspace(0, len(ordered) - 1, min(_POINTS, len(ordered))).astype(int))
    return [at(frames, float(level)) for level in dict.fromkeys(ordered[ranks].tolist())]


def shift(
    point: Point, frames: float, cost_escape: float | None = None, cost_look: float | None = None
) -> Shift:
    """Return a point in frames of one shift.

    Parameters
    ----------
    point : Point
    frames : float
        How many the line makes in a shift.
    cost_escape, cost_look : float, optional
        Of one wrong answer that is accepted, and of one human look, in any one unit.
    """
    c, e = point.coverage, point.escapes
    looks = Estimate(frames * (1 - c.share), frames * (1 - c.high), frames * (1 - c.low))
    missed = Estimate(frames * e.share, frames * e.low, frames * e.high)
    cost = None
    if cost_escape is not None and cost_look is not None:
        parts = [
            cost_look * a + cost_escape * b
            for a, b in zip(_values(looks), _values(missed), strict=True)
        ]
        cost = Estimate(*parts)
    return Shift(frames, looks, missed, cost)


def in_words(found: Shift) -> str:
    """Return the consequence as a sentence."""
    words = (
        f"of {found.frames:,.0f} frames a shift, people look at {_range(found.looks)}, and "
        f"{_range(found.missed)} wrong answers are expected to be accepted"
    )
    return words if found.cost is None else f"{words}; together they cost {_range(found.cost)}"


def _values(found: Estimate) -> tuple[float, float, float]:
    return found.share, found.low, found.high


def _share(
    frames: Frames, of: npt.NDArray[np.bool_], yes: npt.NDArray[np.bool_], delta: float
) -> Estimate:
    rows = np.flatnonzero(of)
    if not len(rows):
        return Estimate(math.nan, 0.0, 1.0)
    scale = frames.scales(_FIRST)[-1]
    seen = draws(frames.probability[rows], yes[rows], scale.least)
    low, high = interval(seen, delta * scale.share)
    return Estimate(seen.share, low, high)


def _range(found: Estimate) -> str:
    if math.isnan(found.share):
        return "nobody knows how many"
    return f"about {_count(found.share)} ({_count(found.low)}–{_count(found.high)})"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
