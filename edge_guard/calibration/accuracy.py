"""How the accuracy of accepted answers is estimated without labels, and how far that can be wrong.

Accepted references are put into bins by confidence. With n_b references of mean confidence m_b in
bin b, r_b of them right, A the accuracy of all and t the (1 − A)-quantile of their confidences, an
estimate is the mean over accepted frames of v_b:

    confidence  m_b                                 (Guillory et al. 2021, "Predicting with
                                                    confidence on unseen distributions", AC)
    bins        (r_b + 2 A) / (n_b + 2)             (Zadrozny & Elkan 2001; as CBPE, shrunk to A)
    atc         1 where the bin lies above t        (Garg et al. 2022, "Leveraging unlabeled data to
                                                    predict out-of-distribution performance", ATC)

The references are changed mildly in many ways (`accuracy_changes`) and go through the finished
guard; changes that it flags so often that no estimate would be shown are left out. Values from four
fifths of the references estimate the accuracy on the changed pictures of the others.
Over the changes k, e_k = estimate − truth is a random effect with mean μ and variance τ² beside
chance s_k²; the next difference lies within μ ± t_{K−2} √(τ² + se(μ)² + A (1 − A)/n) (Higgins,
Thompson & Spiegelhalter 2009, "A re-evaluation of random-effects meta-analysis", eq. 12; the last
term is chance in the references themselves, which all changes share). τ² is its upper 80 %
confidence limit by the Q-profile (Viechtbauer 2007): simulated intervals from the usual estimate,
which is often 0, held .88 to 1.0 of what they should, from this one .945 to 1.0. The way with the
smallest root mean square e is deployed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_guard.bundle import Bundle
from edge_guard.calibration.accuracy_changes import CHANGES, changed
from edge_guard.calibration.references import Progress, Reference
from edge_guard.drift.accuracy import MOST_FLAGS, is_flagged
from edge_guard.manifest import AccuracySpec
from edge_guard.pipeline import Pipeline
from edge_guard.publish.messages import AccuracyBasis
from edge_guard.types import Doubles, Frame, Image, Verdict

FEWEST_ACCEPTED = 100
"""Labelled references that the guard accepts, so that there is something to learn from."""
METHODS = ("confidence", "bins", "atc")

_MOST_LABELLED = 2000
_FOLDS = 5
_SHRINK = 2.0
_PER_BIN, _FEWEST_BINS, _MOST_BINS = 50, 4, 16
_PIXELS = 150 * 256 * 256
"""Large pictures are fewer: this many pixels are changed in each way."""
_FEWEST, _MOST = 60, 150
"""Pictures of each change."""
_UNLIKELY = 0.2
"""The variance between changes exceeds its limit with this probability."""
_LARGEST = 4.0
"""Variance that differences of shares cannot have."""
_JUDGED = 30
"""Accepted pictures from which a change says something."""
_FEWEST_CHANGES = 4

Labelled = Sequence[tuple[Reference, int]]
"""References and the index of their label."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the guard accepted of some pictures.

    Attributes
    ----------
    confidence : Doubles
        (N,).
    right : array of bool
        (N,).
    origin : array of int
        (N,) which reference each comes from.
    flagged : float
        Share of all the pictures that the guards flagged.
    """

    confidence: Doubles
    right: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.intp]
    flagged: float = 0.0


def with_accuracy(
    bundle: Bundle, labelled: Labelled, length: float, seed: int, progress: Progress
) -> Bundle:
    """Return the bundle with what estimates accuracy, or as it is where labels are too few.

    Parameters
    ----------
    bundle : Bundle
        Finished but for this.
    labelled : sequence of (Reference, int)
        References with their true label that no part of the confidence's ranking has seen.
    length : float
        How many neighbouring references say as much as one.
    seed : int
    progress : callable
        Called with (stage, done, total).
    """
    spec = bundle.manifest.confidence
    if spec is None or spec.method == "none" or len(labelled) < FEWEST_ACCEPTED:
        return bundle
    rng = np.random.default_rng([seed, 3])
    rows = np.sort(rng.permutation(len(labelled))[:_MOST_LABELLED])
    pipeline = Pipeline(bundle, live=False)
    try:
        plain, moved = _observed(pipeline, [labelled[row] for row in rows], rng, progress)
    finally:
        pipeline.close()
    found = fit_accuracy(plain, moved, length, bundle.manifest.promise.false_flag_rate, rng)
    manifest = msgspec.structs.replace(bundle.manifest, accuracy=found)
    return Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures)


def fit_accuracy(
    plain: Answers,
    moved: Sequence[Answers],
    length: float,
    promised: float,
    rng: np.random.Generator,
) -> AccuracySpec | None:
    """Return the best way to estimate accuracy, and its error; None where none can be measured.

    Parameters
    ----------
    plain : Answers
        Of the references as they are.
    moved : sequence of Answers
        Of the references under each change.
    length : float
        How many neighbouring references say as much as one.
    promised : float
        The bundle's false-flag rate.
    rng : numpy.random.Generator
    """
    n = len(plain.right)
    quiet = [a for a in moved if len(a.right) >= _JUDGED and a.flagged <= MOST_FLAGS * promised]
    usable = [plain, *quiet]
    if n < FEWEST_ACCEPTED or len(usable) < _FEWEST_CHANGES:
        return None
    edges = _edges(plain)
    last = max(int(answers.origin.max()) for answers in usable)
    fold = rng.permutation(last + 1) % _FOLDS
    errors = {m: _held_out(m, plain, usable, edges, fold) for m in METHODS}
    best = min(METHODS, key=lambda method: float((errors[method] ** 2).mean()))
    chance = np.array([_variance(answers.right) for answers in usable])
    bias, spread = prediction(errors[best], chance, _variance(plain.right) * length)
    basis = AccuracyBasis(
        method=best,
        values=tuple(round(float(v), 4) for v in _values(best, plain, edges)),
        reference=round(float(plain.right.mean()), 4),
        labelled=n,
        bias=round(bias, 4),
        spread=round(spread, 4),
        changes=len(usable) - 1,
        promised=promised,
    )
    return AccuracySpec(tuple(float(edge) for edge in edges), basis)


def prediction(errors: Doubles, chance: Doubles, shared: float) -> tuple[float, float]:
    """Return the mean error and the half width of a 95 % interval for the next one.

    Parameters
    ----------
    errors : Doubles
        (K,) differences, K ≥ 3.
    chance : Doubles
        (K,) variances of each by chance.
    shared : float
        Variance by chance that all of them have in common.
    """
    from scipy.stats import t

    between = _between(errors, chance)
    weight = 1.0 / (chance + between)
    mean = float((weight * errors).sum() / weight.sum())
    reach = float(t.ppf(0.975, len(errors) - 2))
    return mean, reach * float(np.sqrt(between + 1.0 / weight.sum() + shared))


def _between(errors: Doubles, chance: Doubles) -> float:
    """Return the upper confidence limit of the variance between changes, by the Q-profile."""
    from scipy.optimize import brentq
    from scipy.stats import chi2

    low = float(chi2.ppf(_UNLIKELY, len(errors) - 1))

    def excess(variance: float) -> float:
        weight = 1.0 / (chance + variance)
        mean = (weight * errors).sum() / weight.sum()
        return float((weight * (errors - mean) ** 2).sum()) - low

    return 0.0 if excess(0.0) <= 0.0 else float(brentq(excess, 0.0, _LARGEST))


def _observed(
    pipeline: Pipeline, labelled: Labelled, rng: np.random.Generator, progress: Progress
) -> tuple[Answers, list[Answers]]:
    """Return what is accepted of the references, and of some of them under each change."""
    stage, total = "measuring the accuracy estimate", 1 + len(CHANGES)
    progress(stage, 0, total)
    images = [reference.load() for reference, _ in labelled]
    truth = np.array([label for _, label in labelled])
    plain = _accepted(pipeline, images, truth, np.arange(len(images)))
    size = int(np.median([image.shape[0] * image.shape[1] for image in images]))
    count = min(len(images), int(np.clip(_PIXELS // size, _FEWEST, _MOST)))
    moved = []
    for done, change in enumerate(CHANGES, 1):
        progress(stage, done, total)
        rows = rng.permutation(len(images))[:count]
        made = [changed(change, images[row], rng) for row in rows]
        moved.append(_accepted(pipeline, made, truth[rows], rows))
    progress(stage, total, total)
    return plain, moved


def _accepted(
    pipeline: Pipeline,
    images: Sequence[Image],
    truth: npt.NDArray[np.intp],
    origin: npt.NDArray[np.intp],
) -> Answers:
    results = [pipeline.inspect(Frame("references", 0, image)) for image in images]
    kept = np.array(
        [r.verdict == Verdict.ACCEPT and r.confidence is not None for r in results], np.bool_
    )
    confidence = np.array([r.confidence or 0.0 for r in results])
    answers = np.array([-1 if r.label_index is None else r.label_index for r in results])
    flagged = float(np.mean([is_flagged(result) for result in results]))
    return Answers(confidence[kept], (answers == truth)[kept], origin[kept], flagged)


def _edges(plain: Answers) -> Doubles:
    """Return the confidences between bins: evenly filled by the references, and ATC's threshold."""
    bins = int(np.clip(len(plain.right) // _PER_BIN, _FEWEST_BINS, _MOST_BINS))
    cuts = np.quantile(plain.confidence, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    return np.unique(np.append(cuts, _threshold(plain)))


def _threshold(plain: Answers) -> float:
    """Return the confidence above which lies the share of the references that is right."""
    return float(np.quantile(plain.confidence, 1.0 - plain.right.mean()))


def _values(method: str, plain: Answers, edges: Doubles) -> Doubles:
    """Return what each bin counts for."""
    place, bins = np.searchsorted(edges, plain.confidence, "right"), len(edges) + 1
    if method == "atc":
        return np.append(0.0, edges >= _threshold(plain)).astype(np.float64)
    n = np.bincount(place, minlength=bins)
    if method == "confidence":
        middle = (np.append(0.0, edges) + np.append(edges, 1.0)) / 2
        total = np.bincount(place, plain.confidence, bins)
        return np.where(n > 0, total / np.maximum(n, 1), middle)
    right = np.bincount(place, plain.right, bins)
    return np.asarray((right + _SHRINK * plain.right.mean()) / (n + _SHRINK))


def _held_out(
    method: str,
    plain: Answers,
    usable: Sequence[Answers],
    edges: Doubles,
    fold: npt.NDArray[np.intp],
) -> Doubles:
    """Return estimate − truth of each change, from values that its pictures had no part in."""
    errors = np.zeros(len(usable))
    for k in range(_FOLDS):
        rest = fold[plain.origin] != k
        others = Answers(plain.confidence[rest], plain.right[rest], plain.origin[rest])
        values = _values(method, others, edges)
        for row, answers in enumerate(usable):
            here = fold[answers.origin] == k
            told = values[np.searchsorted(edges, answers.confidence[here], "right")]
            errors[row] += float((told - answers.right[here]).sum()) / len(answers.right)
    return errors


def _variance(right: npt.NDArray[np.bool_]) -> float:
    """Return the variance of a mean by chance, careful near 0 and 1 (Agresti & Coull 1998)."""
    n = len(right)
    p = (float(right.sum()) + 2.0) / (n + 4.0)
    return p * (1.0 - p) / n
