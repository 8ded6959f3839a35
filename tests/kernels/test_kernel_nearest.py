"""The nearest row: brute force's answer whatever the bank, though most rows are never computed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_oracles import SIZES, run, score_vector, scorer_of

from edge_guard._kernels import Patches, Tensor, View

Floats = npt.NDArray[np.float32]
SAME = 1e-12
"""Two orders of adding up a float64 sum of up to 1280 squares differ by less."""


def squares(x: Floats, bank: Floats) -> npt.NDArray[np.float64]:
    return ((x.astype(np.float64) - bank.astype(np.float64)) ** 2).sum(1)


def check(found: tuple[float, int], x: Floats, bank: Floats) -> None:
    """The row is the first of the nearest; where rounding decides, one that is as near."""
    distance, row = found
    expected = squares(x, bank)
    np.testing.assert_allclose(distance, expected.min(), rtol=SAME, atol=1e-300)
    if row != expected.argmin():
        assert expected[row] <= expected.min() * (1 + SAME)
        np.testing.assert_array_equal(expected[:row] < expected[row] * (1 - SAME), False)


def nearest(x: Floats, bank: Floats) -> tuple[float, int]:
    scored = score_vector(x, View(-1, bank=bank))
    return float(scored.scores[0]), scored.indices[1]


def check_all(queries: Floats, bank: Floats) -> None:
    """One at a time, and together as the places of a map."""
    view = View(-1, bank=bank)
    for x in queries:
        scored = score_vector(x, view)
        check((float(scored.scores[0]), scored.indices[1]), x, bank)
    dim = bank.shape[1]
    identity = np.eye(dim, dtype=np.float32)
    alone = Patches(0, identity, np.zeros(dim, np.float32), bank, 1)
    together = [x for x in queries if np.isfinite(x).all()]
    for x in together[:3]:  # a map of one place is averaged with nothing
        distance = run(scorer_of(taps=[Tensor("float32", 1, 1, dim)], patches=alone), taps=[x])
        np.testing.assert_allclose(
            distance.scores[0], np.sqrt(squares(x, bank).min()), rtol=1e-6, atol=1e-30
        )


@pytest.mark.parametrize("dim", SIZES)
def test_every_size_matches_the_oracle(level: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    for rows in (1, 2, 5, 31, 32, 33, 100):
        bank = rng.normal(size=(rows, dim)).astype(np.float32)
        check_all(rng.normal(size=(3, dim)).astype(np.float32), bank)


def ties(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Whole numbers: every sum is exact, many distances are equal."""
    bank = rng.integers(-3, 4, (600, 12)).astype(np.float32)
    return rng.integers(-3, 4, (40, 12)).astype(np.float32), bank


def repetitions(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Ten rows, each a hundred times."""
    bank = np.tile(rng.normal(size=(10, 64)), (100, 1)).astype(np.float32)
    return np.concatenate([bank[:10], bank[:5] + np.float32(0.1)]), bank


def one_hot(_: np.random.Generator) -> tuple[Floats, Floats]:
    """Every row is as far from zero as the next."""
    bank = np.eye(200, dtype=np.float32)
    return np.stack([np.zeros(200), np.full(200, 0.5), bank[77] * 1.5]).astype(np.float32), bank


def huge_and_tiny(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One row of 1e30 among rows of 1e-3, and rows that float32 can hardly tell from zero."""
    bank = rng.normal(size=(200, 48)) * 1e-3
    bank[17] *= 1e33
    bank[18] *= 1e-38
    bank[19] = 0
    queries = np.concatenate([bank[15:21], bank[:5] * 1.01, rng.normal(size=(4, 48)) * 1e30])
    return queries.astype(np.float32), bank.astype(np.float32)


def far_outside(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Unit rows, queries up to where float64 cannot tell them apart any more."""
    bank = rng.normal(size=(300, 96))
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    sizes = 10.0 ** np.arange(0, 39, 3)
    return (rng.normal(size=(13, 96)) * sizes[:, None] / 10).astype(np.float32), bank.astype("f4")


def isotropic(rng: np.random.Generator) -> tuple[Floats, Floats]:
    return rng.normal(size=(20, 512)).astype(np.float32), rng.normal(size=(400, 512)).astype("f4")


def nearly_equal(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Rows that differ in the last digits that float32 has."""
    base = rng.normal(size=64)
    bank = base * (1 + 1e-7 * rng.integers(-3, 4, (500, 64)))
    return np.stack([base, base * 1.001]).astype(np.float32), bank.astype(np.float32)


def rectified(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Heavy tails: one value decides a row's scale."""
    bank = np.abs(rng.standard_t(2, (500, 160)))
    return np.abs(rng.standard_t(2, (20, 160))).astype(np.float32), bank.astype(np.float32)


def offset(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Small differences far from the origin."""
    bank = 1e4 + rng.normal(size=(300, 40))
    return (1e4 + rng.normal(size=(10, 40))).astype(np.float32), bank.astype(np.float32)


def identical(_: np.random.Generator) -> tuple[Floats, Floats]:
    bank = np.full((40, 9), 7.5, np.float32)
    return np.stack([bank[0], bank[0] * 0]), bank


CASES = (ties, repetitions, one_hot, huge_and_tiny, far_outside, isotropic, nearly_equal)
CASES += (rectified, offset, identical)


@functools.cache  # shared by the levels
def case(make: Callable[[np.random.Generator], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return make(np.random.default_rng(7))


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_no_bank_can_mislead_it(
    level: str, make: Callable[[np.random.Generator], tuple[Floats, Floats]]
) -> None:
    check_all(*case(make))


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_every_level_gives_the_same_bits(
    make: Callable[[np.random.Generator], tuple[Floats, Floats]],
) -> None:
    from edge_guard import _kernels

    queries, bank = case(make)
    before = _kernels.simd_level()
    found = []
    for name in _kernels.SIMD_LEVELS:
        _kernels.set_simd_level(name)
        found.append([nearest(x, bank) for x in queries[:8]])
    _kernels.set_simd_level(before)
    assert all(other == found[0] for other in found)


def test_whole_numbers_are_exact_and_the_first_of_equals_wins(level: str) -> None:
    queries, bank = case(ties)
    for x in queries:
        expected = squares(x, bank)
        assert nearest(x, bank) == (expected.min(), int(expected.argmin()))


@given(
    dim=st.integers(1, 40),
    rows=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e18]),
    away=st.sampled_from([0.0, 1.0, 1e3, 1e9]),
)
def test_any_bank(dim: int, rows: int, seed: int, spread: float, away: float) -> None:
    rng = np.random.default_rng(seed)
    bank = (rng.normal(size=(rows, dim)) * spread).astype(np.float32)
    x = ((rng.normal(size=dim) + away) * spread).astype(np.float32)
    check(nearest(x, bank), x, bank)


def test_a_bank_beyond_one_chunk(level: str) -> None:
    """More rows than are estimated at a time, the nearest in the last chunk."""
    rng = np.random.default_rng(3)
    bank = rng.normal(size=(40_000, 4)).astype(np.float32)
    for row in (39_999, 33_000, 0):
        assert nearest(bank[row], bank) == (0.0, row)
