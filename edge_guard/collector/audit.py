"""Rates of all frames from a random sample of them that people have judged.

Frame i was drawn with probability π_i and weighs w_i = 1/π_i. A share of all frames is estimated by

    p = Σ w y / Σ w                                                    (Hájek 1971)

with the exact interval of Clopper & Pearson (1934) for n* instead of n draws (Korn & Graubard 1998,
"Confidence intervals for proportions with small expected number of positive counts estimated from
survey data"):

    n* = min( (Σ w)² / Σ w²,  p (1 − p) / v ),   v = n/(n − 1) · Σ w² (y − p)² / (Σ w)²

the first is Kish's, the second counts where weights and answers go together; with equal weights
n* = n, and the interval is exact. What people were unsure of counts as wrong in the lower limit and
as right in the upper one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_guard.collector.beta import beta_quantile


@dataclass(frozen=True, slots=True)
class Audited:
    """One frame that was drawn for an audit.

    Attributes
    ----------
    bundle : str
        Id of what judged it.
    probability : float
        With which it was drawn.
    accepted : bool
    flagged : bool
        By the guards; frames of which the model was not sure are neither.
    answered : bool
        Whether the model's answer is known: it is withheld for invalid frames.
    judged : str or None
        ``right``, ``wrong``, ``unsure``; None while nobody has judged it.
    truth : str or None
        What the frame shows, as far as people have said.
    """

    bundle: str
    probability: float
    accepted: bool
    flagged: bool
    answered: bool
    judged: str | None
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A share of all frames.

    Attributes
    ----------
    share : float
    low, high : float
        95 % interval.
    at_least : float
        Exceeded with 95 % confidence, taken by itself.
    yes, n : int
        Frames counted, not weighed.
    """

    share: float
    low: float
    high: float
    at_least: float
    yes: int
    n: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit says of one stream.

    Attributes
    ----------
    drawn : int
        Accepted frames that were drawn.
    waiting : int
        Those that nobody has judged.
    unsure : int
        Those that people could not tell.
    accuracy : Share or None
        Of accepted answers, the right ones; None before any was judged right or wrong.
    false_flags : Share or None
        Of right answers, accepted or not, those that the guards flagged.
    flags : Share or None
        Of all frames, those that the guards flagged, judged or not: a check of the sample, because
        all flags are counted anyway.
    labels : dict of str to Share
        Of frames whose label people have told, those with each, the most frequent first.
    """

    drawn: int
    waiting: int
    unsure: int
    accuracy: Share | None
    false_flags: Share | None
    flags: Share | None = None
    labels: dict[str, Share] = field(default_factory=dict)


def audit(frames: Sequence[Audited]) -> AuditReport:
    """Return what the judged among these frames say of all frames that they were drawn from."""
    accepted = [frame for frame in frames if frame.accepted and frame.answered]
    judged = [frame for frame in accepted if frame.judged is not None]
    unsure = [frame for frame in judged if frame.judged == "unsure"]
    right = [frame for frame in frames if frame.judged == "right"]
    return AuditReport(
        drawn=len(accepted),
        waiting=len(accepted) - len(judged),
        unsure=len(unsure),
        accuracy=_accuracy(judged),
        false_flags=share([f.probability for f in right], [f.flagged for f in right]),
        flags=share([f.probability for f in frames], [f.flagged for f in frames]),
        labels=_labels([frame for frame in frames if frame.truth is not None]),
    )


def share(probabilities: Sequence[float], yes: Sequence[bool]) -> Share | None:
    """Return the share of all frames that a sample stands for; None of an empty sample.

    Parameters
    ----------
    probabilities : sequence of float
        With which each was drawn, > 0.
    yes : sequence of bool
    """
    if not len(yes):
        return None
    w, y = 1.0 / np.array(probabilities, np.float64), np.array(yes, np.float64)
    p = float((w * y).sum() / w.sum())
    n = float(w.sum() ** 2 / (w**2).sum())
    if 0.0 < p < 1.0:
        spread = len(y) / (len(y) - 1) * float((w**2 * (y - p) ** 2).sum() / w.sum() ** 2)
        n = min(n, p * (1.0 - p) / spread) if np.ptp(w) > 0 else float(len(y))
    hits = p * n
    return Share(
        share=p,
        low=beta_quantile(0.025, hits, n - hits + 1.0),
        high=beta_quantile(0.975, hits + 1.0, n - hits),
        at_least=beta_quantile(0.05, hits, n - hits + 1.0),
        yes=int(y.sum()),
        n=len(y),
    )


def _labels(told: Sequence[Audited]) -> dict[str, Share]:
    """Return the share of each label among the frames that one is known of."""
    odds, found = [f.probability for f in told], dict[str, Share]()
    for label in sorted({f.truth for f in told if f.truth is not None}):
        known = share(odds, [f.truth == label for f in told])
        assert known is not None
        found[label] = known
    return dict(sorted(found.items(), key=lambda one: -one[1].share))


def _accuracy(judged: Sequence[Audited]) -> Share | None:
    """Return the share of right answers; what people were unsure of widens it on both sides."""
    told = [frame for frame in judged if frame.judged != "unsure"]
    middle = share([f.probability for f in told], [f.judged == "right" for f in told])
    if middle is None or len(told) == len(judged):
        return middle
    odds = [f.probability for f in judged]
    worst = share(odds, [f.judged == "right" for f in judged])
    best = share(odds, [f.judged != "wrong" for f in judged])
    assert worst is not None
    assert best is not None
    return Share(middle.share, worst.low, best.high, worst.at_least, middle.yes, middle.n)
