"""Windows and moments against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.drift.summary import Track, Window, merge_moments
from edge_guard.publish.messages import Moments
from edge_guard.types import Reason, Result, Verdict

NUMBERS = st.lists(st.floats(-1e6, 1e6), max_size=30)


def moments_of(values: list[float]) -> Moments:
    track = Track(("x",))
    for value in values:
        track.add([value])
    return track.moments().get("x", Moments(0, 0.0, 0.0, math.inf, -math.inf))


def check(moments: Moments, values: list[float]) -> None:
    assert moments.n == len(values)
    if values:
        x = np.array(values)
        spread = 1.0 + float(np.abs(x).max())
        assert moments.mean == pytest.approx(x.mean(), abs=1e-9 * spread)
        assert moments.m2 == pytest.approx(((x - x.mean()) ** 2).sum(), abs=1e-8 * spread**2)
        assert (moments.minimum, moments.maximum) == (x.min(), x.max())


@given(NUMBERS)
def test_a_track_has_the_moments_of_its_values(values: list[float]) -> None:
    check(moments_of(values), values)


@given(NUMBERS, NUMBERS)
def test_merged_moments_are_those_of_all_values(a: list[float], b: list[float]) -> None:
    check(merge_moments(moments_of(a), moments_of(b)), a + b)
    check(merge_moments(moments_of(b), moments_of(a)), a + b)


def test_values_that_are_not_finite_are_left_out() -> None:
    track = Track(("a", "b", "c"))
    for row in ([1.0, math.nan, math.nan], [math.inf, 2.0, -math.inf], [3.0, 4.0, math.nan]):
        track.add(row)
    moments = track.moments()
    assert set(moments) == {"a", "b"}
    check(moments["a"], [1.0, 3.0])
    check(moments["b"], [2.0, 4.0])


def test_a_window_counts_and_follows() -> None:
    window = Window()
    good = Result(Verdict.ACCEPT, label="ok", confidence=0.9, p_value=0.5, scores={"fused": 1.0})
    blurred = Reason("gate.focus", "out of focus", 0.1)
    bad = Result(Verdict.INVALID, reasons=(blurred, Reason("gate.exposure", "dark", 0.2)))
    window.add(good, {"mean": 10.0})
    window.add(good, {"mean": 20.0, "focus": 1.0})
    window.add(bad, {})
    assert window.frames == 3
    assert window.verdicts == {"accept": 2, "invalid": 1}
    assert window.labels == {"ok": 2}
    assert window.reasons == {"gate.focus": 1}
    statistics = window.statistics()
    assert set(statistics) == {"image.mean", "image.focus", "score.fused", "confidence", "p_value"}
    check(statistics["image.mean"], [10.0, 20.0])
    check(statistics["confidence"], [0.9, 0.9])


def test_an_empty_window_has_no_statistics() -> None:
    assert Window().statistics() == {}
