"""A made-up production line: confidences, mistakes, draws; its truth is known."""

from __future__ import annotations

from functools import cache

import numpy as np

from edge_guard.retune.frames import Frames
from edge_guard.types import Doubles


def errors_at(confidence: Doubles, floor: float) -> Doubles:
    """Chance that the answer is wrong, falling with confidence towards ``floor``."""
    return np.minimum(floor + 0.6 * (1.0 - confidence) ** 2, 1.0)


def line(
    n: int,
    rng: np.random.Generator,
    *,
    floor: float = 0.001,
    probability: Doubles | float = 1.0,
    judged: float = 1.0,
    blocked: float = 0.02,
    digits: int = 6,
) -> Frames:
    """N drawn frames; ``blocked`` of them are stopped by the guards."""
    confidence = np.round(rng.beta(6.0, 0.8, n), digits)
    wrong = rng.random(n) < errors_at(confidence, floor)
    opened = rng.random(n) >= blocked
    return Frames(
        confidence=confidence,
        open=opened,
        accepted=opened,
        judged=rng.random(n) < judged,
        wrong=wrong,
        unsure=np.zeros(n, bool),
        probability=np.broadcast_to(np.asarray(probability, float), (n,)).copy(),
        turn=np.arange(n),
        first_ms=0,
        last_ms=1,
        digest="d",
    )


@cache
def _population(floor: float, digits: int) -> tuple[Doubles, Doubles]:
    """Confidences of a long line, descending, and the mean risk down to each."""
    drawn = np.random.default_rng(99).beta(6.0, 0.8, 500_000)
    confidence = np.sort(np.round(drawn, digits))[::-1]
    risk = np.cumsum(errors_at(confidence, floor)) / np.arange(1, len(confidence) + 1)
    return confidence, risk


def true_risk(threshold: float, floor: float, digits: int = 6) -> float:
    """Share of wrong answers among what a threshold accepts, of the whole line."""
    confidence, risk = _population(floor, digits)
    accepted = int(np.searchsorted(-confidence, -threshold, side="right"))
    return float(risk[accepted - 1])
