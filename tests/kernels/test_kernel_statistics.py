"""Image statistics, cells and hash against the NumPy oracle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statistics_oracle import cells as oracle_cells
from statistics_oracle import luma
from statistics_oracle import statistics as oracle

from edge_guard import _kernels

Image = npt.NDArray[np.uint8]
NAMES = (*_kernels.STATISTICS, *_kernels.LEVELS)


def measure(image: Image) -> tuple[dict[str, float], np.ndarray, int]:
    values = np.full(len(NAMES), np.nan, np.float32)
    cells = np.full((2, _kernels.CELLS, _kernels.CELLS), np.nan, np.float32)
    pixels_hash = _kernels.image_statistics(image, values, cells)
    return dict(zip(NAMES, values.tolist(), strict=True)), cells, pixels_hash


def check(image: Image) -> None:
    values, cells, _ = measure(image)
    expected = oracle(image)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value == pytest.approx(expected[name], rel=2e-6, abs=2e-6), name
    np.testing.assert_allclose(cells, oracle_cells(luma(image)), rtol=2e-6, atol=2e-6)


def textured(height: int, width: int, channels: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    y, x, c = np.meshgrid(*map(np.arange, (height, width, channels)), indexing="ij")
    wave = 120 + 60 * np.sin(x / 9 + y / 23 + c / 2) + rng.normal(0, 8, x.shape)
    image = np.clip(wave, 0, 255).astype(np.uint8)
    return image if channels == 3 else image[..., 0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("height", "width"),
    [
        (16, 16),
        (17, 31),
        (28, 28),
        (32, 32),
        (33, 17),
        (40, 63),
        (41, 64),
        (19, 65),
        (97, 1280),
        (255, 33),
        (256, 16),
        (257, 67),
        (263, 64),
        (520, 40),
    ],
)
def test_textures_match_the_oracle(level: str, height: int, width: int, channels: int) -> None:
    check(textured(height, width, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_extremes_match_the_oracle(level: str, channels: int) -> None:
    """Checkerboards of 0 and 255 give the largest sums that rows of 2,500 pixels can."""
    board = np.indices((20, 2500)).sum(0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    if channels == 3:
        image[..., 1] = 255 - image[..., 1]
    check(image if channels == 3 else np.ascontiguousarray(image[..., 0]))


@given(
    arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(16, 40), st.integers(16, 70)),
            st.tuples(st.integers(16, 24), st.integers(16, 40), st.just(3)),
        ),
        elements=st.integers(0, 255),
        fill=st.just(7),
    )
)
def test_any_pixels_match_the_oracle(image: Image) -> None:
    check(image)


@pytest.mark.parametrize("value", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("shape", [(16, 16), (28, 28), (17, 100, 3)])
def test_constant_images_are_finite(level: str, value: int, shape: tuple[int, ...]) -> None:
    values, cells, _ = measure(np.full(shape, value, np.uint8))
    assert np.isfinite([*values.values()]).all()
    assert values["mean"] == value
    assert values["sd"] == values["noise"] == values["focus"] == values["entropy"] == 0
    assert values["stuck_rows"] == values["stuck_columns"] == values["flat_cells"] == 1
    assert values["lbp_8"] == 1
    assert values["clipped_low"] == (value <= 1)
    assert values["clipped_high"] == (value >= 254)
    assert (cells[0] == value).all()
    assert (cells[1] == 0).all()


def strided_copies(image: Image) -> dict[str, Image]:
    """Arrays equal to ``image`` whose pixels lie in memory in every other order."""
    double = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    return {
        "rows and columns skipped": double[::2, ::2],
        "upside down": image[::-1].copy()[::-1],
        "mirrored": image[:, ::-1].copy()[:, ::-1],
        "column-major": np.asfortranarray(image),
        "cropped": np.pad(image, [(3, 5), (7, 1)] + [(0, 0)] * (image.ndim - 2))[3:-5, 7:-1],
        "channels reversed": image[..., ::-1].copy()[..., ::-1],
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_strides_do_not_matter(level: str, channels: int) -> None:
    image = textured(37, 53, channels)
    values, cells, pixels_hash = measure(image)
    for name, view in strided_copies(image).items():
        assert np.array_equal(view, image)
        other_values, other_cells, other_hash = measure(view)
        assert (other_values, other_hash) == (values, pixels_hash), name
        assert np.array_equal(other_cells, cells), name


def test_every_level_gives_the_same_numbers(level: str) -> None:
    image = textured(64, 97, 3, seed=4)
    values, cells, pixels_hash = measure(image)
    _kernels.set_simd_level("scalar")
    reference = measure(image)
    assert (values, pixels_hash) == (reference[0], reference[2])
    assert np.array_equal(cells, reference[1])


def test_wide_and_narrow_images_in_turn_do_not_mix() -> None:
    wide, narrow = textured(20, 900, 3), textured(90, 21, 3)
    alone = measure(narrow)[0]
    for image in (wide, narrow, wide, narrow):
        check(image)
    assert measure(narrow)[0] == alone


@given(st.data())
def test_one_changed_pixel_changes_the_hash(data: st.DataObject) -> None:
    image = textured(18, 23, 3)
    before = measure(image)[2]
    place = data.draw(st.tuples(st.integers(0, 17), st.integers(0, 22), st.integers(0, 2)))
    image[place] ^= data.draw(st.integers(1, 255))
    assert measure(image)[2] != before


def test_hash_sees_shape_and_spreads() -> None:
    zeros = np.zeros((16, 64, 3), np.uint8)
    hashes = {
        measure(view)[2]
        for view in (zeros, zeros.reshape(64, 16, 3), zeros.reshape(16, 192), zeros[:, :63])
    }
    rng = np.random.default_rng(0)
    noise = [measure(rng.integers(0, 256, (16, 16), dtype=np.uint8))[2] for _ in range(500)]
    assert len(hashes) == 4
    assert len(set(noise)) == 500
    ones = np.array([[h >> b & 1 for b in range(64)] for h in noise]).mean(0)
    assert (abs(ones - 0.5) < 0.12).all()  # more than 5 standard errors


def test_names_are_documented_and_unique() -> None:
    assert (len(_kernels.STATISTICS), len(_kernels.LEVELS)) == (80, 18)
    assert len(set(NAMES)) == 98


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((15, 16), np.uint8),
        ((16, 15, 3), np.uint8),
        ((16, 16, 4), np.uint8),
        ((16, 16, 1), np.uint8),
        ((16,), np.uint8),
        ((1, 16, 16, 3), np.uint8),
        ((16, 32769), np.uint8),
        ((16, 16, 3), np.float32),
        ((16, 16), np.int8),
    ],
)
def test_other_images_are_refused(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match=r"image: expected uint8 \(H, W, 3\).*got .* of shape"):
        measure(np.zeros(shape, dtype))
