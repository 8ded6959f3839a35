"""Bets keep their word: at the nominal level, at any time, with any weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta as beta_law

from edge_guard.retune.betting import (
    at_least,
    at_most,
    draws,
    highest_log_wealth,
    interval,
    log_wealth,
    log_wealth_upward,
    more_needed,
    scales,
)


def plain_wealth(probability: np.ndarray, y: np.ndarray, share: float) -> float:
    """The formula of the module, frame after frame in float64, without groups or logarithms."""
    r = probability.min() / probability
    total = 0.0
    for f, c in ((1.0, 0.25), (0.75, 0.4), (0.5, 0.35)):
        one = c
        for ratio, event in zip(r, y, strict=True):
            one *= 1.0 + f / (1.0 - share) * ratio * (share - event)
        total += one
    return total


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.01, 0.2, 0.5, 1.0]), st.booleans()), min_size=1),
    st.floats(0.005, 0.6),
)
def test_wealth_is_its_formula(rows: list[tuple[float, bool]], share: float) -> None:
    probability = np.array([p for p, _ in rows])
    y = np.array([event for _, event in rows])
    found = log_wealth(draws(probability, y), share)
    assert math.exp(found) == pytest.approx(plain_wealth(probability, y, share), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 1.0]), st.booleans()), min_size=1))
def test_the_highest_wealth_is_that_of_some_beginning(rows: list[tuple[float, bool]]) -> None:
    probability, y = np.array([p for p, _ in rows]), np.array([event for _, event in rows])
    least = float(probability.min())
    beginnings = [
        log_wealth(draws(probability[:n], y[:n], least), 0.1) for n in range(1, len(y) + 1)
    ]
    found = highest_log_wealth(probability, y, 0.1, least)
    assert found == pytest.approx(max(0.0, *beginnings), abs=1e-9)


@pytest.mark.parametrize("wealth", [log_wealth, log_wealth_upward])
def test_a_bet_is_fair_whatever_the_weights(wealth) -> None:
    """E W = 1 at the boundary, exactly: every outcome of a few frames, by their probability."""
    share, n = 0.2, 4
    pi = np.array([0.1, 1.0, 0.4, 0.1])
    expected = 0.0
    for code in range(2**n):
        y = np.array([bool(code >> i & 1) for i in range(n)])
        chance = float(np.prod(np.where(y, share, 1 - share)))
        expected += chance * math.exp(wealth(draws(pi, y), share))
    assert expected == pytest.approx(1.0, rel=1e-12)


def test_scales_share_out_delta_and_allow_every_frame() -> None:
    assert [one.least for one in scales(0.4, 0.1)] == [0.4, 0.2, 0.1]
    assert [one.least for one in scales(0.4, 0.09)] == [0.4, 0.2, 0.1, 0.05]
    assert len(scales(0.4, 0.7)) == 1
    shares = [one.share for one in scales(1.0, 1e-300)]
    assert 0.999 < sum(shares) < 1.0
    assert min(shares) > 0.0


def test_bets_end_before_the_first_frame_that_is_too_rare_for_them() -> None:
    pi, y = np.array([0.4, 0.2, 0.1, 0.4, 0.4]), np.zeros(5, bool)
    found = highest_log_wealth(pi, y, 0.1, 0.2)
    assert found == pytest.approx(log_wealth(draws(pi[:2], y[:2], 0.2), 0.1))


def test_bounds_fail_no_more_often_than_promised_however_often_somebody_looks() -> None:
    """Somebody looks after every label and stops at the first bound below the truth."""
    rng = np.random.default_rng(1)
    truth, delta, failed, runs = 0.03, 0.1, 0, 1500
    for _ in range(runs):
        y = rng.random(1500) < truth
        failed += highest_log_wealth(np.ones(1500), y, truth, 1.0) >= -math.log(delta)
    assert failed <= runs * delta + 3 * math.sqrt(runs * delta * (1 - delta))


def test_weighted_frames_are_bounded_for_all_frames_not_for_those_drawn() -> None:
    """Two kinds: one is drawn 20 times as often and is five times as often wrong."""
    rng = np.random.default_rng(2)
    share_of, wrong, pi = np.array([0.7, 0.3]), np.array([0.01, 0.05]), np.array([0.02, 0.4])
    truth, delta = float(share_of @ wrong), 0.1
    drawn_truth = float((share_of * pi) @ wrong / (share_of @ pi))
    assert drawn_truth > 1.9 * truth
    inside = low_fails = high_fails = 0
    for _ in range(150):
        kind = (rng.random(20_000) < share_of[1]).astype(int)
        kept = kind[rng.random(20_000) < pi[kind]]
        seen = draws(pi[kept], rng.random(len(kept)) < wrong[kept])
        high_fails += at_most(seen, delta) < truth
        low_fails += at_least(seen, delta) > truth
        low, high = interval(seen, delta)
        inside += low <= drawn_truth <= high
    assert max(high_fails, low_fails) <= 150 * delta + 3 * math.sqrt(150 * delta * (1 - delta))
    assert inside < 150, "an unweighted share would never be excluded"


@pytest.mark.parametrize(("n", "wrong"), [(400, 0), (1000, 3), (3000, 40)])
def test_the_price_of_looking_is_moderate(n: int, wrong: int) -> None:
    """The bound against Clopper & Pearson's, who may look once only."""
    y = np.arange(n) < wrong
    once = beta_law.ppf(0.95, wrong + 1, n - wrong)
    assert once < at_most(draws(np.ones(n), y), 0.05) < 1.75 * once


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(0, 600), st.sampled_from([0.01, 0.03, 0.1]))
def test_more_needed_is_the_fewest(wrong: int, right: int, share: float) -> None:
    seen = draws(np.ones(wrong + right), np.arange(wrong + right) < wrong)
    more = more_needed(seen, share, 0.05)
    for extra in (more, more - 1):
        if extra < 0:
            continue
        y = np.arange(wrong + right + extra) < wrong
        enough = log_wealth(draws(np.ones(len(y)), y), share) >= -math.log(0.05)
        assert enough == (extra >= more)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.88, 0.99])
def test_intervals_hold_shares_of_any_size_and_are_not_wide(share: float) -> None:
    rng, inside, widest = np.random.default_rng(11), 0, 0.0
    for _ in range(60):
        low, high = interval(draws(np.ones(1500), rng.random(1500) < share), 0.05)
        inside += low <= share <= high
        widest = max(widest, high - low)
    assert inside >= 60 * 0.95 - 3 * math.sqrt(60 * 0.05 * 0.95)
    assert widest < 3.0 * 2 * 1.96 * math.sqrt(share * (1 - share) / 1500)


def test_no_frames_say_nothing() -> None:
    nothing = draws(np.zeros(0), np.zeros(0, bool))
    assert math.isnan(nothing.share)
    assert interval(nothing, 0.05) == (0.0, 1.0)
