"""The contrast against its formula, its regression against scikit-learn, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from edge_guard.calibration.contrast import fit_contrast
from edge_guard.calibration.logistic import PENALTY, separate
from edge_guard.evaluation.metrics import auroc
from edge_guard.guards.contrast import Contrast

RNG = np.random.default_rng(0)


def test_a_score_is_a_sum_over_values_and_magnitudes() -> None:
    contrast = Contrast(np.array([1.0, 2.0, 10.0, 20.0]))
    np.testing.assert_allclose(
        contrast.scores(np.array([[3.0, -4.0], [np.nan, 0.0]])), [105, np.nan]
    )


@pytest.mark.parametrize("n", [100, 300])
def test_the_regression_agrees_with_scikit_learn(n: int) -> None:
    inside, outside = RNG.normal(size=(n, 5)), RNG.normal(0.7, 1.5, size=(90, 5))
    kinds = np.repeat(["few", "many"], [10, 80])
    mass = np.concatenate([np.full(n, 0.5 / n), 0.25 / np.repeat([10, 80], [10, 80])])
    penalty = PENALTY * max(1.0, 300 / n)
    peer = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000)
    peer.fit(np.concatenate([inside, outside]), np.repeat([0, 1], [n, 90]), sample_weight=mass)
    weights = separate(inside, outside, kinds, np.zeros(5))
    np.testing.assert_allclose(weights, peer.coef_[0], atol=2e-3)


def test_weights_pull_towards_the_prior_and_stay_positive() -> None:
    inside, outside = np.zeros((20, 3)), np.zeros((20, 3))
    inside[:, 0] += 5  # says the opposite; the others say nothing
    prior = np.array([1.0, 1.0, 0.5])
    weights = separate(inside, outside, np.repeat("kind", 20), prior, non_negative=True)
    np.testing.assert_allclose(weights, [0.0, 1.0, 0.5], atol=1e-6)
    assert separate(inside, outside, np.repeat("kind", 20), prior)[0] < 0


def test_it_hears_a_direction_that_distances_drown() -> None:
    """Twenty quiet values carry the difference, sixty noisy ones do not."""
    scale = np.concatenate([np.full(20, 1.0), np.full(60, 6.0)])
    shift = np.concatenate([np.full(20, 0.6), np.zeros(60)])
    drawn = [RNG.normal(size=(400, 80)) * scale + s for s in (0, shift, 0, shift)]
    contrast = fit_contrast(drawn[0], drawn[1], np.repeat("shift", 400))
    distance = auroc(*[(x**2).sum(1) for x in drawn[2:]])
    assert auroc(*[contrast.scores(x) for x in drawn[2:]]) > max(0.85, distance + 0.2)
