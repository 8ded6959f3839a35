"""Two versions of a model or bundle on the same images: what would change with the new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_guard.backends.infer import load_card
from edge_guard.backends.open import open_backend, read_model
from edge_guard.backends.preprocess import Preprocess
from edge_guard.bundle import read_bundle
from edge_guard.calibration.references import Progress, Reference
from edge_guard.errors import ConfigError, EdgeGuardError
from edge_guard.manifest import answer_in_words
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles, Frame, Result, Verdict

BUNDLE_SUFFIX = ".guard"


class Said(NamedTuple):
    """What one version says of an image.

    Attributes
    ----------
    answer : str
        The model's, in words; "" where it gives none.
    confidence : float or None
        A bundle's calibrated one; of a bare model the largest probability.
    verdict, reason : str
        A bundle's verdict and the guard of its leading reason; "" for a bare model.
    """

    answer: str
    confidence: float | None = None
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes from the old version to the new one on N images.

    Attributes
    ----------
    images : int
    answers : tuple of (str, Said, Said)
        Images that are answered differently.
    verdicts : dict of (str, str) to int
        How many images have which old and new verdict; empty where one is a bare model.
    newly_flagged : Counter of str
        Leading reasons of images that only the new one does not accept.
    confidence_shift : tuple of float or None
        Median, and the 5 % and 95 % quantiles, of new minus old.
    labelled, old_right, new_right : int
        Of images in folders that name their label.
    p_value : float or None
        That one version is right more often by chance (McNemar 1947, exact, two-sided).
    """

    images: int
    answers: tuple[tuple[str, Said, Said], ...]
    verdicts: dict[tuple[str, str], int]
    newly_flagged: Counter[str]
    confidence_shift: tuple[float, float, float] | None
    labelled: int
    old_right: int
    new_right: int
    p_value: float | None


def ask(path: Path, images: Sequence[Reference], threads: int, progress: Progress) -> list[Said]:
    """Return what a bundle, or a classifier with its card, says of images.

    Raises
    ------
    EdgeGuardError
        It cannot be used.
    """
    answers = _ask_bundle if path.suffix == BUNDLE_SUFFIX else _ask_model
    return answers(path, images, threads, progress)


def _ask_bundle(
    path: Path, images: Sequence[Reference], threads: int, progress: Progress
) -> list[Said]:
    pipeline = Pipeline(read_bundle(path), threads=threads, live=False)
    found = []
    for i, reference in enumerate(images):
        progress(path.name, i, len(images))
        try:
            result = pipeline.inspect(Frame("compare", i, reference.load()))
        except EdgeGuardError as error:
            found.append(Said("", None, Verdict.INVALID.value, type(error).__name__))
            continue
        reason = result.reasons[0].guard if result.reasons else ""
        found.append(Said(_answer(result), result.confidence, result.verdict.value, reason))
    pipeline.close()
    progress(path.name, len(images), len(images))
    return found


def _answer(result: Result) -> str:
    """Return the model's answer in words; a detector's is all that it has found."""
    if not result.detections:
        return result.label or ""
    counts = Counter(one.label for one in result.detections)
    return ", ".join(f"{n} × {label}" for label, n in sorted(counts.items()))


def _ask_model(
    path: Path, images: Sequence[Reference], threads: int, progress: Progress
) -> list[Said]:
    card, labels, _ = load_card(path)
    if card.output.task != "classify":
        raise ConfigError(
            f"{path} is no classifier", "compare bundles: they tell verdicts of every kind of model"
        )
    model, kind = read_model(path)
    backend = open_backend(model, kind=kind, threads=threads, name=str(path))
    preprocess, main = Preprocess(card.input, backend.input), backend.plan.main
    found = []
    for i, reference in enumerate(images):
        progress(path.name, i, len(images))
        try:
            preprocess(reference.load(), backend.tensor)
        except EdgeGuardError:
            found.append(Said(""))
            continue
        stored = backend.run().main.reshape(-1).astype(np.float64)
        values = (stored - main.zero_point) * main.scale
        share = _probabilities(values, card.output.activation)
        index = int(values.argmax())
        found.append(Said(answer_in_words(labels, index), float(share[index])))
    backend.close()
    progress(path.name, len(images), len(images))
    return found


def _probabilities(values: Doubles, activation: str) -> Doubles:
    if activation != "logits":
        return values
    odds = np.exp(values - values.max())
    return np.asarray(odds / odds.sum())


def compare(images: Sequence[Reference], old: Sequence[Said], new: Sequence[Said]) -> Comparison:
    """Return what changes."""
    pairs = list(zip(images, old, new, strict=True))
    judged = all(one.verdict for one in (*old, *new))
    accepted = Verdict.ACCEPT.value
    newly = Counter(b.reason for _, a, b in pairs if a.verdict == accepted != b.verdict)
    shifts = [
        b.confidence - a.confidence
        for _, a, b in pairs
        if a.confidence is not None and b.confidence is not None
    ]
    known = [(i.label, a.answer, b.answer) for i, a, b in pairs if i.label]
    gained = sum(a != label == b for label, a, b in known)
    lost = sum(b != label == a for label, a, b in known)
    return Comparison(
        images=len(pairs),
        answers=tuple((i.name, a, b) for i, a, b in pairs if a.answer != b.answer),
        verdicts=dict(Counter((a.verdict, b.verdict) for _, a, b in pairs)) if judged else {},
        newly_flagged=newly if judged else Counter(),
        confidence_shift=_quantiles(shifts),
        labelled=len(known),
        old_right=sum(a == label for label, a, _ in known),
        new_right=sum(b == label for label, _, b in known),
        p_value=mcnemar(gained, lost) if known else None,
    )


def mcnemar(gained: int, lost: int) -> float:
    """Return the probability of so uneven a change, or a more uneven one, by chance."""
    n = gained + lost
    tail = sum(comb(n, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))


def _quantiles(shifts: list[float]) -> tuple[float, float, float] | None:
    if not shifts:
        return None
    low, middle, high = np.quantile(shifts, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)
