"""Which score orders frames for acceptance: chosen on labels that certify nothing.

AUGRC = mean over m of (wrong among the m most trusted) / n, the chance that a frame is accepted and
wrong, averaged over all coverages; smaller = better (Traub et al. 2024, "Overcoming common flaws in
the evaluation of selective classification systems", eq. 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.probe import Probe, fit_probe
from edge_guard.confidence import ranking_scores
from edge_guard.types import Array, Doubles

MAX_PROBE_CLASSES = 50
"""A probe of more classes would need more labels than anybody has."""
PENALTIES = (0.0003, 0.001, 0.003)

_FOLDS = 4
_LEAST_ROWS = 100
_NEARLY = 1.1
"""AUGRC of a probe over that of the best other score, up to which the probe is taken."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The chosen order.

    Attributes
    ----------
    name : str
        As in `ConfidenceSpec`.
    probe : Probe or None
    augrc : dict of str to float
        Of every score tried; the probe's out of fold.
    """

    name: str
    probe: Probe | None
    augrc: dict[str, float]

    def scores(self, logits: Array, features: Array) -> Doubles:
        """Return (N,) scores from logits (N, C) and pooled taps (N, D)."""
        if self.probe is not None:
            return self.probe.scores(logits, features)
        return ranking_scores(self.name, logits)


def augrc(scores: Doubles, correct: npt.NDArray[np.bool_]) -> float:
    """Return the area under the generalised risk-coverage curve."""
    wrong = ~correct[np.argsort(-scores, kind="stable")]
    return float(np.cumsum(wrong).mean() / len(wrong))


def choose_ranking(
    logits: Array, taps: Sequence[Array], truth: npt.NDArray[np.intp], rng: np.random.Generator
) -> Ranking:
    """Return the ranking with the smallest AUGRC; a probe also where it is nearly as good as msp.

    It is certified beside the largest softmax, never instead, so that trying it costs little.

    Parameters
    ----------
    logits : Array
        (N, C) of labelled references that will certify nothing.
    taps : sequence of Array
        (N, D_v) pooled taps.
    truth : array of int
        (N,) class indices.
    """
    correct = logits.argmax(1) == truth
    found = {name: augrc(ranking_scores(name, logits), correct) for name in ("msp", "gen", "pnorm")}
    probed: dict[float, float] = {}
    if taps and len(truth) >= _LEAST_ROWS and logits.shape[1] <= MAX_PROBE_CLASSES:
        fold = rng.permutation(len(truth)) % _FOLDS
        for penalty in PENALTIES:
            held = _held_out(logits, taps, truth, fold, penalty)
            probed[penalty] = augrc(held, correct)
        found["probe"] = min(probed.values())
    handicap = {"probe": _NEARLY}
    best = min(found, key=lambda name: found[name] / handicap.get(name, 1.0))
    probe = None
    if best == "probe":
        probe = fit_probe(logits, taps, truth, min(probed, key=lambda key: probed[key]))
    return Ranking(best, probe, found)


def _held_out(
    logits: Array,
    taps: Sequence[Array],
    truth: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    penalty: float,
) -> Doubles:
    """Return the probe's scores of each row by a probe that never saw it."""
    scores = np.zeros(len(truth))
    features = np.concatenate(taps, axis=1)
    for k in range(_FOLDS):
        rest, out = fold != k, fold == k
        probe = fit_probe(logits[rest], [tap[rest] for tap in taps], truth[rest], penalty)
        scores[out] = probe.scores(logits[out], features[out])
    return scores
