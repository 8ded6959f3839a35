"""Scores → reasons: the one place that decides whether a person must look at a frame.

Order: cannot be scored → unlike the references (with what the gate can explain) → doubts of the
gate → not sure enough → worth what the review budget leaves. No reason at all means accept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge_guard.gate.gate import Findings, InputGate, Measurement
from edge_guard.gate.spec import OF_LIGHT
from edge_guard.guards import patch
from edge_guard.manifest import Manifest
from edge_guard.tightening import Tightened
from edge_guard.types import Array, Box, Detection, Doubles, Image, Reason

_LOUD = 3
"""How many guards a flagged frame's reasons name, one for each thing they speak of."""

_USUAL = 0.05
"""A p-value above it is worth no reason beside a louder guard's."""

_PURSE = 20.0
"""Looks that can be saved up, or taken in advance by frames that must be looked at."""

_LIGHT = {f"gate.{check}" for check in OF_LIGHT}

_SUBJECTS = {
    "tone": "the picture's brightness, contrast and colour are",
    "levels": "the picture's grey levels are",
    "texture": "the picture's edges and texture are",
    "correlation": "the size and direction of the picture's structures are",
    "spectrum": "the fineness of the picture's structures is",
    "picture": "the picture as a whole is",
    "features": "the model's features are",
}


@dataclass(frozen=True, slots=True)
class Scored:
    """Raw numbers of one frame.

    Attributes
    ----------
    scores : Doubles
        (K,) raw scores in the order of the bundle.
    fused, p_value : float
        NaN where a score is not finite.
    confidence : float or None
    label_index : int or None
    answer : str or None
        A detector's answer in a word.
    detections : tuple of Detection or None
        What a detector has found; None for other tasks.
    """

    scores: Doubles
    fused: float
    p_value: float
    confidence: float | None
    label_index: int | None
    answer: str | None = None
    detections: tuple[Detection, ...] | None = None


class Decision:
    """The thresholds of one bundle.

    Parameters
    ----------
    manifest : Manifest
    arrays : dict of str to Array
        The bundle's arrays.
    gate : InputGate
        Explains frames that are unlike the references.
    tightened : Tightened
        Stricter limits than the bundle's.
    """

    def __init__(
        self,
        manifest: Manifest,
        arrays: dict[str, Array],
        gate: InputGate,
        tightened: Tightened = Tightened(),  # noqa: B008  never changed
    ) -> None:
        self._promise = manifest.promise
        self._dials = manifest.dials
        certified = manifest.certificate.min_confidence if manifest.certificate else 0.0
        calibrated = max(certified, manifest.dials.cost_confidence or 0.0)
        self._least = max(calibrated, tightened.min_confidence or 0.0)
        self._promised = certified >= self._least
        self._tightened = self._least > calibrated
        self._p_limit = tightened.p_limit or 0.0
        self._purse = ReviewPurse(
            max(manifest.dials.review_budget or 0.0, tightened.review_budget or 0.0)
        )
        self._names = manifest.guards.scores
        ranks = arrays.get("fusion.references")
        self._references = None if ranks is None else np.ascontiguousarray(ranks.T)
        self._calibration = arrays["fusion.calibration"]
        self._center, self._spread = arrays["fusion.center"], arrays["fusion.spread"]
        self._gate = gate

    def reasons(
        self, image: Image, seen: Measurement, found: Findings, scored: Scored
    ) -> tuple[Reason, ...]:
        """Return why a person must look, leading reason first; empty to accept."""
        if not math.isfinite(scored.fused):
            return (Reason("score", "the frame could not be scored: a value is not finite", None),)
        reasons = found.doubts
        if scored.fused > self._promise.score_limit or scored.p_value <= self._p_limit:
            reasons = self._unlike(self._gate.explain(image, seen), found.doubts, scored)
        reasons += self._unsure(scored)
        return reasons + self._worth_a_look(scored, reviewed=bool(reasons))

    def _unlike(
        self, causes: tuple[Reason, ...], doubts: tuple[Reason, ...], scored: Scored
    ) -> tuple[Reason, ...]:
        """Return the reasons for a frame unlike the references.

        Doubts about the light are the last word, not the first: the scene is lit as ever, and
        something in it is brighter or redder.
        """
        certain = [d for d in doubts if d.guard not in _LIGHT]
        reasons = {r.guard: r for r in (*certain, *causes, *self._evidence(scored), *doubts)}
        return tuple(reasons.values())

    def _evidence(self, scored: Scored) -> tuple[Reason, ...]:
        """Return the fused flag and the guards that speak loudest for it, rarest first."""
        z = (scored.scores - self._center) / self._spread
        p = [self._rarity(k, score) for k, score in enumerate(scored.scores)]
        order = sorted(range(len(z)), key=lambda k: (p[k] or 1.0, -z[k]))
        loudest: dict[str, int] = {}
        for k in order:
            if z[k] > 1.0 and (not loudest or (p[k] or 0.0) <= _USUAL):
                loudest.setdefault(_subject(self._names[k]), k)
        loud = list(loudest.values())[:_LOUD]
        rows = 0 if self._references is None else self._references.shape[1]
        return (
            self._reason("fused", len(self._calibration), scored.p_value),
            *(self._reason(self._names[k], rows, p[k]) for k in loud),
        )

    def _rarity(self, k: int, score: float) -> float | None:
        """Return a guard's conformal p-value; None for bundles of earlier versions."""
        if self._references is None:
            return None
        return p_value(self._references[k], score)

    def _reason(self, name: str, n: int, p: float | None) -> Reason:
        """Return the reason of a guard with p-value ``p`` among ``n`` references."""
        rarity = "" if p is None else f": {rarity_in_words(p, n)}"
        least = max(self._promise.p_limit, self._p_limit)
        return Reason(name, in_words(name) + rarity, p, (least, None))

    def _unsure(self, scored: Scored) -> tuple[Reason, ...]:
        confidence = scored.confidence
        if not self._least or (confidence is not None and confidence >= self._least):
            return ()
        words = "the model is not sure enough for the promised error rate"
        if self._tightened:
            words = "the model is not sure enough for the limit that somebody has set"
        elif not self._promised:
            words = "the model is not sure enough: an error would cost more than a look"
        return (Reason("confidence", words, confidence, (self._least, None)),)

    def _worth_a_look(self, scored: Scored, *, reviewed: bool) -> tuple[Reason, ...]:
        """Return the reason to look at one of the least sure frames while the budget lasts."""
        least = self._dials.budget_confidence
        if least is None:
            return ()
        doubtful = scored.confidence is None or scored.confidence < least
        if not self._purse.spend(must=reviewed, may=doubtful) or reviewed:
            return ()
        words = "one of the least sure frames, and the review budget leaves a look"
        return (Reason("budget", words, scored.confidence, (least, None)),)


