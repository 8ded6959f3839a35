"""Figures of merit against scikit-learn and against the definitions, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, roc_auc_score, roc_curve

from edge_guard.evaluation.metrics import (
    auroc,
    expected_calibration_error,
    fpr95,
    interval,
    reliability,
    risk_coverage,
    roc,
)

SETS = [(50, 70, 1.0, None), (200, 31, 0.2, None), (300, 300, 1.0, 1), (1, 1, 0.0, None)]


def scores(case):
    n, m, shift, digits = case
    rng = np.random.default_rng(n)
    inside, outside = rng.normal(size=n), rng.normal(shift, 1.3, m)
    if digits is not None:
        inside, outside = np.round(inside, digits), np.round(outside, digits)
    return inside, outside, np.repeat([0, 1], [n, m])


@pytest.mark.parametrize("case", SETS)
def test_auroc_is_scikit_learns(case):
    inside, outside, truth = scores(case)
    expected = roc_auc_score(truth, np.concatenate([inside, outside]))
    assert auroc(inside, outside) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", SETS)
def test_the_roc_curve_is_scikit_learns(case):
    inside, outside, truth = scores(case)
    both = np.concatenate([inside, outside])
    x, y, _ = roc_curve(truth, both, drop_intermediate=False)
    np.testing.assert_allclose(roc(inside, outside), (x, y), atol=1e-12)
    assert auc(*roc(inside, outside)) == pytest.approx(roc_auc_score(truth, both), abs=1e-12)


@pytest.mark.parametrize("case", SETS)
def test_fpr95_is_the_miss_rate_where_scikit_learns_curve_flags_at_most_5_percent(case):
    inside, outside, truth = scores(case)
    x, y, _ = roc_curve(truth, np.concatenate([inside, outside]), drop_intermediate=False)
    assert fpr95(inside, outside) == pytest.approx(1.0 - y[x <= 0.05].max(), abs=1e-12)


def test_what_could_not_be_scored_lies_beyond_everything():
    inside, outside = np.array([0.0, 1.0, 2.0]), np.array([1.5, np.inf])
    assert auroc(inside, outside) == pytest.approx((2 / 3 + 1) / 2)
    assert fpr95(inside, outside) == 0.5


def answers(n, seed, digits=None):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1.0, n)
    confidence = confidence if digits is None else np.round(confidence, digits)
    return confidence, (rng.random(n) < confidence**1.5).astype(float)


@pytest.mark.parametrize(("n", "digits"), [(400, None), (400, 1), (37, 2)])
def test_augrc_follows_from_the_failure_auroc(n, digits):
    """Traub et al. 2024, eq. 6: AUGRC = (1 − AUROC_f)·acc·(1 − acc) + ½ (1 − acc)²."""
    confidence, correct = answers(n, n, digits)
    right = correct.mean()
    failure = roc_auc_score(correct, confidence)
    expected = (1 - failure) * right * (1 - right) + 0.5 * (1 - right) ** 2
    assert risk_coverage(confidence, correct).augrc == pytest.approx(expected, abs=1e-12)


def test_aurc_is_the_mean_selective_risk():
    confidence, correct = answers(60, 1)
    order = np.argsort(-confidence)
    risks = [1.0 - correct[order[:k]].mean() for k in range(1, 61)]
    curve = risk_coverage(confidence, correct)
    np.testing.assert_allclose(curve.risk, risks)
    assert curve.aurc == pytest.approx(np.mean(risks))


def test_equal_confidences_count_in_random_order():
    rng = np.random.default_rng(3)
    confidence, correct = np.repeat([0.9, 0.6], [4, 6]), np.array([1, 1, 0, 1, 0, 1, 0, 0, 1, 1.0])
    jittered = [
        risk_coverage(confidence + rng.uniform(0, 1e-6, 10), correct).risk for _ in range(4000)
    ]
    np.testing.assert_allclose(
        risk_coverage(confidence, correct).risk, np.mean(jittered, axis=0), atol=0.02
    )


def test_reliability_is_scikit_learns_with_bins_of_equal_count():
    confidence, correct = answers(1500, 5)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15, strategy="quantile")
    bins = reliability(confidence, correct)
    np.testing.assert_allclose(bins.accuracy, accuracy, atol=0.011)  # quantiles split differently
    np.testing.assert_allclose(bins.confidence, mean, atol=0.002)
    gap = np.abs(accuracy - mean).mean()
    assert expected_calibration_error(confidence, correct) == pytest.approx(gap, abs=0.005)


def test_fewer_answers_than_bins_make_fewer_bins():
    bins = reliability(np.array([0.7, 0.9]), np.array([1.0, 0.0]))
    assert bins.count.tolist() == [1.0, 1.0]


def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(8)
    samples = [rng.normal(1.0, 2.0, 80) for _ in range(100)]
    held = sum(low <= 1.0 <= high for low, high in (interval(np.mean, [s]) for s in samples))
    assert 87 <= held <= 100


def test_intervals_of_two_samples_resample_each():
    inside, outside, _ = scores(SETS[0])
    low, high = interval(auroc, [inside, outside])
    assert low < auroc(inside, outside) < high
    assert (low, high) == interval(auroc, [inside, outside])
