"""References that are not what they should be: refused or named, never taken in silence.

Pictures come from the line simulator; the model is the shipped one, or a small one that is broken.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from commands import edge_guard_here
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from line_simulator.recording import write_folders

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "demo_line.onnx"
ARTIFACT, REFERENCES = 3, 4
N = 60


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures of good parts, without labels."""
    folder = tmp_path_factory.mktemp("line")
    write_folders(folder, {"ok": N}, 11)
    for path in pictures(folder / "ok"):
        image = cv2.imread(str(path))
        cv2.imwrite(str(path), cv2.resize(image, (96, 72), interpolation=cv2.INTER_AREA))
    return folder / "ok"


@pytest.fixture
def references(good: Path, tmp_path: Path) -> Path:
    """A copy of the good parts, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "references"))


def said_of(references: Path, tmp_path: Path, *more: str) -> dict[str, Any]:
    """Return what the bundle says about references that are accepted."""
    out = tmp_path / "made.guard"
    done = edge_guard_here("calibrate", SHIPPED, "--reference", references, "-o", out, *more)
    assert done.code == 0, done.error
    return done.records[-1]["references"]


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def respell(path: Path, **change: Any) -> None:
    """Write a picture again as PNG with other pixels."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    path.unlink()
    assert cv2.imwrite(str(path.with_suffix(".png")), change["to"](image))


def test_sizes_and_modes_are_named(references: Path, tmp_path: Path) -> None:
    files = pictures(references)
    for path in files[::15]:
        respell(path, to=lambda x: cv2.resize(x, None, fx=0.75, fy=0.75))
    for path in files[1::20]:
        respell(path, to=lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2GRAY))
    for path in files[3::12]:
        respell(path, to=lambda x: x.astype(np.uint16) * 257)
    for path in files[4::28]:
        respell(path, to=lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2BGRA))
    said = " | ".join(said_of(references, tmp_path)["warnings"])
    assert "2 sizes" in said
    assert f"3 of {N} references are gray" in said
    assert "5 references have 16 bits: the upper 8 are used" in said
    assert f"{len(files[4::28])} references have an alpha channel" in said


def test_twelve_bits_that_nobody_scaled_are_not_taken_for_night(references: Path) -> None:
    for path in pictures(references):
        respell(path, to=lambda x: x.astype(np.uint16) * 16)
    out = references.parent / "made.guard"
    done = edge_guard_here("calibrate", SHIPPED, "--reference", references, "-o", out)
    assert done.code == REFERENCES
    assert not out.exists()


def test_a_foreign_part_among_the_references_is_listed(references: Path, tmp_path: Path) -> None:
    victim = pictures(references)[17]
    image = cv2.imread(str(victim))
    noise = np.random.default_rng(0).integers(0, 255, image.shape, np.uint8)
    assert cv2.imwrite(str(victim), cv2.GaussianBlur(noise, (0, 0), 3))
    assert victim.name in " ".join(said_of(references, tmp_path)["suspicious"])


def test_one_class_of_labels_calibrates_no_confidence(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labelled"
    shutil.copytree(good, folder / "ok")
    assert "one class" in " ".join(said_of(folder, tmp_path)["warnings"])


@pytest.mark.parametrize(
    ("pick", "value"),
    [("scale", np.nan), ("scale", 0.0), ("bias", np.nan)],
    ids=["nan scales", "zero scales", "all nan"],
)
def test_a_broken_model_is_refused(good: Path, tmp_path: Path, pick: str, value: float) -> None:
    """Spoilt quantization scales of activations, or every float spoilt."""
    model = onnx.load(SHIPPED)
    scales = {node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    spoilt = 0
    for tensor in model.graph.initializer:
        chosen = pick != "scale" or tensor.name in scales
        if chosen and tensor.data_type == onnx.TensorProto.FLOAT:
            filled = np.full(tuple(tensor.dims), value, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(filled, tensor.name))
            spoilt += 1
    assert spoilt
    file = tmp_path / "broken.onnx"
    onnx.save(model, file)
    shutil.copy(SHIPPED.with_suffix(".toml"), tmp_path / "broken.toml")
    out = tmp_path / "made.guard"
    done = edge_guard_here("calibrate", file, "--reference", good, "-o", out)
    assert done.code == ARTIFACT
    assert "broken.onnx" in done.error
    assert not out.exists()