class ReviewPurse:
    """A token bucket of looks: each frame adds the budget, each look takes one.

    Parameters
    ----------
    budget : float or None
        Share of the frames that people can look at.
    """

    def __init__(self, budget: float | None) -> None:
        self._budget = budget or 0.0
        self._looks = 0.0

    def spend(self, *, must: bool, may: bool) -> bool:
        """Return whether a look was taken: what must be looked at is, on credit where need be."""
        self._looks = min(self._looks + self._budget, _PURSE)
        if not must and not (may and self._looks >= 1.0):
            return False
        self._looks = max(self._looks - 1.0, -_PURSE)
        return True


def located(reasons: tuple[Reason, ...], hottest: float, place: Box) -> tuple[Reason, ...]:
    """Return the reasons with the place that the feature-map guard found.

    Parameters
    ----------
    reasons : tuple of Reason
    hottest : float
        In conformal units: 1 is the limit.
    place : Box
    """
    found = Reason(patch.NAME, in_words(patch.NAME), hottest, (None, 1.0), place)
    others = tuple(reason for reason in reasons if reason.guard != patch.NAME)
    return (*others, found)


def _subject(name: str) -> str:
    """Return what a guard's score looks at: a view, or the model's answer."""
    view, _, method = name.partition(".")
    return view if method or view == patch.NAME else "answer"


def p_value(references: Array, score: float) -> float:
    """Return (1 + how many references score as high) / (n + 1).

    (Vovk et al. 2005, Algorithmic Learning in a Random World, ch. 2: smoothing left out.)

    Parameters
    ----------
    references : Array
        (n,) float32 scores, ascending.
    score : float
    """
    below = int(np.searchsorted(references, np.float32(score), side="left"))
    return (1 + len(references) - below) / (len(references) + 1)


def rarity_in_words(p: float, n: int) -> str:
    """Return what a conformal p-value among ``n`` references says, for people."""
    as_far = max(0, round(p * (n + 1)) - 1)
    if as_far == 0:
        return f"rarer than 1 in {n} references"
    return f"only {as_far} of {n} references {'goes' if as_far == 1 else 'go'} as far"


def in_words(name: str) -> str:
    """Return what a guard's score speaks of, for people."""
    if name == "fused":
        return "the frame is unlike the references"
    if name == patch.NAME:
        return "a place in the picture is unlike those of the references"
    view, _, method = name.partition(".")
    if not method:
        return f"the model's answer is unusual ({name})"
    subject = _SUBJECTS.get(view, f"the model's inner layer {view} is")
    return f"{subject} " + (
        "far from even the nearest reference" if method == "nearest" else "far from the references"
    )
