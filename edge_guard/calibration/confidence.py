"""Calibrated confidence: one temperature, and the certificate of fixed-sequence testing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_guard.errors import GuaranteeError
from edge_guard.guards.logits import log_softmax
from edge_guard.manifest import Certificate
from edge_guard.types import Array, Doubles

DELTA = 0.05
"""The certificate may fail with this probability."""

_MIN_LABELLED = 30
_MIN_ERRORS = 3
_STEPS = 48


def fit_temperature(logits: Array, truth: npt.NDArray[np.intp]) -> float | None:
    """Return T = argmin over ln T of the negative log-likelihood, or None when labels cannot say.

    One class only or too few errors would drive T towards 0; too few labels towards noise.

    Parameters
    ----------
    logits : Array
        (N, C).
    truth : array of int
        (N,) class indices.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", §4.2.
    """
    from scipy.optimize import minimize_scalar

    errors = int((logits.argmax(1) != truth).sum())
    if len(truth) < _MIN_LABELLED or errors < _MIN_ERRORS or len(np.unique(truth)) < 2:
        return None
    rows = np.arange(len(truth))

    def nll(log_t: float) -> float:
        return -float(log_softmax(logits, float(np.exp(log_t)))[rows, truth].mean())

    return float(np.exp(minimize_scalar(nll, bounds=(-3.0, 4.0), method="bounded").x))


def certify(
    confidence: Doubles, correct: npt.NDArray[np.bool_], max_error: float, delta: float = DELTA
) -> Certificate:
    """Return the loosest confidence threshold whose accepted part is certified.

    Thresholds λ_j = 1 − ½·2^(−j/4) are tested from strict to loose with
    p_j = BinomCDF(k_j; m_j, α); testing starts where m_j could pass at all and stops at the first
    p_j > δ.

    Parameters
    ----------
    confidence : Doubles
        (N,) calibrated confidence of frames that the guards accept, from images that did not set
        the temperature.
    correct : array of bool
        (N,).
    max_error : float
        α: largest share of wrong answers among the accepted.
    delta : float

    Raises
    ------
    GuaranteeError
        No threshold passes; says how many more labelled images could do it.

    References
    ----------
    Angelopoulos et al. 2021, "Learn then test", §3 fixed-sequence testing.
    """
    from scipy.stats import beta, binom

    least = int(np.ceil(np.log(delta) / np.log1p(-max_error)))
    passed: tuple[float, int, int] | None = None
    for j in reversed(range(_STEPS)):
        threshold = 1.0 - 0.5 * 2.0 ** (-j / 4.0)
        accepted = confidence >= threshold
        m, k = int(accepted.sum()), int((accepted & ~correct).sum())
        if m < least:
            continue
        if binom.cdf(k, m, max_error) > delta:
            break
        passed = (threshold, m, k)
    if passed is None:
        raise GuaranteeError(
            f"at most {max_error:.1%} wrong among the accepted cannot be certified from "
            f"{len(confidence)} labelled references",
            advice(confidence, correct, max_error, least),
        )
    threshold, m, k = passed
    bound = float(beta.ppf(1 - delta, k + 1, m - k)) if m > k else 1.0
    return Certificate(max_error, delta, threshold, m, k, len(confidence), bound)


def advice(
    confidence: Doubles, correct: npt.NDArray[np.bool_], max_error: float, least: int
) -> str:
    """Return what would make the guarantee attainable, as far as these references can tell."""
    order = np.argsort(-confidence)
    wrong = np.cumsum(~correct[order])
    good = np.flatnonzero(wrong <= 0.5 * max_error * np.arange(1, len(order) + 1))
    share = (good.max() + 1) / len(order) if len(good) else 0.0
    if share <= 0.0:
        return "the model's most confident answers are wrong too often: retrain it, or allow more"
    needed = int(np.ceil(2.0 * least / share))
    if needed > len(confidence):
        return f"about {needed - len(confidence)} more labelled images are needed"
    return "allow a larger --max-error, or retrain the model"
