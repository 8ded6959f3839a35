"""What the guard and the model say of images: fused scores, verdicts, features and logits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from real_data import linked_model

from edge_guard.backends.infer import load_card
from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Kind, TapPlan, TensorSpec
from edge_guard.bundle import Bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference
from edge_guard.calibration.settings import Settings
from edge_guard.card import Card
from edge_guard.pipeline import Pipeline
from edge_guard.types import Array, Doubles, Floats, Frame, Image, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard says of N images.

    Attributes
    ----------
    fused : Doubles
        (N,), whatever the gate says.
    flagged : array of bool
        (N,), anything but accept.
    leading : list of str
        (N,) guard of the leading reason, "" where accepted.
    predicted : array of int
        (N,), −1 without an answer.
    """

    fused: Doubles
    flagged: npt.NDArray[np.bool_]
    leading: list[str]
    predicted: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Features:
    """What detectors on the penultimate layer see of N images: (N, D) features, (N, C) logits."""

    features: Floats
    logits: Floats


@contextmanager
def calibrated(model: str, references: Sequence[Image], settings: Settings) -> Iterator[Bundle]:
    """Yield the bundle of a real model, calibrated as one command would, in a temporary folder."""
    loaded = [Reference(f"{i:05d}", "", lambda x=x: x) for i, x in enumerate(references)]  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        file = linked_model(model, Path(folder))
        card = load_card(file, None)
        out = Path(folder) / "X.guard"
        yield calibrate(file, loaded, out, card=card.card, labels=card.labels, settings=settings)


def judge(pipeline: Pipeline, images: Sequence[Image]) -> Judged:
    """Return the guard's word on images."""
    n = len(images)
    fused, flagged = np.full(n, np.inf), np.ones(n, np.bool_)
    predicted, leading = np.full(n, -1, np.intp), []
    for i, image in enumerate(images):
        result = pipeline.inspect(Frame("quality", i, image))
        flagged[i] = result.verdict != Verdict.ACCEPT
        leading.append(result.reasons[0].guard if result.reasons else "")
        if result.verdict == Verdict.INVALID:
            scored = pipeline.score(image)
            fused[i], index = scored.fused, scored.label_index
        else:
            fused[i], index = result.scores["fused"], result.label_index
        predicted[i] = -1 if index is None else index
    fused[np.isnan(fused)] = np.inf
    return Judged(fused, flagged, leading, predicted)


def look(model: bytes, kind: Kind, plan: TapPlan, card: Card, images: Sequence[Image]) -> Features:
    """Return penultimate features and logits that a tapped classifier gives, dequantized."""
    assert plan.logits is not None, "only classifiers have logits"
    backend = open_backend(model, plan, kind=kind)
    preprocess = Preprocess(card.input, backend.input)
    features, logits = [], []
    for image in images:
        preprocess(image, backend.tensor)
        outputs = backend.run()
        features.append(_pooled(outputs.taps[-1], plan.taps[-1]))
        logits.append(_real(outputs.logits, plan.logits))
    backend.close()
    return Features(np.stack(features), np.stack(logits))


def _real(stored: Array | None, spec: TensorSpec) -> Floats:
    assert stored is not None
    return (stored.reshape(-1).astype(np.float32) - spec.zero_point) * np.float32(spec.scale)


def _pooled(stored: Array, spec: TensorSpec) -> Floats:
    """Return the mean of each channel; a vector is its own."""
    real = _real(stored, spec)
    if spec.channels_last:
        return real.reshape(-1, spec.channels).mean(0)
    return real.reshape(spec.channels, -1).mean(1)
