"""Both detectors, calibrated on the same scenes with YOLO text beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "collector"))

from detectors import write_ssd, write_yolo
from parts import save

from edge_guard.cli.main import main

REFERENCES = 320


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
