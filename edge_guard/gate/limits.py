"""Limits of single image statistics: exposure, colour, focus, noise, dead, stuck, banding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard import _kernels
from edge_guard.gate.spec import Check, Limit, Range
from edge_guard.types import Array, Doubles, Floats, Reason

PASSED = 1e-5
"""Share of good frames that one side of one hard limit may turn away."""

_TAIL = 0.1
"""Share of the references whose excess over the rest tells how far a tail reaches."""

_FEW = 100
"""With so many references a hard limit lies at least their range beyond it, with more, nearer."""

FREE = 1000
"""References of a free scene below which nothing but a dead picture is refused: parts that none of
them shows are rare, not wrong, and the fused score sees what is."""

_HEAVY = 0.2
"""Shape ξ of the generalised Pareto tail that is assumed, heavier than any usual statistic's."""

DEAD_SD = 1.0
"""A picture with less deviation than this, in grey levels, shows nothing."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which statistic speaks for a check, from which side, with at least which margin."""

    check: Check
    statistic: str
    floor: float
    low: str
    high: str


_RULES = (
    _Rule("exposure", "mean", 2.0, "the picture is too dark", "the picture is too bright"),
    _Rule("exposure", "p1", 4.0, "the dark parts are too dark", "the dark parts are too bright"),
    _Rule(
        "exposure", "p99", 4.0, "the bright parts are too dark", "the bright parts are too bright"
    ),
    _Rule("exposure", "darkest", 6.0, "", "nothing in the picture is dark"),
    _Rule("exposure", "brightest", 6.0, "nothing in the picture is bright", ""),
    _Rule("clipping", "clipped_low", 0.1, "", "too much of the picture is black"),
    _Rule("clipping", "clipped_high", 0.1, "", "too much of the picture is burnt out"),
    _Rule(
        "color",
        "log_rg",
        0.05,
        "the colour is off: too little red",
        "the colour is off: too much red",
    ),
    _Rule(
        "color",
        "log_bg",
        0.05,
        "the colour is off: too little blue",
        "the colour is off: too much blue",
    ),
    _Rule(
        "focus",
        "focus",
        0.1,
        "the picture is out of focus",
        "the picture is sharper than it should be",
    ),
    _Rule("focus", "gradient_1x", 0.3, "the picture is out of focus", ""),
    _Rule("stuck", "stuck_rows", 0.1, "", "neighbouring rows of the picture are the same"),
    _Rule("stuck", "stuck_columns", 0.1, "", "neighbouring columns of the picture are the same"),
    _Rule("banding", "row_banding", 1.0, "", "the picture has stripes across"),
    _Rule("banding", "column_banding", 1.0, "", "the picture has stripes down"),
    _Rule("noise", "noise", 0.3, "", "the picture is noisier than it should be"),
)
_WORDS = {(rule.check, rule.statistic): (rule.low, rule.high) for rule in _RULES}


def fit_limits(
    statistics: Doubles,
    names: tuple[str, ...],
    folds: Sequence[tuple[Array, Array]],
    *,
    fixed: bool,
) -> tuple[Limit, ...]:
    """Return the limits of references' image statistics.

    A hard limit lies where a generalised Pareto tail passes `PASSED` (Pickands 1975): with u the
    value that a tenth of the n references exceed, by e on average,

        u + e (1 − ξ) / ξ · ((0.1 / PASSED)^ξ − 1)

    and, because a tail may begin where so few references do not reach, at least 100/n of their
    range beyond it, and the rule's floor (grown by 300/n below 300). Where limits from one part of
    the references turn away any of the other part, there is no hard limit.

    Parameters
    ----------
    statistics : Doubles
        (N, S), one row a reference.
    names : tuple of str
        The S names.
    folds : sequence of (fit, score) index arrays
        Parts that do not depend on each other.
    fixed : bool
        The scene is fixed: pictures differ little.
    """
    known = fixed or len(statistics) >= FREE
    limits = [_dead_limit(statistics[:, names.index("sd")])]
    for rule in _RULES:
        column = statistics[:, names.index(rule.statistic)]
        low, high = float(column.min()), float(column.max())
        usual = _range(rule, low, high)
        hard = _range(rule, *_hard(rule, column))
        if not known or _turned_away(rule, column, folds):
            hard = (None, None)
        limits.append(Limit(rule.check, rule.statistic, usual, hard))
    return tuple(limits)


