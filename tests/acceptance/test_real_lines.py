"""One command guards real quantized models: promises hold, foreign images are told apart.

Floors lie a little below what was measured when they were written; docs/guard-quality.md has the
whole table, beside single detectors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from commands import Done, edge_guard, write_images
from realdata import data_dir, linked_model, model_file, needs_data
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from guard_quality.domains import CIFAR, PCB, PHOTOS, deliver, draw, foreign

pytestmark = needs_data

HELD_OUT, FOREIGN = 300, 60


class Line(NamedTuple):
    """A model, its images, how often it is right at least, and the least AUROC of each set."""

    model: str
    domain: str
    references: int
    accuracy: float
    floors: dict[str, float]


_PCB_FLOORS = {"fashion": 0.98, "textures": 0.98, "cifar10": 0.98}
LINES = [
    Line("pcb_simplecnn_int8_onnx", PCB, 300, 0.86, _PCB_FLOORS),
    Line("pcb_simplecnn_int8_tflite", PCB, 120, 0.86, _PCB_FLOORS),
    Line(
        "resnet8_cifar10_int8", CIFAR, 100, 0.69, {"fashion": 0.98, "textures": 0.94, "pcb": 0.98}
    ),
    Line("mobilenet_v2_coral_quant", PHOTOS, 50, 0.75, {"fashion": 0.97, "pcb": 0.97}),
]


class Measured(NamedTuple):
    """A calibrated line, its folder, and what calibrate and evaluate recorded."""

    line: Line
    folder: Path
    calibration: Done
    evaluation: dict[str, Any]


@pytest.fixture(scope="module", params=LINES, ids=lambda line: line.model)
def measured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Measured]:
    line: Line = request.param
    folder = tmp_path_factory.mktemp("line")
    model, labels = linked_model(line.model, folder), _labels(line.model)
    split = draw(line.domain, line.references, HELD_OUT if line.domain != PHOTOS else 100, 0)
    for part, images, truth in (
        ("references", split.references, split.reference_labels),
        ("good", split.held_out, split.labels),
    ):
        for image, label in zip(images, truth, strict=True):
            write_images(folder / part / labels[label], [_small(image)])
    for name in line.floors:
        write_images(
            folder / name, [_small(x) for x in foreign(name, split.references, FOREIGN, 0)]
        )
    bundle = folder / "line.guard"
    calibration = edge_guard("calibrate", model, "--reference", folder / "references", "-o", bundle)
    sets = [word for name in line.floors for word in ("--ood", f"{name}={folder / name}")]
    evaluation = edge_guard("evaluate", bundle, "--id", folder / "good", *sets)
    assert (calibration.error, evaluation.error) == ("", "")
    yield Measured(line, folder, calibration, evaluation.records[-1])


def _small(image: np.ndarray) -> np.ndarray:
    """Return large photographs smaller, which takes less time and says as much."""
    return deliver(image, (160, 160, 3)) if min(image.shape[:2]) > 160 else image


def _labels(model: str) -> list[str]:
    """Return folder names for the model's classes: its labels, line by line."""
    text = (model_file(model).parent / "labels.txt").read_text("utf-8")
    return [line.strip() for line in text.splitlines()]


def test_calibration_says_what_it_promises(measured: Measured) -> None:
    record = measured.calibration.records[-1]
    assert record["type"] == "calibration"
    assert record["references"]["n"] == measured.line.references
    assert record["references"]["labelled"] == measured.line.references
    assert record["promise"]["requested"] == 0.01
    worth = record["references"]["n_effective"]
    expected = "confident" if worth >= 299 else "marginal" if worth >= 50 else "advisory"
    assert record["promise"]["regime"] == expected


def test_false_flags_are_no_more_than_promised(measured: Measured) -> None:
    """Of n held-out images so many are flagged by chance alone once in a thousand times."""
    promised = measured.calibration.records[-1]["promise"]["false_flag_rate"]
    inside = measured.evaluation["id"]
    assert inside["false_flag_rate"] * inside["n"] <= binom.ppf(0.999, inside["n"], promised)


def test_the_model_is_as_good_as_its_card_says(measured: Measured) -> None:
    assert measured.evaluation["id"]["accuracy"] >= measured.line.accuracy


def test_foreign_images_are_told_apart(measured: Measured) -> None:
    found = {name: entry["auroc"] for name, entry in measured.evaluation["ood"].items()}
    behind = {name: auroc for name, auroc in found.items() if auroc < measured.line.floors[name]}
    assert found
    assert not behind


def test_every_flag_has_a_reason(measured: Measured) -> None:
    name = next(iter(measured.line.floors))
    bundle, source = measured.folder / "line.guard", measured.folder / name
    done = edge_guard("inspect", bundle, source)
    results = [record for record in done.records if record["type"] == "result"]
    assert done.code == 0
    assert len(results) == FOREIGN
    assert all((r["verdict"] == "accept") == (not r["reasons"]) for r in results)
    flagged = [r for r in results if r["verdict"] != "accept"]
    assert len(flagged) == round(measured.evaluation["ood"][name]["flag_rate"] * FOREIGN)
    assert all(reason["message"] for r in flagged for reason in r["reasons"])


def test_the_bundle_verifies(measured: Measured) -> None:
    assert edge_guard("bundle", "verify", measured.folder / "line.guard").code == 0


def test_the_models_are_where_the_tests_look() -> None:
    root = data_dir()
    assert root is not None
    assert all((root / "models" / line.model).is_dir() for line in LINES)
