"""GEN, energy and MSP against scipy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from kernel_oracles import logit_scores, run, scorer_of

from edge_guard._kernels import Tensor

CLASSES = (1, 2, 7, 10, 15, 16, 17, 33, 97, 1000)


@pytest.mark.parametrize("n", CLASSES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.7])
def test_float_logits_match_the_oracle(level: str, n: int, temperature: float) -> None:
    logits = np.random.default_rng(n).normal(0, 6, n).astype(np.float32)
    scorer = scorer_of(logits=Tensor("float32", 1, 1, n), temperature=temperature, top=7)
    scored = run(scorer, logits)
    expected = logit_scores(logits, temperature, 0.1, 7)
    np.testing.assert_allclose(scored.scores, expected, rtol=1e-12, atol=1e-300)
    assert scored.indices == [int(logits.argmax())]
    assert scored.max_p == pytest.approx(1 - expected[2], abs=1e-15)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantized_logits_are_dequantized(dtype: str) -> None:
    stored = np.random.default_rng(3).integers(0, 100, 10).astype(dtype)
    scorer = scorer_of(logits=Tensor(dtype, 1, 1, 10, scale=0.25, zero_point=-5), gamma=0.3)
    real = (stored.astype(np.float64) + 5) * 0.25
    np.testing.assert_allclose(run(scorer, stored).scores, logit_scores(real, 1, 0.3, 10), 1e-12)


def test_probabilities_are_turned_into_logits() -> None:
    stored = np.array([0, 1, 3, 252], np.uint8)
    scorer = scorer_of(logits=Tensor("uint8", 1, 1, 4, scale=1 / 256), probabilities=True)
    real = np.log(np.maximum(stored / 256, 1e-12))
    np.testing.assert_allclose(run(scorer, stored).scores, logit_scores(real, 1, 0.1, 10), 1e-12)


def test_msp_keeps_its_digits_near_certainty() -> None:
    scorer = scorer_of(logits=Tensor("float32", 1, 1, 2))
    msp = run(scorer, np.array([60, 0], np.float32)).scores[2]
    assert msp == pytest.approx(np.exp(-60.0), rel=1e-12)


def test_ties_go_to_the_first_class() -> None:
    scorer = scorer_of(logits=Tensor("int8", 1, 1, 5))
    assert run(scorer, np.array([1, 9, 3, 9, 9], np.int8)).indices == [1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_nan_or_infinite_logits_give_nan(bad: float, place: int) -> None:
    logits = np.array([1, 2, 3], np.float32)
    logits[place] = bad
    scored = run(scorer_of(logits=Tensor("float32", 1, 1, 3)), logits)
    assert np.isnan(scored.scores).all()
    assert np.isnan(scored.max_p)
    assert scored.indices == [-1]


def test_nan_probability_gives_nan() -> None:
    scorer = scorer_of(logits=Tensor("float32", 1, 1, 2), probabilities=True)
    assert np.isnan(run(scorer, np.array([np.nan, 0.5], np.float32)).scores).all()


def test_minus_infinity_is_an_impossible_class() -> None:
    scorer = scorer_of(logits=Tensor("float32", 1, 1, 3))
    with_it = run(scorer, np.array([1, -np.inf, 2], np.float32)).scores
    without = logit_scores(np.array([1.0, 2.0]), 1, 0.1, 10)
    np.testing.assert_allclose(with_it, without, rtol=1e-12)


def test_huge_logits_do_not_overflow() -> None:
    scored = run(scorer_of(logits=Tensor("float32", 1, 1, 2)), np.array([3e38, -3e38], np.float32))
    assert scored.scores[1] == -float(np.float32(3e38))
    assert scored.scores[2] == 0


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(-50, 50, width=32)))
def test_any_finite_logits_match_the_oracle(logits: np.ndarray) -> None:
    scorer = scorer_of(logits=Tensor("float32", 1, 1, len(logits)), top=1000)
    np.testing.assert_allclose(
        run(scorer, logits).scores, logit_scores(logits, 1, 0.1, 1000), rtol=1e-11, atol=1e-12
    )
