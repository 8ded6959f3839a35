"""Selective certificates on real classifiers: 200 splits of a real population of answers.

The population is what a model answers for every distinct test image; labelled references are drawn
from it with replacement, so that the true error of what a certificate accepts is known exactly.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from guard_quality.domains import PCB, distinct
from guard_quality.guarded import look
from real_data import images, linked_model

from edge_guard.backends.infer import load_card
from edge_guard.backends.taps import tap_model
from edge_guard.calibration.confidence import certify, fit_temperature
from edge_guard.errors import GuaranteeError
from edge_guard.guards.logits import log_softmax
from edge_guard.types import Doubles, Floats
from promises.verdicts import Check

MODELS = ("pcb_simplecnn_int8_onnx", "pcb_simplecnn_int8_tflite", "pcb_mobilenetv2_int8_onnx")
ASKED = ((0.02, 1000), (0.01, 2000))
"""(largest error, labelled references)."""

SPLITS = 200
_TEMPERATURE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Population:
    """Answers of a model: (N, C) logits and (N,) true classes."""

    logits: Floats
    truth: npt.NDArray[np.int64]

    def accepted(self, threshold: float, temperature: float) -> tuple[float, float]:
        """Return coverage and error of what a threshold accepts."""
        confidence = np.exp(log_softmax(self.logits, temperature).max(1))
        kept = confidence >= threshold
        wrong = self.logits.argmax(1) != self.truth
        return float(kept.mean()), float(wrong[kept].mean()) if kept.any() else 0.0

    def hindsight(self, max_error: float) -> float:
        """Return the largest coverage in the order of the largest softmax with that error."""
        order = np.argsort(-log_softmax(self.logits, 1.0).max(1))
        wrong = np.cumsum((self.logits.argmax(1) != self.truth)[order])
        fine = np.flatnonzero(wrong <= max_error * np.arange(1, len(order) + 1))
        return float(fine[-1] + 1) / len(order) if len(fine) else 0.0


def population(model: str) -> Population:
    """Return a model's answers for the distinct PCB patches."""
    pictures = images(PCB)
    rows = distinct(pictures)
    with tempfile.TemporaryDirectory() as folder:
        file = linked_model(model, Path(folder))
        card = load_card(file, None).card
        tapped = tap_model(file, card)
        seen = look(
            tapped.model, tapped.kind, tapped.plan, card, [pictures.images[i] for i in rows]
        )
    return Population(seen.logits, pictures.labels[rows])


def checks(model: str, seed: int) -> list[Check]:
    """Return how the certificates that were asked for fare: kept, and not too careful."""
    answers = population(model)
    found = []
    for max_error, labelled in ASKED:
        rng = np.random.default_rng([seed, labelled])
        kept, coverage = _certified(answers, max_error, labelled, rng)
        setting = f"{model}, {labelled} labels"
        hindsight = answers.hindsight(max_error)
        found.append(
            Check(
                f"at most {max_error:.0%} of what is accepted is wrong",
                setting,
                SPLITS,
                f"kept in {kept.mean():.1%}",
                "≥ 95 %",
                bool(kept.mean() >= 0.95),
            )
        )
        certified = coverage > 0.0
        share = float(coverage[certified].mean() / hindsight) if certified.any() else 0.0
        found.append(
            Check(
                f"{max_error:.0%} is certified, not refused",
                setting,
                SPLITS,
                f"in {certified.mean():.1%}, at {share:.2f} of the hindsight coverage "
                f"{hindsight:.3f}",
                "≥ 95 %, at ≥ .85",
                bool(certified.mean() >= 0.95 and share >= 0.85),
            )
        )
    return found


def _certified(
    answers: Population, max_error: float, labelled: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], Doubles]:
    """Return for each split whether the promise was kept, and its coverage (0 where refused)."""
    kept, coverage = np.ones(SPLITS, np.bool_), np.zeros(SPLITS)
    for split in range(SPLITS):
        rows = rng.integers(len(answers.truth), size=labelled)
        first = round(_TEMPERATURE_SHARE * labelled)
        logits, truth = answers.logits[rows], answers.truth[rows]
        temperature = fit_temperature(logits[:first], truth[:first]) or 1.0
        confidence = np.exp(log_softmax(logits[first:], temperature).max(1))
        correct = logits[first:].argmax(1) == truth[first:]
        try:
            certificate = certify(confidence, correct, max_error)
        except GuaranteeError:
            continue
        coverage[split], error = answers.accepted(certificate.min_confidence, temperature)
        kept[split] = error <= max_error
    return kept, coverage