def _range(rule: _Rule, low: float, high: float) -> Range:
    """Return the bounds on the sides that the rule watches."""
    return (low if rule.low else None, high if rule.high else None)


def _hard(rule: _Rule, column: Doubles) -> tuple[float, float]:
    """Return the hard limits on both sides of the values (N,)."""
    low, high, n = float(column.min()), float(column.max()), len(column)
    margin = max(rule.floor * max(1.0, 3 * _FEW / n), (high - low) * _FEW / n)
    return min(-_reach(-column), low - margin), max(_reach(column), high + margin)


def _reach(column: Doubles) -> float:
    """Return where the upper tail of the values (N,) passes `PASSED`."""
    ordered = np.sort(np.asarray(column, np.float64))
    beyond = max(2, int(np.ceil(_TAIL * len(ordered))))
    start = float(ordered[-beyond - 1])
    excess = float((ordered[-beyond:] - start).mean())
    stretch = (1.0 - _HEAVY) / _HEAVY * ((_TAIL / PASSED) ** _HEAVY - 1.0)
    return start + excess * float(stretch)


def _turned_away(rule: _Rule, column: Doubles, folds: Sequence[tuple[Array, Array]]) -> bool:
    """Return whether limits of one part refuse any of the other."""
    for fit, score in folds:
        low, high = _hard(rule, column[fit])
        others = column[score]
        if rule.low and (others < low).any():
            return True
        if rule.high and (others > high).any():
            return True
    return False


def _dead_limit(sd: Doubles) -> Limit:
    """Return the lower limit of contrast; off where references themselves are blank."""
    limit = DEAD_SD if sd.min() >= 2.0 * DEAD_SD else 0.5 * float(sd.min())
    return Limit("dead", "sd", (limit, None), (limit, None))


class LimitTable:
    """The limits of a gate, laid out to be checked at once.

    Parameters
    ----------
    limits : tuple of Limit
    names : tuple of str
        Names of the statistics, in their order.
    hard : bool
        Check the hard ranges, not the usual ones.
    """

    def __init__(self, limits: tuple[Limit, ...], names: tuple[str, ...], *, hard: bool) -> None:
        self._limits = limits
        self._ranges = [limit.hard if hard else limit.usual for limit in limits]
        self._columns = np.array([names.index(limit.statistic) for limit in limits], np.int32)
        self._low = np.array([-np.inf if r[0] is None else r[0] for r in self._ranges])
        self._high = np.array([np.inf if r[1] is None else r[1] for r in self._ranges])

    def outside(self, statistics: Floats) -> list[tuple[Check, Reason]]:
        """Return a reason for each statistic (S,) outside its range; NaN is outside."""
        if _kernels.within(statistics, self._columns, self._low, self._high):
            return []
        values = statistics[self._columns]
        fine = (values >= self._low) & (values <= self._high)
        return [self._found(int(i), float(values[i])) for i in np.flatnonzero(~fine)]

    def _found(self, i: int, value: float) -> tuple[Check, Reason]:
        limit, (low, high) = self._limits[i], self._ranges[i]
        too_low = low is not None and not value >= low
        return limit.check, _reason(limit, value, (low, high), too_low=too_low)


def _reason(limit: Limit, value: float, expected: Range, *, too_low: bool) -> Reason:
    if limit.check == "dead":
        words = "the picture is dead: it has no contrast"
    else:
        words = _WORDS[limit.check, limit.statistic][0 if too_low else 1]
    return Reason(f"gate.{limit.check}", words, value if np.isfinite(value) else None, expected)
