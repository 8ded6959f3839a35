"""Rates from audits: beta quantiles against SciPy, intervals against many simulated audits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from edge_guard.collector.audit import Audited, audit, share
from edge_guard.collector.beta import beta_quantile, incomplete_beta


@pytest.mark.parametrize("a", [0.3, 1.0, 2.5, 60.0, 5000.0])
@pytest.mark.parametrize("b", [0.4, 1.0, 7.0, 300.0])
def test_beta_quantiles_agree_with_scipy(a: float, b: float) -> None:
    for q in (0.025, 0.05, 0.5, 0.975):
        x = beta_quantile(q, a, b)
        assert x == pytest.approx(float(beta.ppf(q, a, b)), abs=1e-9)
        assert incomplete_beta(x, a, b) == pytest.approx(q, abs=1e-8)


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (59, 60), (60, 60), (30, 61)])
def test_with_equal_weights_the_interval_is_the_exact_one(right: int, n: int) -> None:
    found = share([0.01] * n, [True] * right + [False] * (n - right))
    assert found is not None
    exact = binomtest(right, n).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    one_sided = binomtest(right, n, alternative="greater").proportion_ci(0.95, "exact")
    assert found.at_least == pytest.approx(one_sided.low, abs=1e-9)
    assert (found.share, found.yes, found.n) == (right / n, right, n)


def covered(rng: np.random.Generator, frames: int, odds: np.ndarray, right: np.ndarray) -> bool:
    """Whether the interval of one simulated audit holds the accuracy of all frames."""
    drawn = rng.random(frames) < odds
    found = share(odds[drawn], right[drawn])
    return found is None or found.low <= right.mean() <= found.high


@pytest.mark.parametrize("budget", [10, 60, 400])
@pytest.mark.parametrize("accuracy", [0.9, 0.97, 0.998])
@pytest.mark.parametrize("kind", ["equal", "rates change", "worse when there is much to do"])
def test_intervals_hold_the_truth(budget: int, accuracy: float, kind: str) -> None:
    """The odds of a frame follow the frame rate of the window before: 10 times higher at night."""
    rng, frames, trials = np.random.default_rng([budget, int(1000 * accuracy)]), 5000, 200
    night = np.arange(frames) % 1000 < 200
    relative = np.where(night, 10.0, 1.0) if kind != "equal" else np.ones(frames)
    odds = np.minimum(1.0, budget * relative / relative.sum())
    chance = np.full(frames, accuracy)
    if kind.startswith("worse"):
        chance = np.where(night, 1.0, 1.0 - 1.25 * (1.0 - accuracy))
    held = sum(covered(rng, frames, odds, rng.random(frames) < chance) for _ in range(trials))
    assert held / trials >= 0.95 - 2.0 * (0.95 * 0.05 / trials) ** 0.5, held / trials


def drawn(judged: str | None, **changes: object) -> Audited:
    fields = {"bundle": "b", "probability": 0.1, "accepted": True, "flagged": False}
    return Audited(**{**fields, "answered": True, "judged": judged, **changes})  # type: ignore[arg-type]


def test_what_people_are_unsure_of_counts_against_both_limits() -> None:
    sure = audit([drawn("right")] * 50)
    doubt = audit([drawn("right")] * 50 + [drawn("unsure")] * 5 + [drawn(None)] * 3)
    assert (doubt.drawn, doubt.unsure, doubt.waiting) == (58, 5, 3)
    assert sure.accuracy is not None
    assert doubt.accuracy is not None
    assert (doubt.accuracy.share, doubt.accuracy.n) == (1.0, 50)
    worst, exact = share([0.1] * 55, [True] * 50 + [False] * 5), sure.accuracy
    assert worst is not None
    assert doubt.accuracy.low == worst.low < exact.low
    assert doubt.accuracy.at_least == worst.at_least


def test_flags_of_right_answers_are_false_ones() -> None:
    frames = [drawn("right")] * 90
    frames += [drawn("right", accepted=False, flagged=True)] * 10
    frames += [drawn("wrong", accepted=False, flagged=True)] * 20  # rightly flagged
    frames += [drawn("right", accepted=False)] * 5  # the model was not sure: no flag of the guards
    found = audit(frames).false_flags
    assert found is not None
    assert (found.yes, found.n) == (10, 105)
    accuracy = audit(frames).accuracy
    assert accuracy is not None
    assert (accuracy.yes, accuracy.n) == (90, 90)


def test_an_audit_without_judgements_says_nothing() -> None:
    report = audit([drawn(None), drawn("unsure"), drawn(None, answered=False)])
    assert (report.drawn, report.waiting, report.unsure) == (2, 1, 1)
    assert report.accuracy is None
    assert report.false_flags is None
