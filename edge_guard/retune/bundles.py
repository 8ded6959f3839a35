"""A retuned bundle: its parent with other thresholds, and where they come from.

Model, guards, gate, monitors and golden frames stay byte for byte; where the confidence moves, the
references' move with it. The parent is never changed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.errors import GuaranteeError
from edge_guard.manifest import (
    AccuracySpec,
    Certificate,
    ConfidenceSpec,
    Dials,
    Manifest,
    Retuned,
)
from edge_guard.retune.frames import Frames
from edge_guard.retune.outcome import Outcome, own_least
from edge_guard.retune.reliability import Line
from edge_guard.retune.settings import Wishes
from edge_guard.types import Array

METHOD = "fixed-sequence testing by bets on audited frames"


def retuned(
    parent: Bundle, parent_sha256: str, frames: Frames, outcome: Outcome, wishes: Wishes
) -> Bundle:
    """Return the new bundle, not yet written and unsigned.

    Parameters
    ----------
    parent : Bundle
    parent_sha256 : str
        Of its file.
    frames : Frames
        Of production.
    outcome : Outcome
        Of the same frames and wishes.
    wishes : Wishes

    Raises
    ------
    GuaranteeError
        Nothing is certified; says what is missing.
    """
    if outcome.findings.best is None or outcome.then is None:
        raise GuaranteeError(
            f"{wishes.target:.2%} right among the accepted cannot be certified",
            outcome.findings.missing,
        )
    old, line = parent.manifest, outcome.line
    manifest = msgspec.structs.replace(
        old,
        certificate=_certificate(outcome, wishes),
        confidence=_confidence(old, line, len(frames)),
        dials=_dials(old, outcome, wishes),
        accuracy=_accuracy(parent, outcome),
        retuned=_provenance(parent, parent_sha256, frames, outcome, wishes),
    )
    arrays = parent.arrays if line is None else _arrays(parent, line)
    return replace(parent, manifest=manifest, arrays=arrays, id="", signature=None, signed=b"")


def _certificate(outcome: Outcome, wishes: Wishes) -> Certificate:
    best = outcome.findings.best
    assert best is not None
    loosest = outcome.findings.ladder[-1]
    return Certificate(
        max_error=wishes.max_error,
        delta=wishes.delta,
        min_confidence=_moved(best.threshold, outcome.line),
        accepted=best.seen.n,
        wrong=round(float(best.seen.yes.sum())),
        labelled=loosest.seen.n,
        upper_bound=outcome.findings.bound,
    )


def _confidence(old: Manifest, line: Line | None, n: int) -> ConfidenceSpec | None:
    """Return the parent's map with the line on its odds."""
    if old.confidence is None or line is None:
        return old.confidence
    knots = tuple((x, line.slope * y + line.offset) for x, y in old.confidence.knots)
    method = "platt" if old.confidence.method == "none" else old.confidence.method
    return msgspec.structs.replace(
        old.confidence, knots=knots, method=method, nll=line.after, ece=None, brier=None
    )


def _arrays(parent: Bundle, line: Line) -> dict[str, Array]:
    """Return the parent's arrays with the references' confidences as the new bundle gives them."""
    known = parent.arrays.get("evidence.confidence")
    if known is None:
        return parent.arrays
    moved = np.array([_moved(float(c), line) for c in known], known.dtype)
    return {**parent.arrays, "evidence.confidence": moved}


def _dials(old: Manifest, outcome: Outcome, wishes: Wishes) -> Dials:
    """Return the dials that were asked for; those that nobody spoke of stay as they are."""
    line, dials = outcome.line, old.dials
    cost, budget = dials.cost_confidence, dials.budget_confidence
    share = dials.review_budget
    if budget is not None:
        budget = _moved(budget, line)
    if wishes.cost_escape is not None and wishes.cost_look is not None:
        cost = 1.0 - wishes.cost_look / wishes.cost_escape
    if wishes.review_budget is not None:
        share, budget = wishes.review_budget, _moved(outcome.budget or 0.0, line)
    return Dials(cost, share, budget)


def _accuracy(parent: Bundle, outcome: Outcome) -> AccuracySpec | None:
    """Return how accuracy is estimated; None where frames are accepted that it never saw."""
    spec = parent.manifest.accuracy
    if spec is None or outcome.least < own_least(parent):
        return None
    edges = tuple(_moved(edge, outcome.line) for edge in spec.edges)
    return AccuracySpec(edges, spec.basis)


def _provenance(
    parent: Bundle, sha256: str, frames: Frames, outcome: Outcome, wishes: Wishes
) -> Retuned:
    method = METHOD
    if outcome.line is not None:
        method += ", confidence fitted to the labels"
    return Retuned(
        parent=parent.id,
        parent_sha256=sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        who=wishes.who,
        method=method,
        labels=int(frames.judged.sum()),
        audited=int((frames.judged & frames.drawn).sum()),
        references=outcome.references,
        labels_sha256=frames.digest,
        first=_time(frames.first_ms),
        last=_time(frames.last_ms),
    )


def _moved(confidence: float, line: Line | None) -> float:
    return confidence if line is None or math.isnan(confidence) else line.moved(confidence)


def _time(since_epoch_ms: int) -> str:
    return datetime.fromtimestamp(since_epoch_ms / 1000, UTC).isoformat(timespec="seconds")
