"""Labels end to end: what the bundle promises is what the device does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from realdata import images, linked_model, needs_data
from tinymodel import LABELS, parts, write_model

from edge_guard.backends.infer import load_card
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.references import Reference
from edge_guard.calibration.settings import Settings
from edge_guard.card import Card, InputCard, OutputCard
from edge_guard.decision import ReviewPurse
from edge_guard.manifest import Dials
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Verdict

CARD = Card(InputCard("rgb", "stretch", (0.0,), (255.0,)), OutputCard(labels=LABELS))
MODEL = "pcb_simplecnn_int8_onnx"


def pcb(folder: Path, n: int, wishes: Wishes) -> tuple[Bundle, list[np.ndarray]]:
    """A real model calibrated on n labelled patches; the patches that it has not seen."""
    file = linked_model(MODEL, folder)
    card, labels, _ = load_card(file, None)
    pictures = images("deeppcb_patches_test")
    first: dict[bytes, int] = {}
    for row, image in enumerate(pictures.images):
        first.setdefault(image.tobytes(), row)
    rows = np.random.default_rng(0).permutation(list(first.values()))
    references = [
        Reference(str(i), labels[pictures.labels[i]], lambda i=i: pictures.images[i])
        for i in rows[:n]
    ]
    out = folder / "pcb.guard"
    settings = Settings(wishes=wishes)
    calibrate(file, references, out, card=card, labels=labels, settings=settings)
    return read_bundle(out), [pictures.images[i] for i in rows[n:]]


@needs_data
def test_a_certified_bundle_reviews_what_is_below_its_confidence(tmp_path: Path) -> None:
    bundle, unseen = pcb(tmp_path, 1000, Wishes(max_error=0.04, cost_error=100, cost_review=1))
    certificate, dials = bundle.manifest.certificate, bundle.manifest.dials
    assert certificate.attempt == 1
    assert certificate.good_label == "normal"
    assert certificate.escapes <= certificate.defective
    assert dials.cost_confidence == 0.99
    assert 0.0 < bundle.manifest.confidence.brier < 0.1
    pipeline = Pipeline(bundle, live=False)
    results = [pipeline.inspect(Frame("s", i, image)) for i, image in enumerate(unseen[:150])]
    accepted = [r for r in results if r.verdict is Verdict.ACCEPT]
    least = max(certificate.min_confidence, 0.99)
    assert len(accepted) > 40
    assert all(r.confidence >= least for r in accepted)
    unsure = [r for r in results if "confidence" in [x.guard for x in r.reasons]]
    assert unsure
    assert all(r.confidence < least for r in unsure)


@needs_data
def test_a_probe_in_the_bundle_ranks_on_the_device(tmp_path: Path) -> None:
    bundle, unseen = pcb(tmp_path, 400, Wishes(review_budget=0.1))
    taps = bundle.manifest.plan.taps
    n = sum(t.channels * (3 if t.height > 1 else 1) for t in taps)
    spec = msgspec.structs.replace(bundle.manifest.confidence, ranking="probe", gain=1.0)
    weight = np.zeros((n, 7))
    weight[0, 0] = 500.0
    arrays = bundle.arrays | {"probe.weight": weight, "probe.bias": np.zeros(7)}
    manifest = msgspec.structs.replace(bundle.manifest, confidence=spec)
    probed = Pipeline(
        Bundle(manifest, bundle.model, arrays, bundle.pictures, bundle.id), live=False
    )
    plain = Pipeline(bundle, live=False)
    seen = [(plain.score(x), probed.score(x)) for x in unseen[:20]]
    assert all(a.label_index == b.label_index for a, b in seen)
    moved = [b.confidence > a.confidence for a, b in seen if a.label_index == 0]
    assert moved
    assert all(moved)


def test_the_budget_is_filled_but_not_overdrawn(tmp_path: Path) -> None:
    references = [Reference(f"{i}", "", lambda p=p: p) for i, p in enumerate(parts(120, 0))]
    model = write_model(tmp_path / "tiny.onnx")
    settings = Settings(wishes=Wishes(review_budget=0.2))
    out = tmp_path / "t.guard"
    calibrate(model, references, out, card=CARD, labels=LABELS, settings=settings)
    bundle = read_bundle(out)
    assert bundle.manifest.dials.review_budget == 0.2
    greedy = msgspec.structs.replace(
        bundle.manifest, dials=Dials(review_budget=0.2, budget_confidence=1.0)
    )
    pipeline = Pipeline(Bundle(greedy, bundle.model, bundle.arrays, bundle.pictures), live=False)
    looks = [
        pipeline.inspect(Frame("s", i, p)).verdict is not Verdict.ACCEPT
        for i, p in enumerate(parts(100, 1))
    ]
    assert 15 <= sum(looks) <= 26


def test_frames_that_must_be_seen_are_seen_on_credit() -> None:
    purse = ReviewPurse(0.1)
    assert all(purse.spend(must=True, may=False) for _ in range(5))
    assert not any(purse.spend(must=False, may=True) for _ in range(40))
    later = [purse.spend(must=False, may=True) for _ in range(1000)]
    assert sum(later) == pytest.approx(100, abs=6)
    quiet = ReviewPurse(0.1)
    assert not any(quiet.spend(must=False, may=False) for _ in range(1000))
    assert sum(quiet.spend(must=False, may=True) for _ in range(25)) <= 23


def test_bundles_of_earlier_versions_keep_the_kernels_confidence() -> None:
    old = Path(__file__).resolve().parents[2] / "models" / "demo_line.guard"
    if not old.exists():
        pytest.skip("the demo's bundle is not built")
    assert read_bundle(old).manifest.dials == Dials()
