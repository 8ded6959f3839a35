"""Limits of single image statistics: exposure, clipping, colour, focus, noise, dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard.gate.spec import Check, Limit, Range
from edge_guard.types import Array, Doubles, Reason

MARGINS = (1.0, 2.0, 4.0)
"""Hard limits lie such a share of the reference range beyond its ends."""

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
    _Rule("clipping", "clipped_low", 0.02, "", "too much of the picture is black"),
    _Rule("clipping", "clipped_high", 0.02, "", "too much of the picture is burnt out"),
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
    _Rule("noise", "noise", 0.3, "", "the picture is noisier than it should be"),
)
_WORDS = {(rule.check, rule.statistic): (rule.low, rule.high) for rule in _RULES}


def fit_limits(
    statistics: Doubles, names: tuple[str, ...], folds: Sequence[tuple[Array, Array]]
) -> tuple[Limit, ...]:
    """Return the limits of references' image statistics.

    The margin beyond the reference range starts at that range and doubles while limits from
    one part of the references would turn away any of the other part.

    Parameters
    ----------
    statistics : Doubles
        (N, S), one row a reference.
    names : tuple of str
        The S names.
    folds : sequence of (fit, score) index arrays
        Parts that do not depend on each other.
    """
    limits = [_dead_limit(statistics[:, names.index("sd")])]
    for rule in _RULES:
        column = statistics[:, names.index(rule.statistic)]
        low, high = float(column.min()), float(column.max())
        share = next((s for s in MARGINS if not _turned_away(rule, column, folds, s)), None)
        usual = _range(rule, low, high)
        margin = max((share or 0.0) * (high - low), rule.floor)
        hard = (None, None) if share is None else _range(rule, low - margin, high + margin)
        limits.append(Limit(rule.check, rule.statistic, usual, hard))
    return tuple(limits)


def _range(rule: _Rule, low: float, high: float) -> Range:
    """Return the bounds on the sides that the rule watches."""
    return (low if rule.low else None, high if rule.high else None)


def _turned_away(
    rule: _Rule, column: Doubles, folds: Sequence[tuple[Array, Array]], share: float
) -> bool:
    """Return whether a limit with this margin, fitted on one part, refuses any of the other."""
    for fit, score in folds:
        low, high = column[fit].min(), column[fit].max()
        margin = max(share * (high - low), rule.floor)
        others = column[score]
        if rule.low and (others < low - margin).any():
            return True
        if rule.high and (others > high + margin).any():
            return True
    return False


def _dead_limit(sd: Doubles) -> Limit:
    """Return the lower limit of contrast; off where references themselves are blank."""
    limit = DEAD_SD if sd.min() >= 2.0 * DEAD_SD else 0.5 * float(sd.min())
    return Limit("dead", "sd", (limit, None), (limit, None))


def outside(
    limits: tuple[Limit, ...], values: dict[str, float], *, hard: bool
) -> list[tuple[Check, Reason]]:
    """Return a reason for each statistic outside its hard or usual range.

    A value that is not a number is outside.
    """
    found = []
    for limit in limits:
        low, high = limit.hard if hard else limit.usual
        value = values[limit.statistic]
        too_low = low is not None and not value >= low
        if too_low or (high is not None and not value <= high):
            found.append((limit.check, _reason(limit, value, (low, high), too_low=too_low)))
    return found


def _reason(limit: Limit, value: float, expected: Range, *, too_low: bool) -> Reason:
    if limit.check == "dead":
        words = "the picture is dead: it has no contrast"
    else:
        words = _WORDS[limit.check, limit.statistic][0 if too_low else 1]
    return Reason(f"gate.{limit.check}", words, value if np.isfinite(value) else None, expected)
