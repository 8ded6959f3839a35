"""Of what is accepted, at most α is wrong: the loosest threshold that labels certify.

The first n₀ drawn frames fix a ladder of thresholds by their confidences alone, labels unread:
coverages of 40 % to 100 % of those that the guards let pass, one rung every 2.5 %. Rungs are tested
from strict to loose (fixed-sequence testing, Angelopoulos et al. 2021, "Learn then test", §3) by
bets against "α or more of what this rung accepts is wrong" (`edge_guard.retune.betting`), which may
be looked at after every label, in the order of judging: a bet once won stays won, unless the labels
since refute the promise itself. The ladder's frames set the first scale of the bets. Two rungs
start: 40 % with δ/10 and 60 % with 9δ/10; what a passed rung had goes on to the next one (Wiens
2003, the fallback procedure). The ladder never changes as labels come in, so that looking again, or
retuning again, costs nothing and breaks nothing.

Given the frame that defines a rung, others above it are independent draws of what the rung accepts;
the frame itself is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edge_guard.retune.betting import (
    Draws,
    Scale,
    at_most,
    draws,
    highest_log_wealth,
    interval,
    log_wealth,
    log_wealth_upward,
    more_needed,
    scales,
)
from edge_guard.retune.frames import Frames
from edge_guard.types import Doubles

LOOKS = 0.05
"""An interval of 95 %."""

_COVERAGES = np.linspace(0.4, 1.0, 25)
_STARTS = {0: 0.1, 8: 0.9}
"""Share of δ that a rung starts with: at 40 % and at 60 %."""
_FARTHEST = 64.0
"""Times the labels so far beyond which nobody plans."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A threshold of the ladder, and what labels say of it.

    Attributes
    ----------
    threshold : float
        Accept at or above this confidence.
    seen : Draws
        Drawn and judged frames that it accepts.
    certified : bool
    """

    threshold: float
    seen: Draws
    certified: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What labels support.

    Attributes
    ----------
    max_error, delta : float
        What was asked.
    ladder : tuple of Rung
        Strict to loose; empty until enough frames were drawn.
    best : Rung or None
        The loosest certified one.
    bound : float
        Of wrong answers among what it accepts, exceeded with probability δ at most; NaN without.
    missing : str
        What it takes, in words; empty where something is certified.
    """

    max_error: float
    delta: float
    ladder: tuple[Rung, ...]
    best: Rung | None
    bound: float
    missing: str


def certify(frames: Frames, max_error: float, delta: float) -> Findings:
    """Return the loosest certified threshold, or what is missing for one.

    Only frames that were drawn at random count: those that were labelled because they were flagged
    say nothing of the others.

    Parameters
    ----------
    frames : Frames
    max_error : float
        α: largest share of wrong answers among the accepted, 0 < α < 1.
    delta : float
        The guarantee may fail with this probability.
    """
    drawn = np.flatnonzero(frames.drawn)
    first = ladder_frames(max_error, delta)
    judged = int((frames.judged & frames.drawn).sum())
    if len(drawn) < first or not frames.open[drawn[:first]].any():
        missing = _too_few(len(drawn), judged, first, max_error, delta)
        return Findings(max_error, delta, (), None, math.nan, missing)
    rungs, held = _walk(frames, drawn[:first], max_error, delta)
    passed = [place for place, rung in enumerate(rungs) if rung.certified]
    if not passed:
        missing = _missing(rungs, held, frames, max_error, delta)
        return Findings(max_error, delta, tuple(rungs), None, math.nan, missing)
    best = rungs[passed[-1]]
    bound = min(at_most(best.seen, held[passed[-1]]), max_error)
    return Findings(max_error, delta, tuple(rungs), best, bound, "")


@cache
def ladder_frames(max_error: float, delta: float) -> int:
    """Return n₀: as many frames without a mistake as could certify the first rung."""
    nothing = draws(np.zeros(0), np.zeros(0, np.bool_))
    share = scales(1.0, 1.0)[0].share
    return more_needed(nothing, max_error, delta * share * max(_STARTS.values()))


