"""Pooling of taps against NumPy's mean and std in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_oracles import SIZES, pooled, scorer_of

from edge_guard import _kernels
from edge_guard._kernels import Tensor, View

SHAPES = [(7, 7), (1, 7), (5, 1), (2, 3), (4, 4), (15, 17), (16, 33), (31, 97)]


def embed(tensor: Tensor, data: npt.NDArray[np.generic], normalize: int = 0) -> np.ndarray:
    scorer = scorer_of(taps=[tensor], views=[View(0, normalize)])
    out = np.full(scorer.embedding_sizes[0], np.nan, np.float32)
    scorer.embed((data,), np.empty(0, np.float32), out)
    return out


def stored_map(dtype: str, shape: tuple[int, ...], seed: int = 0) -> npt.NDArray[np.generic]:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(1, 3, shape).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def check(dtype: str, height: int, width: int, channels: int, channels_last: bool) -> None:
    scale, zero = (1.0, 0) if dtype == "float32" else (0.05, 3)
    data = stored_map(dtype, (height, width, channels), channels)
    tensor = Tensor(dtype, height, width, channels, channels_last, scale, zero)
    laid_out = data if channels_last else np.ascontiguousarray(data.transpose(2, 0, 1))
    expected = pooled((data.astype(np.float64) - zero) * scale)
    np.testing.assert_allclose(embed(tensor, laid_out), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_maps_match_the_oracle(
    level: str, dtype: str, channels_last: bool, height: int, width: int
) -> None:
    for channels in (1, 7, 16, 33):
        check(dtype, height, width, channels, channels_last)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_lane_straddling_channels_and_widths(level: str, dtype: str, channels_last: bool) -> None:
    for size in SIZES:
        if size > 1:
            check(dtype, 3, 5, size, channels_last)
        check(dtype, 6, max(size, 2), 2, channels_last)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("value", [0, 255])
def test_large_maps_do_not_overflow(level: str, value: int, channels_last: bool) -> None:
    data = np.full((700, 600, 1), value, np.uint8)
    mean, deviation, blocks = embed(Tensor("uint8", 700, 600, 1, channels_last), data)
    assert (mean, deviation, blocks) == (value, 0, 0)


def test_every_level_sums_quantized_maps_alike(level: str) -> None:
    data = stored_map("int8", (23, 29, 37))
    tensor = Tensor("int8", 23, 29, 37, scale=0.1, zero_point=-4)
    here = embed(tensor, data)
    _kernels.set_simd_level("scalar")
    np.testing.assert_array_equal(here, embed(tensor, data))


def test_vectors_are_dequantized_as_they_are() -> None:
    data = np.arange(-5, 5, dtype=np.int8)
    out = embed(Tensor("int8", 1, 1, 10, scale=0.5, zero_point=2), data)
    np.testing.assert_array_equal(out, (np.arange(-5, 5) - 2) * 0.5)


def test_nan_stays_in_its_channel(level: str) -> None:
    data = stored_map("float32", (6, 6, 5))
    data[3, 3, 2] = np.nan
    out = embed(Tensor("float32", 6, 6, 5), data).reshape(3, 5)
    assert np.isnan(out[:, 2]).all()
    assert np.isfinite(np.delete(out, 2, axis=1)).all()


def test_normalize_divides_each_block_by_its_norm() -> None:
    data = stored_map("float32", (1, 1, 12))
    data[0, 0, 4:8] = 0
    out = embed(Tensor("float32", 1, 1, 12), data, normalize=4).reshape(3, 4)
    blocks = data.reshape(3, 4).astype(np.float64)
    np.testing.assert_allclose(out[0], blocks[0] / np.linalg.norm(blocks[0]), rtol=1e-6)
    np.testing.assert_array_equal(out[1], 0)
    np.testing.assert_allclose(np.linalg.norm(out[2]), 1, rtol=1e-6)


def test_normalize_survives_values_whose_squares_overflow_or_vanish() -> None:
    for size in (1e30, 1e-30):
        out = embed(Tensor("float32", 1, 1, 2), np.array([3, 4], np.float32) * np.float32(size), 2)
        np.testing.assert_allclose(out, [0.6, 0.8], rtol=1e-6)


def test_center_and_scale_are_followed_by_asinh() -> None:
    x = np.array([1, -2, 1e6, 0, 5], np.float32)
    center = np.array([1, 1, 0, 3, 0], np.float32)
    scale = np.array([2, 0.5, 1, -1, 0], np.float32)
    scorer = scorer_of(n_statistics=5, views=[View(-1, scale=scale, center=center)])
    out = np.empty(5, np.float32)
    scorer.embed((), x, out)
    expected = np.arcsinh((x.astype(np.float64) - center) * scale)
    np.testing.assert_allclose(out, expected, rtol=1e-6)


@given(
    dtype=st.sampled_from(["float32", "int8", "uint8"]),
    height=st.integers(1, 20),
    width=st.integers(2, 20),
    channels=st.integers(1, 20),
    channels_last=st.booleans(),
)
def test_any_shape(dtype: str, height: int, width: int, channels: int, channels_last: bool) -> None:
    check(dtype, height, width, channels, channels_last)
