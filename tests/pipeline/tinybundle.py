"""Bundles of the tiny model, and what they say of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tinymodel import LABELS, write_model

from edge_guard.bundle import Bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference
from edge_guard.card import Card, InputCard, OutputCard
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Result

CARD = Card(InputCard("rgb", "stretch", (0.0,), (255.0,)), OutputCard(labels=LABELS))


def references(pictures: list[np.ndarray]) -> list[Reference]:
    return [Reference(f"part {i}", "", lambda p=p: p) for i, p in enumerate(pictures)]


def fit(folder: Path, pictures: list[np.ndarray], **model: float) -> Bundle:
    path = write_model(folder / "tiny.onnx", **model)
    return calibrate(path, references(pictures), folder / "tiny.guard", card=CARD, labels=LABELS)


def look(bundle: Bundle, picture: np.ndarray) -> Result:
    return Pipeline(bundle, live=False).inspect(Frame("s", 0, picture))