def thresholds(confidence: Doubles) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Return the ladder's thresholds, strict to loose, and the row that defines each.

    Parameters
    ----------
    confidence : Doubles
        (M,) of the first drawn frames that the guards let pass, M ≥ 1.
    """
    order = np.argsort(-confidence, kind="stable")
    ranks = np.maximum(np.ceil(_COVERAGES * len(order) - 1e-9).astype(np.intp) - 1, 0)
    return confidence[order[ranks]], order[ranks]


def _walk(
    frames: Frames, first: npt.NDArray[np.intp], max_error: float, delta: float
) -> tuple[list[Rung], list[float]]:
    """Return the rungs as tested, and the share of δ that each has at the scale of now."""
    passing = first[frames.open[first]]
    levels, defining = thresholds(frames.confidence[passing])
    counts = frames.drawn & frames.judged & frames.open
    steps = frames.scales(len(first))
    in_turn = np.argsort(frames.turn, kind="stable")
    rungs, held, at_hand = [], [], 0.0
    for place, threshold in enumerate(levels):
        at_hand += _STARTS.get(place, 0.0) * delta
        inside = counts & (frames.confidence >= threshold)
        inside[passing[defining[place]]] = False
        rows = in_turn[inside[in_turn]]
        wrong, probability = frames.wrong[rows], frames.probability[rows]
        seen = draws(probability, wrong, steps[-1].least)
        certified = (
            at_hand > 0.0
            and _won(probability, wrong, max_error, at_hand, steps)
            and log_wealth_upward(seen, max_error) < -math.log(delta)
        )
        rungs.append(Rung(float(threshold), seen, certified))
        held.append((at_hand or _STARTS[0] * delta) * steps[-1].share)
        if not certified:
            at_hand = 0.0
    return rungs, held


def _won(
    probability: Doubles,
    wrong: npt.NDArray[np.bool_],
    max_error: float,
    delta: float,
    steps: list[Scale],
) -> bool:
    """Return whether the bets at any scale have ever been worth what refutes the share."""
    return any(
        highest_log_wealth(probability, wrong, max_error, step.least)
        >= -math.log(delta * step.share)
        for step in steps
    )


def _too_few(drawn: int, judged: int, first: int, max_error: float, delta: float) -> str:
    """Say that the ladder cannot be fixed yet."""
    more = max(first - judged, 1)
    return (
        f"{more} more labelled audited frames are needed at least, without a mistake among those "
        f"accepted, for {_percent(1 - max_error)} at {_percent(1 - delta)} confidence: "
        f"{drawn} were drawn at random so far, {judged} of them labelled"
    )


def _missing(
    rungs: list[Rung], held: list[float], frames: Frames, max_error: float, delta: float
) -> str:
    """Say what it takes at the starting rung that is nearest to its goal."""
    total = int((frames.drawn & frames.judged).sum())
    options = [(_expected(rungs[p], held[p], max_error, total), p) for p in _STARTS]
    expected, place = min(options)
    rung, share = rungs[place], held[place]
    low, high = interval(rung.seen, LOOKS)
    now = f"at present {_percent(1 - high)}–{_percent(1 - low)} of the most certain"
    goal = f"for {_percent(1 - max_error)} at {_percent(1 - delta)} confidence"
    if math.isinf(expected):
        return (
            f"no number of labels like these would do {goal}: too many of even the most certain "
            f"answers are wrong ({now} are right); allow more errors, or retrain the model"
        )
    more = more_needed(rung.seen, max_error, share)
    return (
        f"{more} more labelled accepted frames without a mistake are needed {goal}; with mistakes "
        f"as often as so far, about {math.ceil(expected)} more audited frames in all; {now} "
        f"{rung.seen.n} are right"
    )


def _expected(rung: Rung, share: float, max_error: float, total: int) -> float:
    """Return how many more drawn frames would certify a rung if they go on like those so far."""
    if not rung.seen.n:
        return math.inf
    goal = -math.log(share)

    def enough(times: float) -> bool:
        grown = Draws(rung.seen.ratio, rung.seen.yes * times, rung.seen.no * times)
        return log_wealth(grown, max_error) >= goal

    low, high = 1.0, _FARTHEST
    if not enough(high):
        return math.inf
    while high > 1.02 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return (high - 1.0) * total


def _percent(share: float) -> str:
    """Return a share in per cent, never rounded up to all: 99.97 %."""
    if share >= 1.0:
        return "100 %"
    digits = 1 if share < 0.9995 else 3
    return f"{100 * share:.{digits}f}".rstrip("0").rstrip(".") + " %"
