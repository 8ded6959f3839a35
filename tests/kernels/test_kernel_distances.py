"""Mahalanobis distance against full-matrix float64 oracles; bad values in both distances."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from kernel_oracles import SIZES, mahalanobis, score_vector, scorer_of

from edge_guard._kernels import View


def fitted(rng: np.random.Generator, n_means: int, rank: int, dim: int) -> dict[str, np.ndarray]:
    basis = np.linalg.qr(rng.normal(size=(dim, rank)))[0].T if rank else np.empty((0, dim))
    return {
        "means": rng.normal(size=(n_means, dim)).astype(np.float32),
        "basis": np.ascontiguousarray(basis, np.float32),
        "gain": rng.uniform(0.1, 5, rank).astype(np.float32),
    }


def precision_of(parts: dict[str, np.ndarray], perp: float) -> np.ndarray:
    basis = parts["basis"].astype(np.float64)
    gain = parts["gain"].astype(np.float64)
    return perp * np.eye(basis.shape[1]) + basis.T @ np.diag(gain - perp) @ basis


@functools.cache  # shared by the levels
def mahalanobis_case(
    dim: int, n_means: int, rank: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng([dim, n_means, rank])
    parts = fitted(rng, n_means, rank, dim)
    x = rng.normal(size=dim).astype(np.float32)
    return parts, x, mahalanobis(x.astype(np.float64), parts["means"], precision_of(parts, 0.7))


@pytest.mark.parametrize("dim", SIZES)
@pytest.mark.parametrize("n_means", [1, 3, 10])
def test_mahalanobis_matches_the_full_matrix(level: str, dim: int, n_means: int) -> None:
    for rank in {0, min(5, dim), dim - 1 if dim < 200 else 64}:
        parts, x, expected = mahalanobis_case(dim, n_means, rank)
        scored = score_vector(x, View(-1, perp=0.7, **parts))
        np.testing.assert_allclose(scored.scores, [expected.min()], rtol=1e-6, atol=1e-9)
        assert scored.indices == [-1, int(expected.argmin())]


def test_mahalanobis_of_a_mean_is_zero(level: str) -> None:
    parts = fitted(np.random.default_rng(1), 1, 20, 97)
    assert score_vector(parts["means"][0], View(-1, perp=3.0, **parts)).scores[0] == 0


def test_mahalanobis_keeps_its_digits_far_from_the_origin(level: str) -> None:
    """A common offset of 1000 and a precision of 1e6 outside the basis."""
    rng = np.random.default_rng(2)
    parts = fitted(rng, 4, 30, 64)
    parts["means"] += 1000
    x = (parts["means"][2] + 0.01 * rng.normal(size=64)).astype(np.float32)
    offset = x.astype(np.float64) - parts["means"][2]
    inside = parts["basis"].astype(np.float64) @ offset
    expected = (parts["gain"] * inside**2).sum() + 1e6 * (offset @ offset - inside @ inside)
    scored = score_vector(x, View(-1, perp=1e6, **parts))
    np.testing.assert_allclose(scored.scores[0], expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 16, 32])
def test_bad_values_never_match(level: str, bad: float, place: int) -> None:
    parts = fitted(np.random.default_rng(6), 2, 5, 33)
    x = np.zeros(33, np.float32)
    x[place] = bad
    bank = np.eye(7, 33, dtype=np.float32)
    scored = score_vector(x, View(-1, perp=1.0, bank=bank, **parts))
    assert not np.isfinite(scored.scores).any()
    assert np.isnan(scored.scores).all() or not np.isnan(bad)
    assert scored.indices == [-1, -1, -1]


@pytest.mark.parametrize("dim", SIZES)
def test_contrast_weighs_values_and_magnitudes(level: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    x = (rng.normal(size=dim) * 5).astype(np.float32)
    center, scale = rng.normal(size=(2, dim)).astype(np.float32)
    weights = rng.normal(size=2 * dim).astype(np.float32)
    z = np.arcsinh((x.astype(np.float64) - center) * scale)
    scored = score_vector(x, View(-1, scale=scale, center=center, contrast=weights))
    expected = float(weights[:dim] @ z + weights[dim:] @ np.abs(z))
    assert scored.scores[0] == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(z).sum())
    assert scored.indices == [-1, -1]


def test_contrast_of_nan_is_nan(level: str) -> None:
    x = np.array([1.0, np.nan], np.float32)
    assert np.isnan(score_vector(x, View(-1, contrast=np.ones(4, np.float32))).scores[0])


def test_contrast_needs_two_weights_a_value() -> None:
    with pytest.raises(ValueError, match=r"views\[0\].contrast: expected 6 values, got 5"):
        scorer_of(n_statistics=3, views=[View(-1, contrast=np.ones(5, np.float32))])
    with pytest.raises(ValueError, match="contrast: expected finite values"):
        View(-1, contrast=np.full(6, np.inf, np.float32))


def test_zero_vectors(level: str) -> None:
    zeros = np.zeros((2, 17), np.float32)
    scored = score_vector(zeros[0], View(-1, 17, means=zeros, perp=1.0, bank=zeros))
    assert scored.scores.tolist() == [0, 0]
    assert scored.indices == [-1, 0, 0]
