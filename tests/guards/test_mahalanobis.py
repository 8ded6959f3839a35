"""The Gaussian against scikit-learn's Ledoit-Wolf and against plain linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from edge_guard.guards.mahalanobis import MIN_PER_CLASS, fit_gaussian, ledoit_wolf_shrinkage


@pytest.mark.parametrize(("n", "d"), [(30, 5), (40, 40), (25, 120)])
def test_shrinkage_is_ledoit_wolf(n: int, d: int) -> None:
    rng = np.random.default_rng(n * d)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    expected = LedoitWolf().fit(x).shrinkage_
    assert ledoit_wolf_shrinkage(x - x.mean(0)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (40, 40), (25, 120)])
def test_distances_match_the_shrunk_covariance_inverted(n: int, d: int) -> None:
    rng = np.random.default_rng(n + d)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3.0
    covariance = LedoitWolf().fit(x).covariance_
    queries = rng.normal(size=(7, d)) * 4.0
    z = queries - x.mean(0)
    expected = np.einsum("nd,nd->n", z, np.linalg.solve(covariance, z.T).T)
    found = fit_gaussian(x, np.zeros(n, int)).distances(queries)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_large_class_has_its_mean_and_small_ones_share() -> None:
    rng = np.random.default_rng(0)
    sizes = [MIN_PER_CLASS + 5, MIN_PER_CLASS, 4, 3]
    predicted = np.repeat(np.arange(4), sizes)
    x = rng.normal(size=(len(predicted), 3)) + 10.0 * predicted[:, None]
    means = fit_gaussian(x, predicted).means
    assert len(means) == 3
    np.testing.assert_allclose(means[0], x[predicted == 0].mean(0))
    np.testing.assert_allclose(means[2], x[predicted >= 2].mean(0))


def test_identical_references_make_any_difference_infinitely_suspicious() -> None:
    gaussian = fit_gaussian(np.ones((20, 4)), np.zeros(20, int))
    same, other = gaussian.distances(np.array([np.ones(4), np.ones(4) * 1.01]))
    assert same == 0.0
    assert other > 1e6


def test_not_a_number_stays_not_a_number() -> None:
    gaussian = fit_gaussian(np.random.default_rng(1).normal(size=(20, 4)), np.zeros(20, int))
    assert np.isnan(gaussian.distances(np.array([[np.nan, 0, 0, 0]]))).all()
