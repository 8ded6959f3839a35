"""A detector from card to verdict, in both formats: what is found, how sure, what is unlike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from parts import LABELS, SIZE, framed, scenes

import edge_guard.guard as edge
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.annotations import annotated
from edge_guard.calibration.calibrate import silent
from edge_guard.calibration.references import find_references
from edge_guard.cli.main import main
from edge_guard.detection.sameness import lost_boxes
from edge_guard.errors import BundleError
from edge_guard.evaluation.calibration_pictures import Material
from edge_guard.evaluation.calibration_report import write_calibration_report
from edge_guard.manifest import Golden
from edge_guard.pipeline import Pipeline
from edge_guard.types import Detection, Verdict


def test_boxes_are_found_where_the_parts_are(guarded: Path) -> None:
    guard = edge.load(guarded / "line.guard")
    for scene in scenes(40, 7):
        result = guard.inspect(framed(scene.image))
        found = sorted((d.label, *d.box) for d in result.detections)
        there = sorted((LABELS[kind], 1.5 * x, y, 1.5 * SIZE, SIZE) for kind, x, y in scene.parts)
        assert [label for label, *_ in found] == [label for label, *_ in there]
        for (_, *box), (_, *place) in zip(found, there, strict=True):
            assert box == pytest.approx(place, abs=4)
    guard.close()


def test_the_certificate_holds_on_frames_not_seen_before(guarded: Path) -> None:
    bundle = read_bundle(guarded / "line.guard")
    certificate = bundle.manifest.certificate
    assert certificate is not None
    assert certificate.max_error == 0.1
    assert bundle.manifest.confidence.ranking == "clearance"
    guard = edge.load(guarded / "line.guard")
    judged, wrong, sure = 0, 0, []
    for scene in scenes(400, 8, faint=0.15):
        result = guard.inspect(framed(scene.image))
        truth = sorted(LABELS[kind] for kind, *_ in scene.parts)
        right = sorted(d.label for d in result.detections) == truth
        if result.confidence is not None:
            sure.append((result.confidence, right))
        if result.verdict is Verdict.ACCEPT:
            assert result.confidence >= certificate.min_confidence
            judged, wrong = judged + 1, wrong + (not right)
    assert judged > 250
    assert wrong <= 0.1 * judged + 2 * np.sqrt(0.09 * judged)
    said, was = np.array(sure).T
    assert said.mean() == pytest.approx(was.mean(), abs=0.06)  # calibrated
    low = said < np.median(said)
    assert was[low].mean() < was[~low].mean()  # and worth something
    guard.close()


def test_the_unlike_and_the_unreadable_go_to_a_person(guarded: Path) -> None:
    guard = edge.load(guarded / "line.guard")
    rng = np.random.default_rng(1)
    foreign = rng.integers(0, 255, (64, 64, 3), np.uint8)
    assert guard.inspect(framed(foreign)).verdict is not Verdict.ACCEPT
    strange = scenes(1, 9)[0].image.copy()
    strange[26:38, 26:38] = (60, 140, 60)
    assert guard.inspect(framed(strange)).verdict is Verdict.REVIEW
    unseen = guard.inspect(np.zeros((64, 96, 3), np.uint8))
    assert (unseen.verdict, unseen.detections) == (Verdict.INVALID, None)
    guard.close()


def test_an_empty_belt_is_an_answer_too(guarded: Path) -> None:
    guard = edge.load(guarded / "line.guard")
    belt = np.full((64, 64, 3), 60.0) + 0.3 * np.arange(64)[None, :, None]
    belt += np.random.default_rng(2).normal(size=belt.shape) * 4
    result = guard.inspect(framed(np.clip(belt, 0, 255).astype(np.uint8)))
    assert (result.label, result.detections) == ("nothing", ())
    guard.close()


def test_inspect_tells_the_boxes(guarded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(guarded / "images" / "0000.png")
    assert main(["inspect", str(guarded / "line.guard"), image, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert record["label"] == record["detections"][0]["label"]
    assert set(record["detections"][0]) == {"label", "label_index", "score", "confidence", "box"}
    assert main(["inspect", str(guarded / "line.guard"), image]) == 0
    assert f"{record['label']}, " in capsys.readouterr().out


def with_golden(bundle: Bundle, change) -> Bundle:
    """The bundle as if other boxes had been found in its golden frames."""
    golden = tuple(
        msgspec.structs.replace(one, boxes=change(one.boxes)) for one in bundle.manifest.golden
    )
    manifest = msgspec.structs.replace(bundle.manifest, golden=golden)
    return Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, bundle.id)


def test_a_device_that_finds_other_boxes_in_golden_frames_refuses_the_bundle(guarded: Path) -> None:
    bundle = read_bundle(guarded / "line.guard")
    told = [one.boxes for one in bundle.manifest.golden]
    assert all(boxes is not None for boxes in told) and any(told)
    moved = with_golden(
        bundle, lambda boxes: tuple(msgspec.structs.replace(b, box=(60, 0, 9, 9)) for b in boxes)
    )
    with pytest.raises(BundleError, match=r"golden/\d.png shows other boxes .*\(60, 0, 9, 9\)"):
        Pipeline(moved, live=False)
    with pytest.raises(BundleError, match="is new"):
        Pipeline(with_golden(bundle, lambda _: ()), live=False)
    earlier = with_golden(bundle, lambda _: None)
    Pipeline(earlier, live=False).close()  # bundles that do not tell stay usable


def test_boxes_next_to_the_threshold_may_come_and_go(guarded: Path) -> None:
    golden = next(one for one in read_bundle(guarded / "line.guard").manifest.golden if one.boxes)
    assert lost_boxes(golden, golden.boxes, 0.5) == ""
    first = golden.boxes[0]
    x, y, width, height = first.box
    near = msgspec.structs.replace(first, box=(x + 1, y, width, height))
    assert lost_boxes(golden, [near, *golden.boxes[1:]], 0.5) == ""
    doubtful = msgspec.structs.replace(first, score=0.52, box=(0, 0, 5, 5))
    assert lost_boxes(golden, [*golden.boxes, doubtful], 0.5) == ""
    assert "is new" in lost_boxes(
        golden, [*golden.boxes, msgspec.structs.replace(doubtful, score=0.9)], 0.5
    )
    other = msgspec.structs.replace(first, label="gear")
    assert "is not found" in lost_boxes(golden, [other, *golden.boxes[1:]], 0.5)


@pytest.mark.parametrize(
    ("told", "found", "same"),
    [
        ((40, 30, 10, 10), (41, 31, 10, 10), True),  # overlap 0.68
        ((40, 30, 6, 6), (42, 28, 6, 6), True),  # 0.29
        ((40, 30, 6, 6), (43, 30, 6, 6), False),
        ((40, 30, 6, 6), (39, 30, 9, 6), True),  # left and right by 1 and 2
        ((40, 30, 6, 6), (38, 30, 11, 6), False),  # right by 3
        ((40, 30, 100, 100), (46, 30, 100, 100), True),  # 0.89
        ((40, 30, 100, 100), (60, 30, 100, 100), False),  # 0.67
    ],
)
def test_boxes_may_move_as_far_as_rounding_moves_them(told, found, same) -> None:
    golden = Golden("golden/0.png", (), 0.0, (Detection("nut", 0, 0.9, None, told),))
    said = lost_boxes(golden, [Detection("nut", 0, 0.9, None, found)], 0.5)
    assert (said == "") == same


def test_the_report_counts_frames_whose_boxes_are_right(guarded: Path, tmp_path: Path) -> None:
    file, report = guarded / "line.guard", tmp_path / "r.html"
    bundle = read_bundle(file)
    folder = guarded / "images"
    pictures = annotated(find_references(folder)[:60], folder, None, LABELS)
    write_calibration_report(report, file, bundle, Material(pictures, (), True, {}), silent)
    guard, wrong = edge.load(file), 0
    for scene, one in zip(scenes(320, 0, faint=0.15), pictures, strict=False):
        found = sorted(d.label for d in guard.inspect(one.load()).detections or ())
        wrong += found != sorted(LABELS[kind] for kind, *_ in scene.parts)
    guard.close()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", report.read_text("utf-8")))
    assert f"Of 60 labelled pictures the model is wrong on {wrong}." in words
    assert 0 < wrong < 30
    assert "It is right where all its boxes are, and none is missing." in words
    assert "Reliability of the confidence" in words and "bolt" in words
