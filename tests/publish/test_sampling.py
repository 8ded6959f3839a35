"""Sampling of usual frames: unbiased under a budget of bytes, diverse ones where there is room.

Rates are estimated from the random part alone; the interval is the collector's.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from edge_guard.collector.audit import share
from edge_guard.config import StreamTable
from edge_guard.publish.audit import AuditDraw
from edge_guard.publish.diverse import LEARN, DiverseDraw
from edge_guard.publish.sampling import Sampling

RATE = 20.0


def shift(rng: np.random.Generator, hours: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Whether each frame is bad, and the size of its picture: bad ones are three times as large."""
    n = int(RATE * 3600 * hours)
    chance = np.where(np.arange(n) % 20_000 < 4_000, 0.25, 0.01)  # they come in runs
    bad = rng.random(n) < chance
    return bad, np.where(bad, 90_000, 30_000) + rng.integers(0, 10_000, n)


def audited(
    bad: np.ndarray, sizes: np.ndarray, budget: float, seed: int
) -> list[tuple[int, float]]:
    """Rows of the frames drawn, with their probabilities."""
    draw = AuditDraw(600.0, 60.0, random.Random(seed).random, budget)
    found = []
    for row in range(len(bad)):
        if (p := draw.take(row / RATE)) is not None:
            found.append((row, p))
            draw.sent(int(sizes[row]))
    return found


def test_rates_are_unbiased_though_sizes_move_the_odds() -> None:
    rng = np.random.default_rng(7)
    bad, sizes = shift(rng, 0.4)
    totals, held, used, budget, runs = [], 0, [], 8e6, 80
    for seed in range(runs):
        found = audited(bad, sizes, budget, seed)
        rows, odds = (np.array(column) for column in zip(*found, strict=True))
        rows = rows.astype(int)
        totals.append(float((bad[rows] / odds).sum()))
        known = share(odds.tolist(), bad[rows].tolist())
        assert known is not None
        held += known.low <= bad.mean() <= known.high
        used.append(sizes[rows].sum())
    error = float(np.std(totals)) / runs**0.5
    assert abs(np.mean(totals) - bad.sum()) < 4 * error, (np.mean(totals), bad.sum())
    assert held / runs >= 0.95 - 2 * (0.95 * 0.05 / runs) ** 0.5, held / runs
    assert np.mean(used) < 1.25 * 0.4 * budget, np.mean(used)


def test_without_pressure_bytes_do_not_change_the_draw() -> None:
    bad, sizes = shift(np.random.default_rng(1), 0.1)
    assert audited(bad, sizes, 1e12, 5) == [
        (row, p)
        for draw in [AuditDraw(600.0, 60.0, random.Random(5).random)]
        for row in range(len(bad))
        if (p := draw.take(row / RATE)) is not None
    ]


def kinds(rng: np.random.Generator, n: int) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Frames of one common kind and nine rare ones, a few thousandths each."""
    kind = np.where(rng.random(n) < 0.97, 0, rng.integers(1, 10, n))
    centres = rng.normal(0, 4, (10, 8))
    centres[0] = 0
    values = centres[kind] + rng.normal(0, 1, (n, 8))
    return kind, [{f"v{i}": float(x) for i, x in enumerate(row)} for row in values]


def test_diverse_frames_hold_the_rare_kinds_within_their_budget() -> None:
    kind, values = kinds(np.random.default_rng(2), 36_000)  # an hour at ten a second
    draw = DiverseDraw(40.0)
    sent = [
        n for n, row in enumerate(values) if draw.take(row, n / 10.0, affordable=True) is not None
    ]
    assert 20 <= len(sent) <= 41
    assert min(sent) >= LEARN
    assert np.mean(kind[sent] > 0) > 0.2, np.mean(kind[sent] > 0)  # of all frames: 0.03
    assert len(set(kind[sent])) >= 8


def test_a_stream_that_never_changes_still_shows_a_frame_now_and_then() -> None:
    draw = DiverseDraw(60.0)
    same = {"a": 1.0, "b": float("nan")}
    assert [draw.take(same, n, affordable=True) for n in range(7200)] == [None] * 7200
    assert DiverseDraw(0.0).take({"a": 1.0}, 0.0, affordable=True) is None


@pytest.mark.parametrize(("budget", "least"), [(2_000_000, 0.4), (500_000, 0.04)])
def test_diverse_frames_wait_for_what_the_random_ones_leave(budget: int, least: float) -> None:
    table = StreamTable(
        name="s", source="0", bundle="b.guard", audit_per_hour=3600, diverse_per_hour=3600,
        sample_bytes_per_hour=budget,
    )  # fmt: skip
    _, values = kinds(np.random.default_rng(3), 36_000)
    sampling, used = Sampling(table), {"random": 0, "diverse": 0}
    for n, row in enumerate(values):
        drawn = sampling.draw(row, accepted=True, now=n / 10.0)
        assert drawn.sampled is None or drawn.diverse is None
        size = 20_000 if drawn.sampled or drawn.diverse else 0
        used["random"] += size * (drawn.sampled is not None)
        used["diverse"] += size * (drawn.diverse is not None)
        sampling.sent(drawn, size)
    assert used["random"] > least * sum(used.values()), used
    assert used["diverse"] > 0, used
    assert used["random"] + used["diverse"] < 1.5 * budget, used


def test_flagged_frames_are_drawn_at_random_but_never_diverse() -> None:
    table = StreamTable(
        name="s", source="0", bundle="b.guard", audit_per_hour=3600, diverse_per_hour=3600
    )
    _, values = kinds(np.random.default_rng(4), 3_000)
    sampling = Sampling(table)
    drawn = [sampling.draw(row, accepted=False, now=n) for n, row in enumerate(values)]
    assert any(one.sampled is not None for one in drawn)
    assert all(one.diverse is None for one in drawn)
