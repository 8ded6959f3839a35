"""Windows merged: exact in any order, each once; distances against SciPy."""

from __future__ import annotations

import json
import random

import msgspec
import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from edge_guard.drift.histogram import (
    BINS_VERSION,
    DEVIATION_EDGES,
    SHARE_EDGES,
    Histograms,
    distances,
    edges_of,
)
from edge_guard.drift.merge import Merged
from edge_guard.drift.summary import Window
from edge_guard.publish.messages import Summary, decode, encode
from edge_guard.types import Reason, Result, Verdict

BUNDLE = "line@0123"


def window(number: int, rng: np.random.Generator) -> Summary:
    """One real window of a stream, encoded and decoded as it travels."""
    seen = Window()
    for _ in range(int(rng.integers(0, 12))):
        flagged = rng.random() < 0.1
        result = Result(
            Verdict.REVIEW if flagged else Verdict.ACCEPT,
            label=str(rng.choice(["ok", "scratch"])),
            confidence=float(rng.random()),
            p_value=float(rng.random()),
            scores={"fused": float(rng.normal())},
            reasons=(Reason("fused", "odd", 1.0),) if flagged else (),
        )
        seen.add(result, {"mean": float(rng.normal(90, 3))}, {"light": float(rng.standard_t(2))})
    summary = Summary(
        device=f"d{number % 7}",
        boot_id=f"b{number % 3}",
        wall_time="2026-01-01T00:00:00Z",
        monotonic_ns=0,
        clock_synchronised=True,
        sequence=number + 1,
        stream="top",
        bundle=BUNDLE,
        window=number,
        frames=seen.frames,
        verdicts=dict(seen.verdicts),
        labels=dict(seen.labels),
        reasons=dict(seen.reasons),
        statistics=seen.statistics(),
        dropped_at_capture={},
        dropped_from_spool={},
        histograms=seen.histograms(),
        bins=BINS_VERSION,
    )
    return decode(encode(summary), Summary)


def told(merged: Merged) -> str:
    parts = [merged.frames, merged.verdicts(), merged.labels(), merged.reasons()]
    return json.dumps(
        [*parts, merged.histograms(), msgspec.to_builtins(merged.moments())], sort_keys=True
    )


def test_a_thousand_windows_merge_to_the_same_bits_in_any_order() -> None:
    rng = np.random.default_rng(0)
    windows = [window(n, rng) for n in range(1000)]
    found = set()
    for seed in range(4):
        merged = Merged(BUNDLE)
        random.Random(seed).shuffle(windows)
        for summary in windows:
            assert merged.add(summary)
        for summary in windows[:100]:  # delivered again
            assert not merged.add(summary)
        assert (len(merged), merged.repeated) == (1000, 100)
        assert merged.frames == sum(s.frames for s in windows)
        assert sum(merged.histograms()["drift.light"]) == merged.frames
        found.add(told(merged))
    assert len(found) == 1


def test_a_window_is_compact() -> None:
    rng, seen = np.random.default_rng(1), Window()
    for _ in range(600):
        seen.add(
            Result(Verdict.ACCEPT, confidence=0.9, p_value=0.5, scores={"fused": 1.0}),
            {},
            {f"channel{i}": float(rng.normal()) for i in range(13)},
        )
    assert len(msgspec.json.encode(seen.histograms())) < 2000


def test_windows_of_another_bundle_or_other_bins_are_refused_with_the_cause() -> None:
    rng = np.random.default_rng(2)
    fit = next(w for w in (window(n, rng) for n in range(10)) if w.frames)
    merged = Merged(BUNDLE)
    change = msgspec.structs.replace
    assert not merged.add(change(fit, bundle="other@1"))
    assert not merged.add(change(fit, bins=BINS_VERSION + 1))
    assert not merged.add(change(fit, histograms={"drift.light": (1, 2)}))
    assert not merged.add(change(fit, histograms={"confidence": (-1,) * 20}))
    assert dict(merged.refused) == {"another bundle": 1, "other bins": 1, "malformed counts": 2}
    assert len(merged) == 0 and merged.histograms() == {}
    assert merged.add(change(fit, frames=0, verdicts={}, histograms={}, statistics={}))
    assert merged.frames == 0


def test_values_fall_into_their_bins() -> None:
    counted = Histograms()
    for value in (-99.0, -10.0, 0.0, 0.1, 10.0, float("nan")):
        counted.add({"drift.light": value})
    counts = counted.counts()["drift.light"]
    assert sum(counts) == 5
    assert (counts[0], counts[1], counts[11], counts[-1]) == (1, 1, 2, 1)
    counted.add({"p_value": 0.0, "confidence": 1.0})
    assert counted.counts()["p_value"][0] == 1
    assert counted.counts()["confidence"][-1] == 1
    assert edges_of("drift.x") == DEVIATION_EDGES and edges_of("p_value") == SHARE_EDGES
    assert len(DEVIATION_EDGES) == 21


def counts(values: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(DEVIATION_EDGES, values, "right"), minlength=22)


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = counts(rng.normal(0, 1, 20_000)), counts(rng.normal(0.7, 1.3, 30_000))
    found = distances(a.tolist(), b.tolist(), DEVIATION_EDGES)
    assert found is not None
    p, q = a / a.sum(), b / b.sum()
    assert found.js_excess == pytest.approx(jensenshannon(p, q) ** 2, rel=0.01)
    held = (p > 0) & (q > 0)
    assert found.psi_excess == pytest.approx(
        ((p - q)[held] * np.log(p[held] / q[held])).sum(), rel=0.02
    )
    assert found.ks == pytest.approx(np.abs(np.cumsum(p) - np.cumsum(q)).max(), abs=1e-12)
    exact = stats.wasserstein_distance(rng.normal(0, 1, 100_000), rng.normal(0.7, 1.3, 100_000))
    assert found.wasserstein == pytest.approx(exact, rel=0.05)


def test_where_nothing_changed_the_excess_is_about_nothing() -> None:
    """The stated biases are subtracted; without that PSI's mean would be about .4 here."""
    rng = np.random.default_rng(4)
    found = [
        distances(
            counts(rng.normal(size=100)).tolist(), counts(rng.normal(size=100)).tolist(),
            DEVIATION_EDGES,
        )
        for _ in range(300)
    ]  # fmt: skip
    known = [f for f in found if f is not None]
    assert np.mean([f.psi_excess for f in known]) < 0.1
    assert np.mean([f.js_excess for f in known]) < 0.015
    assert np.mean([f.ks > f.ks_chance for f in known]) < 0.08


def test_empty_and_foreign_histograms() -> None:
    assert distances((0,) * 22, (1,) * 22, DEVIATION_EDGES) is None
    with pytest.raises(ValueError, match="21 and 22 bins"):
        distances((0,) * 21, (1,) * 22, DEVIATION_EDGES)
