"""Which guarantee references can reach, and what more of them would buy.

Every number is asked of the rules that calibration itself applies: `conformal.promise` for false
flags, `selective.forgiving` at the first attempt's δ for labelled images and escapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_guard.calibration.attempts import delta_of
from edge_guard.calibration.conformal import MIN_EFFECTIVE, promise
from edge_guard.calibration.escapes import GOOD_LABELS
from edge_guard.calibration.selective import forgiving
from edge_guard.errors import ReferencesError
from edge_guard.manifest import Promise

Regime = Literal["none", "advisory", "marginal", "confident"]
_RANK: dict[str, int] = {"none": 0, "advisory": 1, "marginal": 2, "confident": 3}
_MOST = 1_000_000
_ERROR_RATES = (0.05, 0.01)


@dataclass(frozen=True, slots=True)
class Step:
    """What so many images reach.

    Attributes
    ----------
    images : int
    regime : str
        As a `Promise` has it; ``none`` where calibration refuses.
    rate : float
        Share of good frames that may be flagged.
    """

    images: int
    regime: Regime
    rate: float


def reach(images: int, effective: float, requested: float) -> Step:
    """Return what images reach that are worth ``effective`` independent ones.

    Parameters
    ----------
    images : int
    effective : float
    requested : float
        α.
    """
    held = _promise(images, effective, requested)
    if held is None:
        return Step(images, "none", 1.0)
    return Step(images, held.regime, held.false_flag_rate)


def further(images: int, effective: float, requested: float) -> list[Step]:
    """Return the next better steps, each with the fewest images of this kind that reach it.

    A step is a better regime or, within one, the rate that was asked for.
    """
    worth = effective / images if images else 1.0
    now = reach(images, effective, requested)
    steps = []
    while (more := _next(now, worth, requested)) is not None:
        steps.append(more)
        now = more
    return steps


def labelled_needed() -> dict[float, int]:
    """Return for 5 % and 1 % how many labelled images must be accepted without an error.

    That certifies the share of wrong answers among the accepted ones; the same number of caught
    defects certifies the share of defective parts that pass as good.
    """
    return {rate: forgiving(0, rate, delta_of(1)) for rate in _ERROR_RATES}


def defects_in(labels: Mapping[str, int]) -> int | None:
    """Return how many references have a label that is not the good one; None: nobody can tell."""
    good = [label for label in labels if label.lower() in GOOD_LABELS]
    return sum(labels.values()) - labels[good[0]] if len(good) == 1 else None


def _promise(images: int, effective: float, requested: float) -> Promise | None:
    try:
        return promise(np.zeros(images), effective, requested)
    except ReferencesError:
        return None


def _next(now: Step, worth: float, requested: float) -> Step | None:
    """Return the step with the next better regime, at its fewest images; None at the best."""
    if now.regime == "confident":
        return None

    def at(images: int) -> Step:
        return reach(images, images * worth, requested)

    def regime_grows(images: int) -> bool:
        return _RANK[at(images).regime] > _RANK[now.regime]

    high = max(now.images, MIN_EFFECTIVE)
    while not regime_grows(high):
        if high > _MOST:
            return None
        high *= 2
    low = now.images
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if regime_grows(middle) else (middle, high)
    return at(high)
