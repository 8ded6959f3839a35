"""A retune in sentences for people."""

from __future__ import annotations

import math

from edge_guard.retune.consequences import Point, in_words, shift
from edge_guard.retune.frames import Frames
from edge_guard.retune.outcome import Outcome
from edge_guard.retune.settings import Wishes


def labels_in_words(frames: Frames) -> str:
    """Return what was labelled, and how much of it can certify."""
    drawn = int(frames.drawn.sum())
    told = int((frames.drawn & frames.judged).sum())
    others = int(frames.judged.sum()) - told
    unsure = int((frames.drawn & frames.unsure).sum())
    words = f"{drawn} frames were drawn at random, {told} of them labelled"
    if unsure:
        words += f" ({unsure} unsure, which count as wrong)"
    if others:
        words += f"; {others} more labels are of flagged frames, which certify nothing"
    return words


def certified_in_words(outcome: Outcome, wishes: Wishes) -> str:
    """Return what is certified, or what is missing."""
    found = outcome.findings
    if found.best is None:
        return f"not certified: {found.missing}"
    words = (
        f"certified: at most {wishes.max_error:.2%} of what is accepted is wrong, with "
        f"{wishes.confidence:.1%} confidence however often you look, from confidence "
        f"{found.best.threshold:.4f} up ({found.best.seen.n} labelled frames accepted, "
        f"{found.best.seen.yes.sum():.0f} wrong)"
    )
    if outcome.references:
        words += (
            f"; {outcome.references} labelled references count, so it holds while production is "
            "like them"
        )
    if outcome.least > found.best.threshold:
        words += f"; the costs raise the confidence to {outcome.least:.4f}"
    return words


def consequence(point: Point, frames: float, wishes: Wishes) -> str:
    """Return what a threshold means in a shift of so many frames."""
    if math.isnan(point.coverage.share):
        return "no frame was drawn at random yet, so nothing is known of coverage or errors"
    found = shift(point, frames, wishes.cost_escape, wishes.cost_look)
    c = point.coverage
    return f"{c.share:.1%} of the frames accepted ({c.low:.1%}–{c.high:.1%}); {in_words(found)}"
