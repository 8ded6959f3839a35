"""What a bundle achieves on images that it has never seen, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.references import Progress, Reference
from edge_guard.calibration.truth import truth_from_folders
from edge_guard.errors import EdgeGuardError, ReferencesError
from edge_guard.pipeline import Pipeline
from edge_guard.types import Array, Doubles, Frame, Verdict

_RESAMPLES = 500
_ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard said of N images.

    Attributes
    ----------
    names, folders : list of str
    verdicts : array of str
        (N,).
    leading : list of str
        Guard of the leading reason, "" where accepted.
    scores : Doubles
        (N, K + 1) raw scores and, last, the fused one; +inf where the model could not be asked.
    label_index : array of int
        (N,), −1 for none. Filled for invalid images too: accuracy is the model's own.
    confidence : Doubles
        (N,), NaN for none.
    """

    names: list[str]
    folders: list[str]
    verdicts: npt.NDArray[np.str_]
    leading: list[str]
    scores: Doubles
    label_index: npt.NDArray[np.intp]
    confidence: Doubles


def judge(
    pipeline: Pipeline, images: Sequence[Reference], stage: str, progress: Progress
) -> Judged:
    """Return verdicts and raw scores of images; unreadable ones count as invalid."""
    k = len(pipeline.manifest.guards.scores)
    n = len(images)
    scores = np.full((n, k + 1), np.inf)
    label_index = np.full(n, -1, np.intp)
    confidence = np.full(n, np.nan)
    verdicts, leading = [], []
    for i, reference in enumerate(images):
        progress(stage, i, n)
        try:
            image = reference.load()
            result = pipeline.inspect(Frame("evaluate", i, image))
            scored = pipeline.score(image)
        except EdgeGuardError:
            verdicts.append(Verdict.INVALID.value)
            leading.append("gate.format")
            continue
        verdicts.append(result.verdict.value)
        leading.append(result.reasons[0].guard if result.reasons else "")
        scores[i] = np.append(scored.scores, scored.fused)
        label_index[i] = -1 if scored.label_index is None else scored.label_index
        confidence[i] = np.nan if scored.confidence is None else scored.confidence
    progress(stage, n, n)
    return Judged(
        [r.name for r in images],
        [r.label for r in images],
        np.array(verdicts),
        leading,
        np.nan_to_num(scores, nan=np.inf),
        label_index,
        confidence,
    )


def auroc(inside: Array, outside: Array) -> float:
    """Return P(outside > inside) + ½ P(equal): 1 = perfect, 0.5 = chance (Mann & Whitney 1947)."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left")
    up_to = np.searchsorted(ordered, outside, "right")
    return float((below + up_to).mean() / (2.0 * len(ordered)))


def fpr95(inside: Array, outside: Array) -> float:
    """Return the share of outside images that pass where 95 % of inside ones do; 0 = perfect."""
    return float((outside <= np.quantile(inside, 0.95, method="higher")).mean())


def interval(
    statistic: Callable[..., float], samples: Sequence[Array], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap percentile interval of a statistic of independent samples."""
    rng = np.random.default_rng(seed)
    draws = [
        statistic(*(s[rng.integers(len(s), size=len(s))] for s in samples))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def expected_calibration_error(confidence: Array, correct: Array) -> float:
    """Return Σ_b n_b/n · |accuracy_b − confidence_b| over 15 bins of equal count.

    (Naeini et al. 2015, with Nguyen & O'Connor's adaptive bins; biased upwards at small n.)
    """
    order = np.argsort(confidence, kind="stable")
    bins = [b for b in np.array_split(order, _ECE_BINS) if len(b)]
    gaps = [len(b) * abs(float(correct[b].mean() - confidence[b].mean())) for b in bins]
    return sum(gaps) / len(order)


def inside_report(pipeline: Pipeline, judged: Judged) -> dict[str, Any]:
    """Return the ``id`` part of the evaluation record."""
    flagged = (judged.verdicts != Verdict.ACCEPT).astype(np.float64)
    report: dict[str, Any] = {
        "n": len(flagged),
        "false_flag_rate": float(flagged.mean()),
        "false_flag_rate_interval": interval(np.mean, [flagged]),
        "coverage": float(1.0 - flagged.mean()),
        "leading": _counts(judged.leading),
        "accuracy": None,
        "accepted_accuracy": None,
        "ece": None,
    }
    truth = _truth(pipeline, judged)
    known = (truth >= 0) & (judged.label_index >= 0)
    if known.any():
        correct = (judged.label_index == truth)[known].astype(np.float64)
        accepted = flagged[known] == 0.0
        report["accuracy"] = float(correct.mean())
        report["accuracy_interval"] = interval(np.mean, [correct])
        report["accepted_accuracy"] = float(correct[accepted].mean()) if accepted.any() else None
        report["ece"] = expected_calibration_error(judged.confidence[known], correct)
    return report


def outside_report(pipeline: Pipeline, inside: Judged, outside: Judged) -> dict[str, Any]:
    """Return one entry of the ``ood`` part of the evaluation record."""
    a, b = inside.scores[:, -1], outside.scores[:, -1]
    names = pipeline.manifest.guards.scores
    flagged = outside.verdicts != Verdict.ACCEPT
    return {
        "n": len(b),
        "auroc": auroc(a, b),
        "auroc_interval": interval(auroc, [a, b]),
        "fpr95": fpr95(a, b),
        "flag_rate": float(flagged.mean()),
        "leading": _counts(outside.leading),
        "guards": {
            name: {
                "auroc": auroc(inside.scores[:, k], outside.scores[:, k]),
                "fpr95": fpr95(inside.scores[:, k], outside.scores[:, k]),
            }
            for k, name in enumerate(names)
        },
    }


def _truth(pipeline: Pipeline, judged: Judged) -> npt.NDArray[np.intp]:
    """Return class indices from sub-folders; −1 where folders name no classes."""
    manifest = pipeline.manifest
    classes = manifest.plan.logits.channels if manifest.plan.logits else 0
    try:
        return truth_from_folders(judged.folders, manifest.labels, classes)
    except ReferencesError:
        return np.full(len(judged.folders), -1, np.intp)


def _counts(words: Sequence[str]) -> dict[str, int]:
    return {word: list(words).count(word) for word in sorted(set(words) - {""})}
