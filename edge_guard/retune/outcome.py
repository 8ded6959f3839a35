"""What labels make of a bundle: thresholds with a guarantee, dials, consequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.errors import ConfigError, GuaranteeError, ReferencesError
from edge_guard.retune.betting import at_least, at_most, draws
from edge_guard.retune.certificate import Findings, certify
from edge_guard.retune.consequences import Point, at, curve
from edge_guard.retune.frames import Frame, Frames, gathered
from edge_guard.retune.reliability import Line, fit_line
from edge_guard.retune.settings import Wishes

FEWEST_DRAWN = 30
"""Frames that tell how rarely a device draws."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known, and what would be deployed.

    Attributes
    ----------
    findings : Findings
        With the parent's confidences.
    points : list of Point
        The risk-coverage curve, strict to loose.
    now, then : Point or None
        The parent's threshold, and the one that would be deployed; None: nothing is certified.
    least : float
        What would be deployed, as the parent's confidence: certified, or dearer by the costs.
    budget : float or None
        Below this confidence of the parent a frame is worth what the review budget leaves.
    line : Line or None
        From the parent's confidence to the new one.
    references : int
        Of the parent, counted as labels.
    """

    findings: Findings
    points: list[Point]
    now: Point
    then: Point | None
    least: float
    budget: float | None
    line: Line | None
    references: int


def settle(parent: Bundle, production: Frames, wishes: Wishes) -> Outcome:
    """Return what the labels support; nothing certified is no error here.

    Parameters
    ----------
    parent : Bundle
    production : Frames
        Judged under this bundle.
    wishes : Wishes

    Raises
    ------
    ConfigError
        Something asked for makes no sense.
    ReferencesError
        Labelled references are to count, and the bundle holds none, or too few frames were drawn.
    GuaranteeError
        Production errs more often than the references that are to count, or the review budget
        contradicts the certificate.
    """
    _check(wishes)
    frames, references = production, 0
    if wishes.references:
        frames, references = _joined(parent, production, wishes.delta)
    findings = certify(frames, wishes.max_error, wishes.delta)
    line = fit_line(production) if parent.manifest.confidence else None
    points, now = curve(production), at(production, own_least(parent))
    if findings.best is None:
        return Outcome(findings, points, now, None, math.nan, None, line, references)
    least = max(findings.best.threshold, _worth(parent, wishes, line))
    then = at(production, least)
    budget = _budget(production, then, least, wishes)
    return Outcome(findings, points, now, then, least, budget, line, references)


def own_least(bundle: Bundle) -> float:
    """Return the confidence from which a bundle accepts."""
    certificate, dials = bundle.manifest.certificate, bundle.manifest.dials
    return max(certificate.min_confidence if certificate else 0.0, dials.cost_confidence or 0.0)


def _check(wishes: Wishes) -> None:
    for name, value in (("target", wishes.target), ("confidence", wishes.confidence)):
        if not 0.5 <= value < 1.0:
            raise ConfigError(f"{name} {value:g} is out of range", "give 0.5 to below 1, as 0.99")
    costs = wishes.cost_escape, wishes.cost_look
    if (costs[0] is None) != (costs[1] is None):
        raise ConfigError("one cost says nothing", "give that of an escape and that of a look")
    if costs[0] is not None and costs[1] is not None and not 0.0 < costs[1] < costs[0]:
        raise ConfigError(
            f"a look for {costs[1]:g} and an escape for {costs[0]:g} leave nothing to weigh",
            "an escape costs more than a look, and both more than nothing",
        )
    if wishes.review_budget is not None and not 0.0 < wishes.review_budget <= 1.0:
        raise ConfigError(
            f"review budget {wishes.review_budget:g} is no share of the frames",
            "give more than 0, at most 1",
        )


def _joined(parent: Bundle, production: Frames, delta: float) -> tuple[Frames, int]:
    """Return the references' labels before those of production, each worth the rarest of the first
    draws: later ones must not weigh anew what was counted before."""
    if "evidence.confidence" not in parent.arrays:
        raise ReferencesError(
            f"bundle {parent.id} holds no labelled references to count",
            "leave them out, or calibrate again with labelled references",
        )
    confidence = parent.arrays["evidence.confidence"]
    right = parent.arrays["evidence.right"].astype(bool)
    drawn = production.probability[production.drawn]
    if len(drawn) < FEWEST_DRAWN:
        raise ReferencesError(
            f"{len(drawn)} frames were drawn at random so far, {FEWEST_DRAWN} are needed to weigh "
            "the references by them",
            "leave the references out, or let the device draw more",
        )
    one = float(drawn[:FEWEST_DRAWN].min())
    n = len(confidence)
    alike = gathered(
        Frame(f"reference {i:08d}", -1, float(c), not math.isnan(c), False, one, "right")
        for i, c in enumerate(confidence)
    )
    joined = Frames(
        confidence=np.append(alike.confidence, production.confidence),
        open=np.append(alike.open, production.open),
        accepted=np.append(alike.accepted, production.accepted),
        judged=np.append(alike.judged, production.judged),
        wrong=np.append(~right, production.wrong),
        unsure=np.append(alike.unsure, production.unsure),
        probability=np.append(alike.probability, production.probability),
        turn=np.append(alike.turn, n + production.turn),
        first_ms=production.first_ms,
        last_ms=production.last_ms,
        digest=production.digest,
    )
    _refuse_unlike(joined, n, delta)
    return joined, n


def _refuse_unlike(joined: Frames, n: int, delta: float) -> None:
    """Refuse references that err less often than production at the same confidence."""
    passing = joined.open & joined.judged & joined.drawn
    level = float(np.median(joined.confidence[passing])) if passing.any() else 0.0
    rows = np.flatnonzero(passing & (joined.confidence >= level))
    here, there = rows[rows >= n], rows[rows < n]
    found = draws(joined.probability[here], joined.wrong[here])
    known = draws(joined.probability[there], joined.wrong[there])
    if at_least(found, delta / 2) > at_most(known, delta / 2):
        raise GuaranteeError(
            f"production errs more often than the references: {found.share:.1%} of its more "
            f"certain answers are wrong, {known.share:.1%} of theirs",
            "retune from the labels of production alone",
        )


def _worth(parent: Bundle, wishes: Wishes, line: Line | None) -> float:
    """Return below which confidence of the parent a look costs less than the risk (Chow 1970)."""
    if wishes.cost_escape is None or wishes.cost_look is None:
        least = parent.manifest.dials.cost_confidence or 0.0
        return line.original(least) if line and least else least
    spec = parent.manifest.confidence
    if line is None and (spec is None or spec.method == "none"):
        raise ReferencesError(
            "costs need a calibrated confidence, and neither references nor labels gave one",
            "leave the costs out, or label more frames: some must be wrong",
        )
    least = 1.0 - wishes.cost_look / wishes.cost_escape
    return least if line is None else line.original(least)


def _budget(frames: Frames, then: Point, least: float, wishes: Wishes) -> float | None:
    """Return below which confidence frames are worth what the review budget leaves."""
    if wishes.review_budget is None:
        return None
    must = 1.0 - then.coverage.share
    if must > wishes.review_budget:
        raise GuaranteeError(
            f"a review budget of {wishes.review_budget:g} contradicts the promise: {must:.1%} of "
            "the frames must be looked at",
            f"give a budget of at least {math.ceil(must * 1000) / 1000:g}, or allow more errors",
        )
    drawn = np.flatnonzero(frames.drawn)
    inside = drawn[frames.open[drawn] & (frames.confidence[drawn] >= least)]
    order = inside[np.argsort(frames.confidence[inside], kind="stable")]
    weights = 1.0 / frames.probability
    used = np.cumsum(weights[order]) / weights[drawn].sum()
    place = int(np.searchsorted(used, wishes.review_budget - must))
    return float(frames.confidence[order[place]]) if place < len(order) else 1.0
