"""``edge-guard bundle diff``: what two bundles differ in, in words."""

from __future__ import annotations

import msgspec
import pytest
from test_bundle import small_bundle

from edge_guard.bundle import Bundle
from edge_guard.difference import differences
from edge_guard.drift.spec import ChannelSpec, DriftSpec

BASE = small_bundle()


def with_manifest(**changed: object) -> Bundle:
    manifest = msgspec.structs.replace(BASE.manifest, **changed)
    return Bundle(manifest, BASE.model, BASE.arrays, BASE.pictures)


def part(name: str, **changed: object) -> Bundle:
    """The bundle with some fields of a part of its manifest replaced."""
    return with_manifest(**{name: msgspec.structs.replace(getattr(BASE.manifest, name), **changed)})


def channel(name: str, mean: float, sd: float) -> ChannelSpec:
    return ChannelSpec(name, "%", mean, sd, 0.0, (sd,), 0.0, (5.0,), 5.0, 10)


def watching(*channels: ChannelSpec) -> Bundle:
    return with_manifest(drift=DriftSpec(26e6, channels, 100, False))


def said(old: Bundle, new: Bundle) -> list[str]:
    return [f"{d.part}: {d.words}" for d in differences(old, new)]


def test_a_bundle_and_itself():
    assert differences(BASE, small_bundle()) == []


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (part("promise", score_limit=2.0), "threshold: frames are flagged above 2, it was 1"),
        (part("promise", false_flag_rate=0.02), "promise: was 1.00% of good frames"),
        (part("runtime", version="2"), "runtime: was onnxruntime 1 with default kernels, is "),
        (part("references", n=300, n_effective=150.0), "references: was 100 (worth 100), 0 lab"),
        (part("references", suspicious=("odd.png",)), "suspicious: new: odd.png"),
        (part("references", labels={"ok": 7}), "references: by label: ok 0 → 7"),
        (part("guards", scores=("gen", "msp", "knn")), "guards: no longer asked: energy"),
        (part("gate", size=(480, 640, 3)), "frames: was of several sizes, is 640×480 with 3"),
        (part("provenance", model_sha256="ab" * 32), "model: another one: m.onnx () became m.o"),
        (part("provenance", seed=5), "origin: was made 2026-01-01T00:00:00+00:00 by edge-guard 0"),
        (part("dials", review_budget=0.05), "dials: review_budget was None, is 0.05"),
        (with_manifest(labels=("a", "b")), "labels: labels was a, b, c, is a, b"),
        (watching(channel("light", 0, 1)), "drift: has monitors now"),
    ],
)
def test_what_changed_is_named(new, expected):
    found = said(BASE, new)
    assert any(line.startswith(expected) for line in found), found
    assert differences(BASE, new) != []


def test_drift_baselines_that_moved():
    old = watching(channel("light", 100.0, 2.0), channel("focus", 0.0, 1.0), channel("turn", 0, 1))
    new = watching(channel("light", 106.0, 2.0), channel("focus", 0.1, 3.0), channel("red", 0, 1))
    assert said(old, new) == [
        "drift: no longer watches turn",
        "drift: now watches red",
        "drift: the usual light moved by +3.0 of its spreads",
        "drift: focus varies 3 times as much as it did",
    ]


def test_another_model_tapped_otherwise():
    other = Bundle(BASE.manifest, b"other bytes", BASE.arrays, BASE.pictures)
    assert said(BASE, other) == ["model: the same file, tapped or written anew otherwise"]


def test_what_has_no_words_is_still_told():
    other = Bundle(BASE.manifest, BASE.model, {"x": BASE.arrays["x"] + 1}, BASE.pictures)
    assert said(BASE, other) == ["arrays: 1 differ: x"]
    more = Bundle(BASE.manifest, BASE.model, BASE.arrays, BASE.pictures, signed=b"{}")
    assert said(BASE, more)[0].startswith("manifest: differs in what has no words here")
