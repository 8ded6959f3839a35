"""A bundle for the random MobileNetV2, calibrated on the footage at a camera's usual size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2

from bench import network

FOOTAGE = Path(__file__).resolve().parents[2] / "models" / "footage.avi"
FRAME = (640, 480)
REFERENCES, EVERY = 120, 3
CARD = """\
[input]
color = "rgb"
resize = "stretch"
mean = [123.7, 116.3, 103.5]
std = [58.4, 57.1, 57.4]
[output]
task = "classify"
activation = "logits"
"""


def calibrated(folder: Path) -> tuple[Path, Path]:
    """Return bundle and model, made in ``folder``; takes a minute or two.

    The footage shows one part again and again: too few independent references for a promise, and
    enough to time a guard. So the bundle is an advisory one.
    """
    model, bundle, references = (folder / name for name in ("net.onnx", "net.guard", "references"))
    network.write(model)
    model.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    references.mkdir()
    _write_references(references)
    command = [sys.executable, "-m", "edge_guard.cli.main", "calibrate", str(model)]
    options = ["--reference", str(references), "-o", str(bundle), "--advisory"]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return bundle, model


def _write_references(folder: Path) -> None:
    video = cv2.VideoCapture(str(FOOTAGE))
    for number in range(REFERENCES * EVERY):
        read, frame = video.read()
        if not read:
            raise SystemExit(f"bench: {FOOTAGE} ends after {number} frames: fetch the file again")
        if number % EVERY == 0:
            cv2.imwrite(str(folder / f"{number:04d}.png"), cv2.resize(frame, FRAME))
    video.release()
