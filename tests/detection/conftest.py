"""Both detectors, calibrated on the same scenes with YOLO text beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "collector"))

from detectors import write_ssd, write_yolo
from parts import SIDE, SIZE, framed, scenes

from edge_guard.cli.main import main

REFERENCES = 320


def save(folder: Path, n: int, seed: int, faint: float = 0.0) -> None:
    """Write scenes as folders of images and labels, as YOLO's tools have them."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number, (image, parts) in enumerate(scenes(n, seed, faint)):
        cv2.imwrite(str(folder / "images" / f"{number:04d}.png"), framed(image))
        lines = [
            f"{kind} {(left + SIZE / 2) / SIDE} {(top + SIZE / 2) / SIDE} {SIZE / SIDE} "
            f"{SIZE / SIDE}\n"
            for kind, left, top in parts
        ]
        (folder / "labels" / f"{number:04d}.txt").write_text("".join(lines))


@pytest.fixture(scope="session", params=["yolo", "ssd"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, labels and ``line.guard``."""
    folder = tmp_path_factory.mktemp(request.param)
    save(folder, REFERENCES, 0, faint=0.15)
    model = (
        write_yolo(folder / "m.onnx") if request.param == "yolo" else write_ssd(folder / "m.tflite")
    )
    options = ["--reference", str(folder / "images"), "-o", str(folder / "line.guard")]
    assert main(["calibrate", str(model), *options, "--max-error", "0.1"]) == 0
    return folder
