"""Logit scores, nearest neighbour and fusion against their formulas and independent libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.neighbors import NearestNeighbors

from edge_guard.calibration.weights import fit_fusion
from edge_guard.guards.fusion import Fusion, robust_scale, squash
from edge_guard.guards.logits import logit_scores
from edge_guard.guards.nearest import nearest


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_logit_scores_follow_their_formulas(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 6
    p = softmax(logits / temperature, axis=1)
    gen, energy, msp = logit_scores(logits, temperature).T
    np.testing.assert_allclose(gen, (p**0.1 * (1 - p) ** 0.1).sum(1), rtol=1e-9)
    np.testing.assert_allclose(energy, -temperature * logsumexp(logits / temperature, axis=1))
    np.testing.assert_allclose(msp, 1 - p.max(1), rtol=1e-9, atol=1e-12)


def test_logit_scores_stay_finite_for_huge_logits() -> None:
    assert np.isfinite(logit_scores(np.array([[1e4, -1e4, 0.0]]))).all()


def test_nearest_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    bank, queries = rng.normal(size=(200, 16)), rng.normal(size=(30, 16))
    distances, indices = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(queries)
    found, rows = nearest(queries, bank)
    np.testing.assert_allclose(found, distances[:, 0] ** 2, rtol=1e-9)
    np.testing.assert_array_equal(rows, indices[:, 0])


def test_a_point_of_the_bank_is_at_distance_zero_exactly() -> None:
    bank = np.random.default_rng(2).normal(size=(20, 8)) * 1e4
    assert (nearest(bank, bank)[0] == 0.0).all()


def test_fusion_is_the_formula() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(40, 4)) * [1, 10, 0.1, 5]
    center, spread = robust_scale(scores)
    weight, tail = np.array([1.0, 0, 2, 0.5]), np.array([0.0, 1, 0, 3])
    knee = np.array([1.0, 0.5, 1.0, 2.0])
    fusion = Fusion(center, spread, weight, tail, knee, 0.7, 0.3)
    for row, fused in zip(scores, fusion.fuse(scores), strict=True):
        z = (row - center) / spread
        a = np.sign(z) * np.log(1 + abs(z))
        b = 3 * np.tanh(a / 3)
        top = sorted(b)[-3:]
        expected = b @ weight + np.maximum(a - knee, 0) @ tail + 0.7 * max(b) + 0.3 * np.mean(top)
        assert fused == pytest.approx(expected)


def test_a_score_that_never_varies_does_not_divide_by_zero() -> None:
    center, spread = robust_scale(np.full((30, 2), 4.0))
    assert (spread > 0).all()
    assert np.isfinite(squash(np.full((1, 2), 5.0), center, spread)).all()


@pytest.mark.parametrize("ahead", [True, False])
def test_a_guard_that_alone_sees_small_faults_speaks_for_the_frame(ahead: bool) -> None:
    """Eight guards see large changes; the ninth sees specks, or nothing."""
    rng = np.random.default_rng(5)
    references, large, specks = (rng.normal(size=(n, 9)) for n in (300, 60, 60))
    large[:, :8] += 2.5
    specks[:, 8] += 2.0 if ahead else 0.0
    outliers, kinds = np.concatenate([large, specks]), np.repeat(["large", "speck"], 60)
    plain = fit_fusion(references, outliers, kinds)
    fusion = fit_fusion(references, outliers, kinds, ("speck",))
    assert plain.solo is None
    assert (fusion.solo is not None) == ahead
    if ahead:
        fresh, faulty = rng.normal(size=(2, 2000, 9))
        faulty[:, 8] += 4.0
        limits = [np.quantile(f.fuse(references), 0.98) for f in (plain, fusion)]
        seen = [
            float((f.fuse(faulty) > t).mean()) for f, t in zip((plain, fusion), limits, strict=True)
        ]
        assert 1 - seen[1] < 0.5 * (1 - seen[0])
        assert (fusion.fuse(fresh) > limits[1]).mean() < 0.04
