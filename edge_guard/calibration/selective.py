"""Of what is accepted, at most α is wrong: certificates by fixed-sequence testing.

Ranks m_0 < m_1 < … < n of the labelled references, ordered by confidence, are tested from strict to
loose with p_j = BinomCDF(k_j; m_j, α), k_j the wrong among the first m_j; the last rank before the
first p_j > δ sets the threshold (Angelopoulos et al. 2021, "Learn then test", §3). Ranks instead of
fixed thresholds: given the score at a rank, those above it are independent draws of what that
threshold accepts, so each p_j is exact, and so is the sequence where the error does not fall as
coverage grows. The sequence starts where a few errors are forgiven: a start that forgives none
fails on the first unlucky image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.errors import GuaranteeError
from edge_guard.manifest import Certificate
from edge_guard.types import Doubles

DELTA = 0.05
"""The certificate may fail with this probability."""

_FORGIVEN = 4
"""Errors that the first rank forgives, as far as it stays within _START of the references."""
_START = 0.6
_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Escapes:
    """Defective parts that the model calls good.

    Attributes
    ----------
    good_label : str
    limit : float or None
        Largest P(accepted as good | defective) to certify; None to count only.
    slipped : array of bool
        (N,), true where a defective reference that the guards accept is called good.
    defective : int
        All defective references, those that the guards flag included.
    """

    good_label: str
    limit: float | None
    slipped: npt.NDArray[np.bool_]
    defective: int


@dataclass(frozen=True, slots=True)
class _Rank:
    """A threshold and what it accepts."""

    threshold: float
    accepted: int
    wrong: int
    slipped: int


def certify(
    confidence: Doubles,
    correct: npt.NDArray[np.bool_],
    max_error: float,
    delta: float = DELTA,
    escapes: Escapes | None = None,
) -> Certificate:
    """Return the loosest threshold whose accepted part is certified.

    Parameters
    ----------
    confidence : Doubles
        (N,) confidence, or another ranking score, of labelled references that the guards accept
        and that did not set its order.
    correct : array of bool
        (N,).
    max_error : float
        α: largest share of wrong answers among the accepted.
    delta : float
        The certificate may fail with this probability.
    escapes : Escapes, optional
        With a limit, every rank must pass that test as well (intersection-union: no price in δ).

    Raises
    ------
    GuaranteeError
        No rank passes; says how many more labelled images could do it.
    """
    best: _Rank | None = None
    for rank in _ranks(confidence, correct, max_error, delta, escapes):
        if not _passes(rank, max_error, delta, escapes):
            break
        best = rank
    if best is None:
        raise GuaranteeError(
            f"at most {max_error:.1%} wrong among the accepted cannot be certified from "
            f"{len(confidence)} labelled references",
            advice(confidence, correct, max_error, delta),
        )
    return Certificate(
        max_error=max_error,
        delta=delta,
        min_confidence=best.threshold,
        accepted=best.accepted,
        wrong=best.wrong,
        labelled=len(confidence),
        upper_bound=upper_bound(best.wrong, best.accepted, delta),
        max_escapes=escapes.limit if escapes else None,
        escapes=best.slipped if escapes else None,
        defective=escapes.defective if escapes else None,
        good_label=escapes.good_label if escapes else None,
    )


def upper_bound(events: int, trials: int, delta: float = DELTA) -> float:
    """Return the Clopper-Pearson bound that a rate exceeds with probability at most δ."""
    from scipy.stats import beta

    return float(beta.ppf(1 - delta, events + 1, trials - events)) if trials > events else 1.0


def forgiving(errors: int, max_error: float, delta: float) -> int:
    """Return the fewest trials in which this many errors still certify the rate."""
    from scipy.stats import binom

    low, high = errors, errors + 1
    while binom.cdf(errors, high, max_error) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if binom.cdf(errors, middle, max_error) <= delta else (middle, high)
        )
    return high


def _ranks(
    confidence: Doubles,
    correct: npt.NDArray[np.bool_],
    max_error: float,
    delta: float,
    escapes: Escapes | None,
) -> list[_Rank]:
    """Return the ranks to test, strict to loose; equal scores stay together."""
    n = len(confidence)
    starts = [forgiving(errors, max_error, delta) for errors in range(_FORGIVEN + 1)]
    start = max([m for m in starts if m <= _START * n], default=starts[0])
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    wrong = np.cumsum(~correct[order])
    slipped = np.cumsum(escapes.slipped[order]) if escapes else np.zeros(n, np.intp)
    whole = np.append(np.flatnonzero(np.diff(ordered)) + 1, n)
    whole = whole[whole >= starts[0]]
    if start > n or not len(whole):
        return []
    grid = np.arange(start, n + 1, max(1, int(_STEP * n)))
    ranks = np.unique(whole[np.maximum(np.searchsorted(whole, grid, "right") - 1, 0)])
    return [
        _Rank(float(ordered[m - 1]), int(m), int(wrong[m - 1]), int(slipped[m - 1])) for m in ranks
    ]


def _passes(rank: _Rank, max_error: float, delta: float, escapes: Escapes | None) -> bool:
    from scipy.stats import binom

    if binom.cdf(rank.wrong, rank.accepted, max_error) > delta:
        return False
    if escapes is None or escapes.limit is None:
        return True
    return bool(binom.cdf(rank.slipped, escapes.defective, escapes.limit) <= delta)


def advice(
    confidence: Doubles, correct: npt.NDArray[np.bool_], max_error: float, delta: float = DELTA
) -> str:
    """Return what would make the guarantee attainable, as far as these references can tell."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~correct[order])
    good = np.flatnonzero(wrong <= 0.5 * max_error * np.arange(1, len(order) + 1))
    share = (good.max() + 1) / len(order) if len(good) else 0.0
    if share <= 0.0:
        return "the model's most confident answers are wrong too often: retrain it, or allow more"
    needed = int(np.ceil(forgiving(_FORGIVEN, max_error, delta) / share))
    if needed > len(confidence):
        return f"about {needed - len(confidence)} more labelled images are needed"
    return "allow a larger --max-error, or retrain the model"
