"""The feature-map guard against a float64 oracle: average, project, nearest of a bank, top mean."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from kernel_oracles import run, scorer_of

from edge_guard._kernels import Patches, Scorer, Tensor

SCALE, ZERO_POINT = 0.05, 7
CASES = [  # height, width, channels, dimensions, bank rows, top
    (1, 1, 5, 3, 1, 1),
    (2, 3, 1, 1, 2, 4),
    (5, 7, 15, 16, 15, 2),
    (7, 7, 33, 17, 17, 3),
    (14, 13, 64, 32, 97, 10),
    (3, 9, 97, 33, 500, 99),
]


class Case:
    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        height, width, channels, dim, rows, self.top = shape
        rng = np.random.default_rng([*shape, len(dtype)])
        quantized = dtype != "float32"
        self.spec = (dtype, height, width, channels)
        self.quantization = (SCALE, ZERO_POINT) if quantized else (1.0, 0)
        if quantized:
            limits = np.iinfo(dtype)
            self.map = rng.integers(limits.min, limits.max, (height, width, channels), dtype, True)
        else:
            self.map = rng.normal(size=(height, width, channels)).astype(dtype)
        self.basis = rng.normal(size=(dim, channels)).astype(np.float32)
        self.offset = rng.normal(size=dim).astype(np.float32)
        self.gain = rng.uniform(0.5, 2, height * width).astype(np.float32)
        self.bank = (4 * rng.normal(size=(rows, dim))).astype(np.float32)

    def patches(self) -> Patches:
        return Patches(0, self.basis, self.offset, self.bank, self.top, self.gain)

    def scorer(self, patches: Patches, channels_last: bool = True) -> Scorer:
        tensor = Tensor(*self.spec, channels_last, *self.quantization)
        return scorer_of(taps=[tensor], patches=patches)

    @functools.cached_property
    def descriptors(self) -> np.ndarray:
        scale, zero_point = self.quantization
        real = (self.map.astype(np.float64) - zero_point) * scale
        height, width, _ = real.shape
        means = [
            real[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean((0, 1))
            for y in range(height)
            for x in range(width)
        ]
        return np.array(means) @ self.basis.T.astype(np.float64) - self.offset

    @functools.cached_property
    def distances(self) -> np.ndarray:
        offsets = self.descriptors[:, None] - self.bank.astype(np.float64)
        return np.asarray(self.gain * np.sqrt((offsets**2).sum(2)).min(1))


@functools.cache  # shared by the levels
def case(dtype: str, shape: tuple[int, ...]) -> Case:
    return Case(dtype, shape)


@pytest.mark.parametrize("shape", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_patches_match_the_oracle(
    level: str, dtype: str, shape: tuple[int, ...], channels_last: bool
) -> None:
    expected = case(dtype, shape)
    stored = (
        expected.map if channels_last else np.ascontiguousarray(expected.map.transpose(2, 0, 1))
    )
    scorer = expected.scorer(expected.patches(), channels_last)
    scored = run(scorer, taps=[stored])
    far = np.sort(expected.distances)[::-1][: expected.top]
    np.testing.assert_allclose(scored.scores, [far.mean()], rtol=1e-5)
    distances = np.zeros(len(expected.distances), np.float32)
    scorer.distances(distances)
    np.testing.assert_allclose(distances, expected.distances, rtol=2e-5)
    assert scored.indices == [-1, int(expected.distances.argmax())]


@pytest.mark.parametrize("shape", CASES, ids=str)
def test_descriptors_match_the_oracle(level: str, shape: tuple[int, ...]) -> None:
    expected = case("uint8", shape)
    scorer = expected.scorer(Patches(0, expected.basis, expected.offset))
    assert scorer.n_scores == 0
    out = np.zeros(expected.descriptors.shape, np.float32)
    scorer.describe((expected.map,), out)
    np.testing.assert_allclose(out, expected.descriptors, rtol=1e-4, atol=1e-4)


def test_a_place_of_the_bank_is_at_distance_zero(level: str) -> None:
    expected = case("float32", CASES[4])
    described = np.zeros(expected.descriptors.shape, np.float32)
    expected.scorer(expected.patches()).describe((expected.map,), described)
    patches = Patches(0, expected.basis, expected.offset, described, 1)
    assert run(expected.scorer(patches), taps=[expected.map]).scores.tolist() == [0.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_values_make_the_score_nan(level: str, bad: float) -> None:
    expected = case("float32", CASES[2])
    stored = expected.map.copy()
    stored[2, 3, 4] = bad
    scorer = expected.scorer(expected.patches())
    scored = run(scorer, taps=[stored])
    assert np.isnan(scored.scores).all()
    assert scored.indices == [-1, -1]
    distances = np.zeros(stored.shape[0] * stored.shape[1], np.float32)
    scorer.distances(distances)
    rows, columns = np.divmod(np.flatnonzero(np.isnan(distances)), stored.shape[1])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (y, x) for y in (1, 2, 3) for x in (2, 3, 4)
    }


def test_distances_before_the_first_frame_are_nan() -> None:
    expected = case("int8", CASES[2])
    distances = np.zeros(35, np.float32)
    expected.scorer(expected.patches()).distances(distances)
    assert np.isnan(distances).all()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"tap": 1}, "patches.tap: 1 is not one of the 1 taps"),
        ({"basis": np.zeros((2, 4), np.float32)}, "patches.basis: .*each channel"),
        ({"offset": np.zeros(3, np.float32)}, "offset: expected one value for each row of basis"),
        ({"bank": np.zeros((2, 3), np.float32)}, "bank: .*columns"),
        ({"bank": np.full((2, 2), np.nan, np.float32)}, "bank: expected finite values"),
        ({"bank": np.zeros((2, 2))}, "bank: .*float32.*got float64"),
        ({"basis": np.zeros((0, 3), np.float32)}, "basis: expected at least one row"),
        ({"gain": np.ones(15, np.float32)}, "patches.gain: .*each position"),
        ({"gain": np.full(16, -1, np.float32)}, "gain: expected values of at least 0"),
        ({"top": 0}, "top: expected at least 1"),
        ({"tap": -1}, "tap: expected at least 0"),
    ],
)
def test_wrong_patches_are_refused(arguments: dict[str, object], problem: str) -> None:
    right: dict[str, object] = {
        "tap": 0,
        "basis": np.zeros((2, 3), np.float32),
        "offset": np.zeros(2, np.float32),
        "bank": np.zeros((5, 2), np.float32),
        "top": 1,
    }
    with pytest.raises(ValueError, match=problem):
        scorer_of(taps=[Tensor("int8", 4, 4, 3)], patches=Patches(**(right | arguments)))  # type: ignore[arg-type]


def test_a_scorer_without_patches_says_so() -> None:
    scorer = scorer_of(taps=[Tensor("int8", 4, 4, 3)])
    with pytest.raises(ValueError, match="this Scorer has no patches"):
        scorer.distances(np.zeros(16, np.float32))
