"""Fused score and conformal p-value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_oracles import fuse, run, scorer_of

from edge_guard._kernels import Fusion, Scorer, View


def scorer_for(
    parts: dict[str, np.ndarray],
    top1: float,
    top3: float,
    calibration: list[float],
    solo: np.ndarray | None = None,
) -> Scorer:
    """A scorer whose k-th score is the square of the k-th statistic."""
    n = len(parts["center"])
    views = []
    for k in range(n):
        scale = np.zeros(n, np.float32)
        scale[k] = 1
        views.append(View(-1, scale=scale, bank=np.zeros((1, n), np.float32)))
    fusion = Fusion(
        **parts, top1=top1, top3=top3, calibration=np.array(calibration, np.float64), solo=solo
    )
    return scorer_of(n_statistics=n, views=views, fusion=fusion)


def random_parts(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {
        "center": rng.normal(size=n),
        "spread": rng.uniform(0.1, 3, n),
        "weight": rng.normal(size=n),
        "tail": rng.normal(size=n),
        "knee": rng.normal(size=n),
    }


@given(n=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_fused_score_matches_the_oracle(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = random_parts(rng, n)
    top1, top3 = 0.5, 0.25
    x = rng.normal(0, 2, n).astype(np.float32)
    calibration = np.sort(rng.normal(size=9)).tolist()
    scored = run(scorer_for(parts, top1, top3, calibration), statistics=x)
    expected = fuse(x.astype(np.float64) ** 2, parts, top1, top3)
    assert scored.fused == pytest.approx(expected, rel=1e-10, abs=1e-10)
    larger = sum(c >= scored.fused for c in calibration)
    assert scored.p_value == (1 + larger) / 10


@given(n=st.integers(1, 5), seed=st.integers(0, 2**32 - 1), loud=st.sampled_from([1.0, 1e6]))
def test_the_last_score_can_speak_for_the_frame(n: int, seed: int, loud: float) -> None:
    rng = np.random.default_rng(seed)
    parts = random_parts(rng, n)
    gain, offset, softness = rng.uniform(0.1, 2), rng.normal(), rng.uniform(0.1, 2)
    x = rng.normal(0, 2, n).astype(np.float32)
    x[-1] *= loud
    solo = np.array([gain, offset, softness])
    scored = run(scorer_for(parts, 0.5, 0.25, [0.0], solo), statistics=x)
    together = fuse(x.astype(np.float64) ** 2, parts, 0.5, 0.25)
    z = (float(x[-1]) ** 2 - parts["center"][-1]) / parts["spread"][-1]
    alone = gain * np.sign(z) * np.log1p(abs(z)) + offset
    expected = softness * np.logaddexp(together / softness, alone / softness)
    assert scored.fused == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert scored.fused >= max(together, alone) - 1e-9


@pytest.mark.parametrize(
    ("solo", "problem"),
    [([1.0, 2.0], "expected 3"), ([1.0, np.nan, 1.0], "finite"), ([1.0, 0.0, 0.0], "above 0")],
)
def test_a_solo_that_makes_no_sense_is_refused(solo: list[float], problem: str) -> None:
    with pytest.raises(ValueError, match=f"solo: .*{problem}"):
        Fusion(**identity(2), top1=0, top3=0, calibration=np.empty(0), solo=np.array(solo))


def identity(n: int = 1) -> dict[str, np.ndarray]:
    zeros, ones = np.zeros(n), np.ones(n)
    return {
        "center": zeros,
        "spread": ones,
        "weight": ones,
        "tail": zeros,
        "knee": ones,
    }


@pytest.mark.parametrize(("count", "p_value"), [(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0)])
def test_p_value_counts_ties_as_larger(count: int, p_value: float) -> None:
    x = np.array([2], np.float32)
    fused = run(scorer_for(identity(), 0, 0, []), statistics=x).fused
    assert fused == pytest.approx(3 * np.tanh(np.log(5.0) / 3))
    calibration = [fused - 1] * (3 - count) + [fused] * count
    scored = run(scorer_for(identity(), 0, 0, calibration), statistics=x)
    assert scored.fused == fused
    assert scored.p_value == p_value


def test_p_value_without_calibration_is_one() -> None:
    scored = run(scorer_for(identity(), 0, 0, []), statistics=np.array([2], np.float32))
    assert scored.p_value == 1


def test_a_nan_score_makes_both_nan_whatever_its_weight() -> None:
    parts = identity(3)
    parts["weight"] = np.array([1.0, 0.0, 1.0])
    x = np.array([1, np.nan, 2], np.float32)
    scored = run(scorer_for(parts, 0, 0, [0.0, 1.0]), statistics=x)
    assert np.isnan([scored.fused, scored.p_value]).all()


def test_without_fusion_and_logits_the_rest_is_nan() -> None:
    scored = run(scorer_of())
    assert np.isnan([scored.fused, scored.p_value, scored.max_p]).all()
    assert scored.indices == [-1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"spread": np.array([0.0])}, "spread: expected values above 0"),
        ({"spread": np.array([1.0, 1.0])}, "spread: expected 1 values as in center, got 2"),
        ({"weight": np.array([np.nan])}, "weight: expected finite"),
        ({"tail": np.array([1.0], np.float32)}, "tail: expected C-contiguous float64"),
        ({"knee": np.array([1.0], np.float32)}, "knee: expected C-contiguous float64"),
        ({"calibration": np.array([2.0, 1.0])}, "calibration: expected ascending"),
        ({"calibration": np.array([0.0, np.nan])}, "calibration: expected finite"),
        ({"knee": np.array([np.nan])}, "knee: expected finite"),
        ({"top3": float("nan")}, "top3: expected a finite"),
    ],
)
def test_wrong_parts_are_refused(change: dict[str, object], problem: str) -> None:
    parts = {**identity(), "top1": 0.0, "top3": 0.0, "calibration": np.array([1.0]), **change}
    with pytest.raises(ValueError, match=problem):
        Fusion(**parts)  # type: ignore[arg-type]


def test_fusion_must_fit_the_scores() -> None:
    fusion = Fusion(**identity(2), top1=0, top3=0, calibration=np.empty(0))
    with pytest.raises(ValueError, match="fusion: expected 0 scores, got 2"):
        scorer_of(fusion=fusion)
