"""The draw of frames for audits: known odds, unbiased sums, the budget kept on average."""

from __future__ import annotations

import random

import numpy as np
import pytest

from edge_guard.publish.audit import FIRST_RATE, AuditDraw


def drawn(per_hour: float, times: np.ndarray, seed: int = 1) -> list[float | None]:
    draw = AuditDraw(per_hour, 60.0, random.Random(seed).random)
    return [draw.take(float(at)) for at in times]


def steady(rate: float, seconds: float) -> np.ndarray:
    return np.arange(0.0, seconds, 1.0 / rate)


def test_nothing_is_drawn_without_a_budget() -> None:
    assert drawn(0.0, steady(10.0, 60.0)) == [None] * 600


def test_odds_follow_the_frames_of_the_window_before() -> None:
    asked: list[float] = []

    def always() -> float:
        asked.append(0.0)
        return 0.0

    draw = AuditDraw(36.0, 60.0, always)
    odds = [draw.take(float(at)) for at in steady(5.0, 120.0)]
    assert len(asked) == len(odds), "each frame is drawn by itself"
    (first,), (second,) = set(odds[:300]), set(odds[301:600])
    assert first == pytest.approx(0.01 / FIRST_RATE), "one probability in a window"
    assert second == pytest.approx(0.01 / 5.0, rel=0.01)


@pytest.mark.parametrize("rate", [0.01, 0.5, 10.0, 100.0])
def test_the_budget_is_kept_on_average(rate: float) -> None:
    hours = 4.0 if rate > 1 else 200.0
    odds = drawn(12.0, steady(rate, 3600.0 * hours))
    wanted = min(12.0, 3600.0 * rate) * hours
    n = sum(p is not None for p in odds)
    assert abs(n - wanted) <= 4.0 * wanted**0.5 + 1.0, (n, wanted)


def test_a_burst_after_a_quiet_night_does_not_flood() -> None:
    quiet, burst = steady(1 / 300.0, 8 * 3600.0), 8 * 3600.0 + steady(60.0, 3600.0)
    odds = drawn(12.0, np.concatenate([quiet, burst]))
    assert sum(p is not None for p in odds[len(quiet) :]) <= 12.0 + 4.0 * 12.0**0.5


def test_weighted_sums_are_unbiased_where_rates_and_answers_change_together() -> None:
    """Horvitz-Thompson: Σ 1/π over the wrong ones drawn estimates how many are wrong."""
    rng = np.random.default_rng(3)
    times = np.concatenate([steady(2.0, 1800.0), 1800.0 + steady(20.0, 600.0)])
    wrong = rng.random(len(times)) < np.where(times < 1800.0, 0.02, 0.3)
    found = []
    for seed in range(150):
        odds = drawn(600.0, times, seed)
        found.append(sum(1.0 / p for p, bad in zip(odds, wrong, strict=True) if p and bad))
    error = float(np.std(found)) / len(found) ** 0.5
    assert abs(np.mean(found) - wrong.sum()) < 4.0 * error, (np.mean(found), wrong.sum())


def test_the_draw_cannot_be_foreseen() -> None:
    """Without injection each draw has randomness of its own."""
    runs = set()
    for _ in range(5):
        draw = AuditDraw(3600.0, 60.0)
        runs.add(tuple(draw.take(n / 60.0) is not None for n in range(3600)))
    assert len(runs) == 5
