"""The estimate of accuracy without labels: its promise in simulation, its parts by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import chi2, t

from edge_guard.calibration.accuracy import METHODS, Answers, fit_accuracy, prediction
from edge_guard.calibration.accuracy_changes import CHANGES, changed
from edge_guard.drift.accuracy import estimate
from edge_guard.manifest import AccuracySpec

SKILL = 4.0
CHANGED = 0.3
"""Deviation of the ln of the odds that one change of the world adds."""


def told(rng: np.random.Generator, n: int, shift: float, origin: np.ndarray | None) -> Answers:
    """Answers of a model whose confidences are right but for what a change adds to the odds."""
    odds = SKILL + 1.5 * rng.normal(size=n)
    right = rng.random(n) < 1.0 / (1.0 + np.exp(-(odds + shift)))
    rows = np.arange(n) if origin is None else origin
    return Answers(1.0 / (1.0 + np.exp(-odds)), right, rows)


def fitted(rng: np.random.Generator, n: int, effects: Sequence[float]) -> AccuracySpec | None:
    plain = told(rng, n, 0.0, None)
    moved = [told(rng, 200, effect, rng.permutation(n)[:200]) for effect in effects]
    return fit_accuracy(plain, moved, 1.0, 0.01, rng)


def counted(spec: AccuracySpec, answers: Answers) -> np.ndarray:
    places = np.searchsorted(spec.edges, answers.confidence, "right")
    return np.bincount(places, minlength=len(spec.basis.values))


@pytest.mark.parametrize("n", [300, 1000])
def test_the_interval_holds_the_accuracy_after_the_next_change(n: int) -> None:
    held, reach, trials = 0, [], 200
    for trial in range(trials):
        rng = np.random.default_rng([n, trial])
        spec = fitted(rng, n, rng.normal(0.0, CHANGED, len(CHANGES)))
        assert spec is not None
        new = told(rng, 3000, rng.normal(0.0, CHANGED), None)
        found = estimate(spec.basis, counted(spec, new).tolist())
        assert found is not None
        held += found.low <= new.right.mean() <= found.high
        reach.append(found.high - found.low)
    assert held / trials >= 0.95 - 2.0 * (0.95 * 0.05 / trials) ** 0.5, held / trials
    assert np.median(reach) < 0.09, "a careful interval that says nothing is no promise"


def test_a_prediction_is_the_textbooks() -> None:
    """Against the formulas, written out: with equal variances Q = Σ (e − ē)² / (s² + τ²)."""
    errors, variance = np.array([0.01, -0.02, 0.03, 0.0, 0.02]), 1e-4
    bias, spread = prediction(errors, np.full(5, variance), 2e-4)
    between = 4 * errors.var(ddof=1) / chi2.ppf(0.2, 4) - variance
    assert bias == pytest.approx(errors.mean())
    wide = (between + (variance + between) / 5 + 2e-4) ** 0.5
    assert spread == pytest.approx(float(t.ppf(0.975, 3)) * wide)


def test_errors_that_chance_explains_leave_chance_only() -> None:
    bias, spread = prediction(np.array([1e-3, -1e-3, 1e-3, -1e-3]), np.full(4, 1e-4), 0.0)
    assert bias == pytest.approx(0.0)
    assert spread == pytest.approx(float(t.ppf(0.975, 2)) * (1e-4 / 4) ** 0.5)


def test_too_little_to_learn_from_gives_no_estimate() -> None:
    rng = np.random.default_rng(0)
    assert fitted(rng, 90, [0.0] * 5) is None, "too few references"
    assert fitted(rng, 400, [0.0, 0.0]) is None, "too few changes that are accepted at all"


def test_a_change_that_hurts_unseen_is_in_the_spread() -> None:
    rng = np.random.default_rng(1)
    mild = fitted(rng, 1000, [0.0] * 16)
    wild = fitted(rng, 1000, [0.0] * 13 + [-4.0] * 3)
    assert mild is not None
    assert wild is not None
    assert mild.basis.spread < 0.035
    assert wild.basis.spread > 0.15
    assert wild.basis.bias > 0.02, "optimistic where a change hurts unseen"
    assert {mild.basis.method, wild.basis.method} <= set(METHODS)


def test_all_right_is_not_certainty() -> None:
    rng = np.random.default_rng(2)
    sure = [Answers(rng.uniform(0.9, 1, 150), np.ones(150, np.bool_), np.arange(150))] * 6
    spec = fit_accuracy(sure[0], sure[1:], 1.0, 0.01, rng)
    assert spec is not None
    assert spec.basis.spread > 0.005


@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 3)])
def test_changes_keep_size_and_change_something(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(30, 220, shape).astype(np.uint8)
    for place, change in enumerate(CHANGES):
        made = changed(change, image, rng)
        assert (made.shape, made.dtype) == (image.shape, np.uint8), place
        assert (made != image).mean() > 0.02, place
