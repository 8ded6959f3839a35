"""Selective certificates on real classifiers: 200 splits of a real population of answers.

The population is what a model answers for every distinct test image. A quarter of the labelled
references, which may choose a ranking, are taken out of it; the others are drawn from what remains
with replacement, so that the true error of what a certificate accepts is known exactly.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from guard_quality.domains import PCB, distinct
from real_data import images, linked_model

from edge_guard.backends.infer import load_card
from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.taps import tap_model
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.fit import default_views
from edge_guard.calibration.labelled import CHOOSING_SHARE, Evidence, Settled, certified
from edge_guard.calibration.references import Observer, Reference
from edge_guard.confidence import probe_scores, ranking_scores, to_confidence
from edge_guard.errors import GuaranteeError
from edge_guard.types import Doubles
from promises.verdicts import Check

MODELS = ("pcb_simplecnn_int8_onnx", "pcb_simplecnn_int8_tflite", "pcb_mobilenetv2_int8_onnx")
ASKED = ((0.02, 1000), (0.01, 2000))
"""(largest error, labelled references)."""

SPLITS = 200


def population(model: str) -> Evidence:
    """Return a model's answers for the distinct PCB patches."""
    pictures = images(PCB)
    rows = distinct(pictures)
    with tempfile.TemporaryDirectory() as folder:
        file = linked_model(model, Path(folder))
        card, labels, _ = load_card(file, None)
        tapped = tap_model(file, card)
    backend = open_backend(tapped.model, tapped.plan, kind=tapped.kind)
    views = tuple(view for view in default_views(tapped.plan) if view.source >= 0)
    observer = Observer(backend, Preprocess(card.input, backend.input), views)
    references = [Reference(str(i), "", lambda i=i: pictures.images[i]) for i in rows]  # type: ignore[misc]
    seen = observer.observe(references, lambda *_: None)
    backend.close()
    nothing = np.zeros(len(rows), np.bool_)
    return Evidence(seen.logits, seen.embeddings, pictures.labels[rows], nothing, labels)


def confidence(answers: Evidence, settled: Settled) -> Doubles:
    """Return the confidences that a device would give."""
    spec = settled.confidence
    assert spec is not None, "a certificate has one"
    if spec.ranking == "probe":
        parts = settled.arrays["probe.weight"], settled.arrays["probe.bias"]
        x = probe_scores(answers.logits, answers.features, spec.gain, *parts)
    else:
        x = ranking_scores(spec.ranking, answers.logits, spec.temperature)
    return to_confidence(x, spec.knots)


def hindsight(scores: Doubles, correct: npt.NDArray[np.bool_], max_error: float) -> float:
    """Return the largest coverage in the order of scores with that error."""
    wrong = np.cumsum(~correct[np.argsort(-scores, kind="stable")])
    fine = np.flatnonzero(wrong <= max_error * np.arange(1, len(wrong) + 1))
    return float(fine[-1] + 1) / len(wrong) if len(fine) else 0.0


@dataclass(frozen=True, slots=True)
class Fared:
    """What one split's certificate accepts of the population; refused: coverage 0."""

    coverage: float = 0.0
    error: float = 0.0
    hindsight: float = 0.0
    ranking: str = ""


def checks(model: str, seed: int) -> list[Check]:
    """Return how the certificates that were asked for fare: kept, and not too careful."""
    answers = population(model)
    plain = ranking_scores("msp", answers.logits)
    found = []
    for max_error, labelled in ASKED:
        rng = np.random.default_rng([seed, labelled])
        fared = [_split(answers, max_error, labelled, rng) for _ in range(SPLITS)]
        kept = float(np.mean([f.error <= max_error for f in fared]))
        setting = f"{model}, {labelled} labels"
        best = hindsight(plain, answers.correct, max_error)
        found.append(
            Check(
                f"at most {max_error:.0%} of what is accepted is wrong",
                setting,
                SPLITS,
                f"kept in {kept:.1%}",
                "≥ 95 %",
                kept >= 0.95,
            )
        )
        passed = [f for f in fared if f.coverage]
        rate = len(passed) / SPLITS
        share = float(np.mean([f.coverage for f in passed])) / best if passed else 0.0
        learned = [f.hindsight for f in passed if f.ranking == "probe"]
        better = f"; a probe orders {len(learned)} of them, hindsight {np.mean(learned):.3f}"
        found.append(
            Check(
                f"{max_error:.0%} is certified, not refused",
                setting,
                SPLITS,
                f"in {rate:.1%}, at {share:.2f} of the hindsight coverage {best:.3f}"
                + (better if learned else ""),
                "≥ 95 %, at ≥ .85",
                rate >= 0.95 and share >= 0.85,
            )
        )
    return found


def _split(answers: Evidence, max_error: float, labelled: int, rng: np.random.Generator) -> Fared:
    """Return what a certificate from one draw of labelled references accepts."""
    order = rng.permutation(len(answers.truth))
    first = int(CHOOSING_SHARE * labelled)
    remaining = answers.rows(order[first:])
    drawn = remaining.rows(rng.integers(len(remaining.truth), size=labelled - first))
    try:
        settled = certified(answers.rows(order[:first]), drawn, Wishes(max_error=max_error), rng)
    except GuaranteeError:
        return Fared()
    assert settled.certificate is not None
    assert settled.confidence is not None
    trust = confidence(remaining, settled)
    kept = trust >= settled.certificate.min_confidence
    return Fared(
        float(kept.mean()),
        float((~remaining.correct)[kept].mean()) if kept.any() else 0.0,
        hindsight(trust, remaining.correct, max_error),
        settled.confidence.ranking,
    )
