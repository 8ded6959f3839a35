"""Figures of merit, with bootstrap intervals. Scores: higher = more anomalous."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard.types import Array, Doubles

_RESAMPLES = 500
_BINS = 15


def auroc(inside: Array, outside: Array) -> float:
    """Return P(outside > inside) + ½ P(equal): 1 = perfect, 0.5 = chance (Mann & Whitney 1947)."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left")
    up_to = np.searchsorted(ordered, outside, "right")
    return float((below + up_to).mean() / (2.0 * len(ordered)))


def fpr95(inside: Array, outside: Array) -> float:
    """Return the share of outside images that pass where 95 % of inside ones do; 0 = perfect."""
    return float((outside <= np.quantile(inside, 0.95, method="higher")).mean())


def roc(inside: Array, outside: Array) -> tuple[Doubles, Doubles]:
    """Return the ROC curve: false-flag rate and detection rate at falling thresholds, (T,) each."""
    thresholds = np.unique(np.concatenate([inside, outside]))[::-1]
    flagged = [
        1.0 - np.searchsorted(np.sort(scores), thresholds, "left") / len(scores)
        for scores in (inside, outside)
    ]
    return np.append(0.0, flagged[0]), np.append(0.0, flagged[1])


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What is wrong among the most confident answers.

    Attributes
    ----------
    coverage : Doubles
        (N,), i/N: share of answers accepted, most confident first.
    risk : Doubles
        (N,), share of wrong answers among the accepted. Answers of equal confidence are in random
        order: this is the expectation.
    aurc : float
        Mean of ``risk`` over all coverages (Geifman & El-Yaniv 2017); 0 = perfect.
    augrc : float
        ∫ P(wrong and accepted) d coverage (Traub et al. 2024, "Overcoming common flaws in the
        evaluation of selective classification systems"); 0 = perfect.
    """

    coverage: Doubles
    risk: Doubles
    aurc: float
    augrc: float


def risk_coverage(confidence: Array, correct: Array) -> RiskCoverage:
    """Return the risk-coverage curve of answers and the areas under it.

    Parameters
    ----------
    confidence : Array
        (N,), N ≥ 1; higher = surer.
    correct : Array
        (N,), 1 where the answer is right, else 0.
    """
    n = len(confidence)
    _, group, size = np.unique(-np.asarray(confidence), return_inverse=True, return_counts=True)
    wrong = np.bincount(group, 1.0 - np.asarray(correct, np.float64)) / size
    accepted = np.arange(1, n + 1)
    errors = np.cumsum(np.repeat(wrong, size))
    risk = errors / accepted
    middle = errors - 0.5 * np.diff(errors, prepend=0.0)
    return RiskCoverage(accepted / n, risk, float(risk.mean()), float(middle.mean() / n))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of equal count, least confident first: (B,) mean confidence, accuracy, and count."""

    confidence: Doubles
    accuracy: Doubles
    count: Doubles


def reliability(confidence: Array, correct: Array) -> Reliability:
    """Return accuracy against confidence in 15 bins of equal count (Nguyen & O'Connor 2015)."""
    order = np.argsort(confidence, kind="stable")
    bins = [b for b in np.array_split(order, _BINS) if len(b)]
    return Reliability(
        np.array([confidence[b].mean() for b in bins]),
        np.array([correct[b].mean() for b in bins]),
        np.array([float(len(b)) for b in bins]),
    )


def expected_calibration_error(confidence: Array, correct: Array) -> float:
    """Return Σ_b n_b/n · |accuracy_b − confidence_b| over the bins of `reliability`.

    (Naeini et al. 2015; biased upwards at small n.)
    """
    r = reliability(confidence, correct)
    return float(r.count @ np.abs(r.accuracy - r.confidence) / r.count.sum())


def interval(
    statistic: Callable[..., float], samples: Sequence[Array], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap percentile interval of a statistic of independent samples.

    Parameters
    ----------
    statistic : callable
        Called with one resampled array for each of ``samples``.
    samples : sequence of Array
        (N_i, …) each, resampled along the first axis.
    seed : int
    """
    rng = np.random.default_rng(seed)
    draws = [
        statistic(*(s[rng.integers(len(s), size=len(s))] for s in samples))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
