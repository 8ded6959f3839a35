"""Accuracy without labels: counts merge exactly in any order, estimates and what hides them."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from edge_guard.drift.accuracy import (
    FEWEST_FRAMES,
    Estimate,
    distrust,
    estimate,
    flags,
)
from edge_guard.drift.merge import Merged
from edge_guard.drift.summary import Window
from edge_guard.manifest import AccuracySpec
from edge_guard.publish.messages import AccuracyBasis, Summary, decode, encode
from edge_guard.types import Reason, Result, Verdict

BASIS = AccuracyBasis("bins", (0.6, 0.9, 0.995), 0.95, 400, 0.0, 0.01, 16, 0.01)
SPEC = AccuracySpec((0.8, 0.97), BASIS)
REVIEW = Result(Verdict.REVIEW, confidence=0.99, reasons=(Reason("fused", "odd", 1.0),))


def summary(window: Window, number: int) -> Summary:
    made = Summary(
        device="d",
        boot_id="b",
        wall_time="2026-01-01T00:00:00Z",
        monotonic_ns=0,
        clock_synchronised=True,
        sequence=number + 1,
        stream="s",
        bundle="x",
        window=number,
        frames=window.frames,
        verdicts=dict(window.verdicts),
        labels={},
        reasons=dict(window.reasons),
        statistics={},
        dropped_at_capture={},
        dropped_from_spool={},
        accuracy=window.accuracy(),
    )
    return decode(encode(made), Summary)


def windows(n: int, seed: int = 0) -> tuple[list[Summary], np.ndarray]:
    rng, made, everything = np.random.default_rng(seed), [], []
    for number in range(n):
        window = Window(SPEC)
        for confidence in rng.beta(20, 1, int(rng.integers(0, 30))):
            window.add(Result(Verdict.ACCEPT, confidence=float(confidence)), {})
            everything.append(confidence)
        made.append(summary(window, number))
    return made, np.array(everything)


def test_a_window_counts_accepted_frames_by_confidence() -> None:
    window = Window(SPEC)
    for confidence in (0.1, 0.79, 0.8, 0.97, 1.0):
        window.add(Result(Verdict.ACCEPT, confidence=confidence), {})
    window.add(Result(Verdict.ACCEPT), {})
    window.add(REVIEW, {})
    counted = window.accuracy()
    assert counted is not None
    assert counted.counts == (2, 1, 2)
    assert counted.basis == BASIS
    assert Window().accuracy() is None


def test_windows_merge_to_the_same_counts_in_any_order() -> None:
    made, confidences = windows(200)
    direct = np.bincount(np.searchsorted(SPEC.edges, confidences, "right"), minlength=3)
    for seed in range(5):
        random.Random(seed).shuffle(made)
        merged = Merged("x")
        for one in [*made, *made[:50]]:
            merged.add(one)
        counted = merged.accuracy()
        assert counted is not None
        assert counted.counts == tuple(direct)
        assert merged.repeated == 50


def test_windows_that_count_otherwise_are_refused_with_the_cause() -> None:
    (good, other, short), _ = windows(3)
    merged = Merged("x")
    assert merged.add(good)
    elsewhere = msgspec.structs.replace(BASIS, method="atc")
    assert other.accuracy is not None
    wrong = msgspec.structs.replace(other.accuracy, basis=elsewhere)
    assert not merged.add(msgspec.structs.replace(other, accuracy=wrong))
    few = msgspec.structs.replace(other.accuracy, counts=(1, 2))
    assert not merged.add(msgspec.structs.replace(short, accuracy=few))
    assert merged.refused == {"another basis": 1, "malformed counts": 1}


def test_summaries_of_earlier_versions_have_no_counts() -> None:
    made = msgspec.to_builtins(windows(1)[0][0])
    del made["accuracy"]
    old = decode(msgspec.json.encode(made), Summary)
    merged = Merged("x")
    assert merged.add(old)
    assert merged.accuracy() is None


def test_the_estimate_is_the_mean_of_the_values() -> None:
    found = estimate(BASIS, (10, 30, 960))
    assert found is not None
    wanted = (10 * 0.6 + 30 * 0.9 + 960 * 0.995) / 1000
    assert found.accuracy == pytest.approx(wanted)
    reach = (0.01**2 + 1.96**2 * wanted * (1 - wanted) / 1000) ** 0.5
    assert found.low == pytest.approx(wanted - reach)
    assert found.high == min(1.0, wanted + reach)
    assert estimate(BASIS, (0, 0, 0)) is None
    for counts in ((1, 2), (1, -1, 3), ()):
        with pytest.raises(ValueError, match="bins"):
            estimate(BASIS, counts)


@pytest.mark.parametrize("bias", [-0.03, 0.0, 0.03])
def test_a_bias_widens_the_interval_on_its_side_only(bias: float) -> None:
    plain = estimate(BASIS, (100, 300, 600))
    found = estimate(msgspec.structs.replace(BASIS, bias=bias), (100, 300, 600))
    assert isinstance(plain, Estimate)
    assert isinstance(found, Estimate)
    assert found.accuracy == plain.accuracy
    assert plain.low - found.low == pytest.approx(max(bias, 0.0))
    assert found.high - plain.high == pytest.approx(-min(bias, 0.0))


def test_flags_are_those_of_the_guards() -> None:
    verdicts = {"accept": 900, "review": 90, "invalid": 10}
    reasons = {"fused": 30, "confidence": 55, "budget": 5, "gate.focus": 10}
    assert flags(verdicts, reasons) == (40, 1000)


def test_what_hides_an_estimate() -> None:
    assert distrust(BASIS, 1000, 30, 1000, "") == ""
    assert "times the promised" in distrust(BASIS, 1000, 31, 1000, "")
    assert "more light" in distrust(BASIS, 1000, 0, 1000, "more light")
    assert "too few" in distrust(BASIS, FEWEST_FRAMES - 1, 0, 1000, "")
    uncertain = msgspec.structs.replace(BASIS, spread=0.06)
    assert "off by up to 0.060" in distrust(uncertain, 1000, 0, 1000, "")
