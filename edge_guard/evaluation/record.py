"""The evaluation record: every headline figure with its 95 % interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_guard.bundle import Bundle
from edge_guard.calibration.boxes import matched, scaled
from edge_guard.calibration.references import Reference
from edge_guard.calibration.selective import upper_bound
from edge_guard.calibration.truth import truth_from_folders
from edge_guard.evaluation.judge import Judged
from edge_guard.evaluation.metrics import (
    auroc,
    expected_calibration_error,
    fpr95,
    interval,
    risk_coverage,
)
from edge_guard.guards.fusion import Fusion
from edge_guard.manifest import Manifest
from edge_guard.types import Array, Doubles


@dataclass(frozen=True, slots=True)
class Answers:
    """The model's answers to images whose truth is known: (M,) confidence, right, accepted."""

    confidence: Doubles
    correct: Doubles
    accepted: npt.NDArray[np.bool_]


def truth(manifest: Manifest, images: Sequence[Reference]) -> npt.NDArray[np.intp]:
    """Return the class index that each image's folder names, −1 for images in no folder.

    Raises
    ------
    ReferencesError
        A folder matches none of the model's labels.
    """
    if manifest.plan.logits is None:
        return np.full(len(images), -1, np.intp)
    folders = [image.label for image in images]
    return truth_from_folders(folders, manifest.labels, manifest.plan.logits.channels)


def answers(judged: Judged, truth: npt.NDArray[np.intp]) -> Answers | None:
    """Return the answers to the images whose class (N,) is known; None where there are none."""
    known = (truth >= 0) & (judged.label_index >= 0) & np.isfinite(judged.confidence)
    if not known.any():
        return None
    correct = (judged.label_index == truth)[known].astype(np.float64)
    return Answers(judged.confidence[known], correct, ~judged.flagged[known])


def found_answers(manifest: Manifest, judged: Judged) -> Answers | None:
    """Return a detector's answers to the images in which people drew boxes; None without any.

    An answer is right when each box is and none is missing (`edge_guard.calibration.boxes`).

    Raises
    ------
    ReferencesError
        People wrote a label that is none of the model's.
    """
    rows, right = [], []
    for i, (image, found) in enumerate(zip(judged.images, judged.found, strict=True)):
        if image.marks is None or found is None or not np.isfinite(judged.confidence[i]):
            continue
        drawn = scaled(image.marks, judged.shapes[i])
        rows.append(i)
        right.append(matched(found, drawn, manifest.labels)[0])
    if not rows:
        return None
    return Answers(judged.confidence[rows], np.array(right, float), ~judged.flagged[rows])


def inside_record(judged: Judged, answered: Answers | None) -> dict[str, Any]:
    """Return the ``id`` part of the record: images like the references."""
    return {
        "n": len(judged.flagged),
        **_share("false_flag_rate", judged.flagged),
        **_share("coverage", ~judged.flagged),
        "leading": _counts(judged.leading),
        **_answers_record(answered),
    }


def outside_record(bundle: Bundle, inside: Judged, outside: Judged) -> dict[str, Any]:
    """Return one entry of the ``ood`` part of the record: a foreign set."""
    a, b = inside.fused, outside.fused
    without = ablation(bundle, inside, outside)
    return {
        "n": len(b),
        **_measured("auroc", auroc, [a, b]),
        **_measured("fpr95", fpr95, [a, b]),
        **_share("flag_rate", outside.flagged),
        "leading": _counts(outside.leading),
        "guards": {
            name: {
                "auroc": auroc(inside.scores[:, k], outside.scores[:, k]),
                "fpr95": fpr95(inside.scores[:, k], outside.scores[:, k]),
                "auroc_without": without[name],
            }
            for k, name in enumerate(bundle.manifest.guards.scores)
        },
    }


def ablation(bundle: Bundle, inside: Judged, outside: Judged) -> dict[str, float]:
    """Return the AUROC of the fused score without each guard, other weights left as they are."""
    found = {}
    for k, name in enumerate(bundle.manifest.guards.scores):
        kept = np.arange(len(bundle.manifest.guards.scores)) != k
        fusion = _fusion(bundle, kept)
        found[name] = auroc(_fused(fusion, inside, kept), _fused(fusion, outside, kept))
    return found


def _fusion(bundle: Bundle, kept: npt.NDArray[np.bool_]) -> Fusion:
    center, spread, weight, tail, knee = (
        bundle.arrays[f"fusion.{part}"][kept]
        for part in ("center", "spread", "weight", "tail", "knee")
    )
    guards = bundle.manifest.guards
    solo = bundle.arrays.get("fusion.solo") if kept[-1] else None
    return Fusion(center, spread, weight, tail, knee, guards.top1, guards.top3, solo)


def _fused(fusion: Fusion, judged: Judged, kept: npt.NDArray[np.bool_]) -> Doubles:
    """Return the fused scores; what could not be scored stays beyond everything."""
    scores = judged.scores[:, :-1][:, kept]
    finite = np.isfinite(scores).all(1)
    fused = np.full(len(scores), np.inf)
    fused[finite] = fusion.fuse(scores[finite])
    return fused


def _answers_record(answered: Answers | None) -> dict[str, Any]:
    if answered is None:
        return dict.fromkeys(("accuracy", "accepted_accuracy", "ece", "aurc", "augrc"))
    confidence, correct = answered.confidence, answered.correct
    accepted = correct[answered.accepted]
    both = [np.stack([confidence, correct], axis=1)]
    record = {
        **_share("accuracy", correct),
        **_measured("ece", lambda p: expected_calibration_error(p[:, 0], p[:, 1]), both),
        **_measured("aurc", lambda p: risk_coverage(p[:, 0], p[:, 1]).aurc, both),
        **_measured("augrc", lambda p: risk_coverage(p[:, 0], p[:, 1]).augrc, both),
        "accepted_accuracy": None,
    }
    return record | (_share("accepted_accuracy", accepted) if len(accepted) else {})


def _share(name: str, hits: Array) -> dict[str, Any]:
    """Return a share and its exact 95 % interval (Clopper & Pearson 1934): none of n is not 0."""
    n, k = len(hits), int(hits.sum())
    bounds = (1.0 - upper_bound(n - k, n, 0.025), upper_bound(k, n, 0.025))
    return {name: k / n, f"{name}_interval": bounds}


def _measured(name: str, statistic: Callable[..., Any], samples: Sequence[Array]) -> dict[str, Any]:
    """Return a figure and its interval under their names."""
    return {
        name: float(statistic(*samples)),
        f"{name}_interval": interval(lambda *drawn: float(statistic(*drawn)), samples),
    }


def _counts(words: Sequence[str]) -> dict[str, int]:
    """Return how often each word comes, most frequent first."""
    return dict(Counter(word for word in words if word).most_common())
