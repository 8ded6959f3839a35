"""Pseudo-outliers: every kind, for every shape of picture, is a changed picture of its shape."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.calibration.imagined import layout, light, surfaces
from edge_guard.calibration.imagined.resample import gaussian_blur, resize, sample
from edge_guard.calibration.outliers import MAKERS, SMALL, pseudo_outliers
from edge_guard.types import Image

SHAPES = [(16, 16), (16, 16, 3), (37, 53), (53, 37, 3), (96, 64, 3)]


def picture(shape: tuple[int, ...], seed: int = 0) -> Image:
    """A smooth random picture with an edge in it."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_blur(rng.normal(size=shape).astype(np.float32), 2.0)
    image = 120 + 150 * smooth
    image[: shape[0] // 2] += 40
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", MAKERS)
def test_a_kind_changes_the_picture_and_keeps_its_shape(kind: str, shape: tuple[int, ...]) -> None:
    x, other = (picture(shape, seed).astype(np.float32) for seed in (1, 2))
    before = x.copy()
    for seed in range(6):
        made = MAKERS[kind](x, other, np.random.default_rng(seed))
        assert made.shape == shape
        assert np.isfinite(made).all()
        np.testing.assert_array_equal(x, before)  # the reference itself is left alone
    assert np.abs(np.clip(made, 0, 255) - x).max() > 0


def test_the_same_seed_imagines_the_same() -> None:
    pictures = [picture((40, 40, 3), seed) for seed in range(5)]
    first, second = (
        list(pseudo_outliers(pictures.__getitem__, 5, 2, np.random.default_rng(3))) for _ in "ab"
    )
    assert [(kind, origin) for kind, origin, _ in first] == [(k, o) for k, o, _ in second]
    assert all((a[2] == b[2]).all() for a, b in zip(first, second, strict=True))
    assert {kind for kind, _, _ in first} == set(MAKERS)
    assert all(image.dtype == np.uint8 for _, _, image in first)


def test_a_change_that_nobody_could_see_is_left_out() -> None:
    """A blank stays blank when it is blurred, turned, shuffled or zoomed."""
    blank = np.full((48, 48), 200, np.uint8)
    kinds = {k for k, _, _ in pseudo_outliers(lambda _: blank, 3, 4, np.random.default_rng(0))}
    assert kinds.isdisjoint({"blur", "rotate", "shuffle", "zoom", "tile", "quilt", "cut-paste"})
    assert {"light", "noise", "pattern", "field", "occlude"} <= kinds


def test_references_of_mixed_sizes_and_colours_go_together() -> None:
    pictures = [picture(shape, seed) for seed, shape in enumerate(SHAPES)]
    made = list(pseudo_outliers(pictures.__getitem__, 5, 5, np.random.default_rng(1)))
    assert all(image.shape == pictures[origin].shape for _, origin, image in made)


def test_a_quilt_is_made_of_its_reference() -> None:
    x = np.where(np.indices((60, 60)).sum(0) % 2, 50.0, 150.0).astype(np.float32)
    made = surfaces.quilt(x, x, np.random.default_rng(4))
    assert made.min() >= 50 - 1e-3
    assert made.max() <= 150 + 1e-3
    assert made.mean() == pytest.approx(100, abs=3)


def test_a_scrambled_picture_keeps_its_spectrum() -> None:
    x = picture((32, 48), 7).astype(np.float32)
    made = surfaces.phase_scramble(x, x, np.random.default_rng(0))
    np.testing.assert_allclose(
        np.abs(np.fft.fft2(made)), np.abs(np.fft.fft2(x)), atol=0.02 * x.sum() / 100
    )


@pytest.mark.parametrize("kind", SMALL)
def test_small_faults_leave_most_of_the_picture_alone(kind: str) -> None:
    x, other = picture((100, 100), 1).astype(np.float32), picture((100, 100), 2).astype(np.float32)
    changed = [
        (np.abs(MAKERS[kind](x, other, np.random.default_rng(seed)) - x) > 8).mean()
        for seed in range(20)
    ]
    assert np.median(changed) < 0.35


def test_resampling() -> None:
    x = picture((20, 30), 3).astype(np.float32)
    rows, columns = np.indices(x.shape).astype(np.float32)
    np.testing.assert_array_equal(sample(x, rows, columns), x)
    np.testing.assert_allclose(sample(x, rows + 0.5, columns)[:-1], (x[:-1] + x[1:]) / 2, rtol=1e-5)
    assert resize(np.full((7, 9, 3), 12.5), (30, 11)).shape == (30, 11, 3)
    np.testing.assert_allclose(resize(np.full((7, 9), 12.5), (30, 11)), 12.5)
    assert light.shifted_light(x, x, np.random.default_rng(0)).std() == pytest.approx(x.std())
    assert layout.mix(x, x, np.random.default_rng(0)).shape == x.shape
