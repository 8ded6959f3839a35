"""Simulated audits: how often the interval holds the accuracy of all frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.collector.audit import share
from edge_guard.publish.audit import AuditDraw

TRIALS = 400
BUDGETS = (10, 60, 300)
ACCURACIES = (0.9, 0.97, 0.995)


@dataclass(frozen=True, slots=True)
class Kept:
    """One setting.

    Attributes
    ----------
    setting : str
    judged : float
        Frames in an audit, on average.
    accuracy : float
        Of all frames, on average.
    held : float
        Share of intervals that hold it.
    at_least : float
        Share of one-sided limits that lie below it.
    bias : float
        Mean of estimate − truth.
    """

    setting: str
    judged: float
    accuracy: float
    held: float
    at_least: float
    bias: float


def simulated(seed: int) -> list[Kept]:
    """Return what came of audits of an 8-hour shift at a varying pace, drawn by the device's code.

    The line runs at a frame a second, stops for an hour, and runs at five frames a second for the
    last two hours, in which the model may be worse.
    """
    slow, fast = np.arange(0.0, 5 * 3600.0, 1.0), np.arange(6 * 3600.0, 8 * 3600.0, 0.2)
    times, late = np.concatenate([slow, fast]), np.arange(len(slow) + len(fast)) >= len(slow)
    rng = np.random.default_rng(seed)
    found = []
    for worse in (False, True):
        for budget in BUDGETS:
            for accuracy in ACCURACIES:
                lacking = (1.0 - accuracy) * np.where(late & worse, 3.0, 1.0)
                found.append(_setting(times, 1.0 - lacking, budget / 7.0, worse, rng))
    return found


def odds(times: np.ndarray, per_hour: float) -> np.ndarray:
    """Return with which probability the device draws each frame."""
    draw = AuditDraw(per_hour, 60.0, lambda: 0.0)  # always below: each frame's odds come back
    return np.array([draw.take(float(at)) for at in times])


def _setting(
    times: np.ndarray, chance: np.ndarray, per_hour: float, worse: bool, rng: np.random.Generator
) -> Kept:
    """Return what came of many audits; frames alike in odds and chance are drawn together."""
    alike = np.stack([odds(times, per_hour).round(12), chance], axis=1)
    kinds, frames = np.unique(alike, axis=0, return_counts=True)
    pi, chance = kinds.T
    held = above = judged = empty = 0
    bias = truth = 0.0
    for _ in range(TRIALS):
        drawn = rng.binomial(frames, pi)
        right = rng.binomial(drawn, chance)
        true = float((right + rng.binomial(frames - drawn, chance)).sum() / frames.sum())
        truth += true
        found = share(np.repeat(pi, drawn), _answers(drawn, right))
        if found is None:
            empty += 1
            continue
        held += found.low <= true <= found.high
        above += found.at_least <= true
        bias += found.share - true
        judged += found.n
    n = TRIALS - empty
    words = "worse at the fast pace" if worse else "the same at each pace"
    return Kept(words, judged / TRIALS, truth / TRIALS, held / n, above / n, bias / n)


def _answers(drawn: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return one answer a drawn frame: of each kind the right ones first."""
    return np.concatenate([np.arange(n) < k for n, k in zip(drawn, right, strict=True)])
