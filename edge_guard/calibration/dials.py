"""Cost and review budget: dials that only ever send more frames to a person.

Cost (Chow 1970): accept where (1 − confidence) · cost of an error ≤ cost of a review.
Budget b: the least sure frames are looked at as well, as many as the budget leaves after the frames
that must be. Where the musts alone exceed it, budget and promise contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.selective import DELTA
from edge_guard.errors import GuaranteeError, ReferencesError
from edge_guard.manifest import Certificate, Dials
from edge_guard.types import Doubles


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the owner of the line asks of labelled references.

    Attributes
    ----------
    max_error, max_escapes : float or None
        Rates to certify.
    good_label : str or None
    cost_error, cost_review : float or None
        In any one unit; both or none.
    review_budget : float or None
        Share of frames that people can look at.
    previous : Path or None
        An earlier bundle for the same model, whose attempts count.
    attempt : int
        How often this certificate was tried, this time included.
    delta : float
        With which probability it may fail.
    question : str
        Digest of what was asked of which evidence.
    """

    max_error: float | None = None
    max_escapes: float | None = None
    good_label: str | None = None
    cost_error: float | None = None
    cost_review: float | None = None
    review_budget: float | None = None
    previous: Path | None = None
    attempt: int = 1
    delta: float = DELTA
    question: str = ""

    @property
    def asked(self) -> str:
        """The first option that was given, "" for none."""
        options = ("max_error", "max_escapes", "cost_error", "review_budget")
        given = [name for name in options if getattr(self, name) is not None]
        return "--" + given[0].replace("_", "-") if given else ""


def set_dials(
    confidence: Doubles,
    flagged: npt.NDArray[np.bool_],
    wishes: Wishes,
    certificate: Certificate | None,
    method: str,
) -> Dials:
    """Return the dials' thresholds.

    Parameters
    ----------
    confidence : Doubles
        (N,) of all references.
    flagged : array of bool
        (N,) by the guards.
    wishes : Wishes
    certificate : Certificate or None
    method : str
        How the confidence was calibrated.

    Raises
    ------
    ReferencesError
        Costs are given, and labels could not calibrate the confidence.
    GuaranteeError
        What must be reviewed exceeds the budget.
    """
    cost = None
    if wishes.cost_error is not None and wishes.cost_review is not None:
        if method == "none":
            raise ReferencesError(
                "--cost-error and --cost-review need a calibrated confidence",
                "add labelled references on which the model makes some mistakes",
            )
        cost = 1.0 - wishes.cost_review / wishes.cost_error
    if wishes.review_budget is None:
        return Dials(cost)
    least = max(certificate.min_confidence if certificate else 0.0, cost or 0.0)
    must = flagged | (confidence < least)
    _refuse_contradiction(flagged, must, wishes, certificate)
    left = int(wishes.review_budget * len(must)) - int(must.sum())
    others = np.sort(confidence[~must])
    worth = float(others[left]) if left < len(others) else 1.0
    return Dials(cost, wishes.review_budget, worth)


def _refuse_contradiction(
    flagged: npt.NDArray[np.bool_],
    must: npt.NDArray[np.bool_],
    wishes: Wishes,
    certificate: Certificate | None,
) -> None:
    budget = wishes.review_budget or 0.0
    share = float(must.mean())
    if share <= budget:
        return
    promised = "the costs" if certificate is None else f"--max-error {certificate.max_error:g}"
    if flagged.mean() > budget:
        promised, change = "the guards' flags", "lower --false-flag-rate"
    elif certificate is None:
        change = "raise --cost-review"
    else:
        change = "allow a larger --max-error"
    raise GuaranteeError(
        f"--review-budget {budget:g} contradicts {promised}: {share:.1%} of the references must be "
        "reviewed",
        f"give a budget of at least {np.ceil(share * 1000) / 1000:g}, or {change}",
    )
