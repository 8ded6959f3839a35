"""Finds the real models and images outside the project, and writes the models' cards.

The data stays where it is: ``../shared/data`` from the project's root, or ``$EDGE_GUARD_DATA``.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_guard.types import Image

ROOT = Path(__file__).resolve().parents[1]

_PCB = '[input]\ncolor = "gray"\nmean = [127.5]\nstd = [127.5]\n[output]\nlabels = "labels.txt"\n'
_SOFTMAX = '[output]\nactivation = "softmax"\nlabels = "labels.txt"\n'
CARDS = {
    "pcb_simplecnn_int8_onnx": _PCB,
    "pcb_simplecnn_fp32_onnx": _PCB,
    "pcb_simplecnn_int8_tflite": _PCB,
    "pcb_mobilenetv2_int8_onnx": _PCB,
    "resnet8_cifar10_int8": f'[input]\ncolor = "rgb"\n{_SOFTMAX}',
    "resnet8_cifar10_float": f'[input]\ncolor = "rgb"\n{_SOFTMAX}',
    "cifar10_resnet_2b_onnx": '[input]\ncolor = "rgb"\nmean = [125.307, 122.961, 113.8575]\n'
    'std = [63.0105, 62.0925, 66.708]\n[output]\nlabels = "labels.txt"\n',
    "mobilenet_v2_coral_quant": '[input]\ncolor = "rgb"\nresize = "center-crop"\nmean = [128]\n'
    f"std = [128]\n{_SOFTMAX}",
    "mobilenet_v1_embedding_coral_quant": '[input]\ncolor = "rgb"\nresize = "center-crop"\n'
    'mean = [128]\nstd = [128]\n[output]\ntask = "embed"\n',
}
"""MODEL.toml of each model, after the preprocessing that its card.json states."""


class Pictures(NamedTuple):
    """A set of images.

    Attributes
    ----------
    images : sequence of Image
        uint8 BGR (H, W, 3) or gray (H, W).
    labels : array of int
        Class index of each; −1 where the set has none.
    groups : array
        Images of one group are not independent (a board, a class of textures).
    """

    images: Sequence[Image]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]


def data_dir() -> Path | None:
    """Return the folder of the real data, None where it is absent."""
    path = Path(os.environ.get("EDGE_GUARD_DATA") or ROOT.parent / "shared" / "data")
    return path if (path / "models").is_dir() else None


def model_file(name: str) -> Path:
    """Return the path of a real model's file, where it lies."""
    folder = _root() / "models" / name
    return next(p for p in folder.iterdir() if p.suffix in (".onnx", ".tflite"))


def write_card(name: str, folder: Path) -> Path:
    """Return ``folder``, now with a link MODEL.onnx or MODEL.tflite, MODEL.toml and labels."""
    source = model_file(name)
    (folder / f"MODEL{source.suffix}").symlink_to(source)
    (folder / "MODEL.toml").write_text(CARDS[name], encoding="utf-8")
    labels = source.parent / "labels.txt"
    if labels.exists():
        (folder / "labels.txt").symlink_to(labels)
    return folder


def linked_model(name: str, folder: Path) -> Path:
    """Return the model file in ``folder``, written there with its card."""
    return next(
        p for p in write_card(name, folder).iterdir() if p.stem == "MODEL" and p.is_symlink()
    )


@cache
def images(name: str) -> Pictures:
    """Return a real set of images, by its folder's name."""
    folder = _root() / "images" / name
    if (folder / "data.npz").exists():
        return _packed(folder / "data.npz")
    if (folder / "labels.csv").exists():
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        key = "label" if "label" in rows[0] else "defect"
        labels = np.array([int(row[key]) for row in rows])
        files = [folder / row["file"] for row in rows]
    else:
        files = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png"))
        labels = np.full(len(files), -1)
    return Pictures([_read(file) for file in files], labels, np.arange(len(files)))


def _packed(path: Path) -> Pictures:
    """Arrays of small pictures; colour ones are stored as RGB."""
    with np.load(path) as arrays:
        x = arrays["x"]
        labels = arrays["y"].astype(np.int64) if "y" in arrays else np.full(len(x), -1)
        groups = arrays["b"] if "b" in arrays else np.arange(len(x))
    _, group = np.unique(groups, return_inverse=True)
    return Pictures(x[..., ::-1].copy() if x.ndim == 4 else x, labels, group)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_ANYCOLOR)
    assert image is not None, path
    return image


def _root() -> Path:
    root = data_dir()
    if root is None:
        raise SystemExit("the real data is absent: set EDGE_GUARD_DATA to its folder")
    return root
