"""Does the card feed the model what it was trained on? Labelled references can tell.

The usual colour orders, scalings and ways of resizing are tried on a sample of the labelled
references. Another card is better when it is right where the given one is wrong far more often than
the reverse: one-sided exact McNemar test (McNemar 1947), p < .001.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edge_guard.backends.open import open_backend, read_model
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.scalings import candidate_cards, fitting_scaling
from edge_guard.backends.spec import Backend, TensorSpec
from edge_guard.backends.taps import read_graph
from edge_guard.calibration.references import Reference, usable
from edge_guard.calibration.truth import truth_from_folders
from edge_guard.card import Card, InputCard
from edge_guard.errors import CardError, EdgeGuardError
from edge_guard.types import Image

MIN_LABELLED = 30
MAX_SAMPLE = 200
SIGNIFICANCE = 1e-3

_SECONDS = 8.0
"""Time for all trials; a slow model is asked about fewer images, never fewer than MIN_LABELLED."""
_RESIZES: tuple[Literal["stretch", "center-crop", "letterbox"], ...] = (
    "stretch",
    "center-crop",
    "letterbox",
)
_SAME_ASPECT = 0.02
_NEARLY = 0.01

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the trials say.

    Attributes
    ----------
    card : Card
        The one that fits best.
    changed : str
        What differs from the given card, "" where nothing does.
    right, right_given : int
        Answers that are right with it, and with the given card.
    tried : int
        Images.
    """

    card: Card
    changed: str
    right: int
    right_given: int
    tried: int


def check_preprocessing(
    model: Path,
    card: Card,
    references: Sequence[Reference],
    labels: tuple[str, ...],
    *,
    inferred: bool,
) -> tuple[Card, tuple[str, ...]]:
    """Return the card to use, and what people should know.

    Parameters
    ----------
    model : Path
    card : Card
    references : sequence of Reference
    labels : tuple of str
        The model's.
    inferred : bool
        Nobody wrote the card: a better one may take its place.

    Raises
    ------
    CardError
        A written card is clearly worse than another.
    ReferencesError
        A folder matches no label.
    ModelError
        The model cannot be loaded or run.
    """
    labelled = [reference for reference in references if reference.label]
    if card.output.task != "classify" or len(labelled) < MIN_LABELLED:
        return card, ()
    found = try_cards(model, card, labelled, labels)
    if not found.changed:
        return card, ()
    words = (
        f"{found.changed} is right on {found.right} of {found.tried} labelled references, the "
        f"card's on {found.right_given}"
    )
    if not inferred:
        raise CardError(f"{model}: the card's preprocessing is wrong: {words}", "correct the card")
    return found.card, (f"the labelled references correct what was assumed: {words}",)


def try_cards(
    model: Path, card: Card, references: Sequence[Reference], labels: tuple[str, ...]
) -> Finding:
    """Return which card fits labelled references best.

    Raises
    ------
    ReferencesError
        A folder matches no label.
    """
    with _opened(model) as (backend, spec, outputs):
        truth = truth_from_folders([r.label for r in references], labels, outputs)
        cards = candidate_cards(card, spec)
        if spec.dtype != "float32":  # among equals, the scaling that fills the input's range
            usual = fitting_scaling(spec)
            cards[1:] = sorted(cards[1:], key=lambda c: c.input != usual.card(c.input))
        trials = len(cards) + len(_RESIZES) - 1
        sample = list(_sample(references, truth, backend, card.input, trials))
        images, classes = [image for image, _ in sample], np.array([c for _, c in sample])
        if len(images) < MIN_LABELLED:
            return Finding(card, "", 0, 0, len(images))
        given = _right(backend, spec, card.input, images, classes)
        best, right = card, given
        for modes in (False, True):
            stage = _resized(best, images, spec) if modes else cards[1:]
            tried = [(c, _right(backend, spec, c.input, images, classes)) for c in stage]
            best, right = _best([(best, right), *tried])
    if not _clearly_better(right, given):
        return Finding(card, "", int(given.sum()), int(given.sum()), len(images))
    changed = differences(card.input, best.input)
    return Finding(best, changed, int(right.sum()), int(given.sum()), len(images))


def differences(given: InputCard, best: InputCard) -> str:
    """Return the values of the better card that the given one has not, as a card writes them."""
    parts = []
    for key in ("color", "resize", "mean", "std"):
        value = getattr(best, key)
        if value != getattr(given, key):
            parts.append(f"{key} = {msgspec.json.encode(value).decode()}")
    return ", ".join(parts)


@contextmanager
def _opened(model: Path) -> Iterator[tuple[Backend, TensorSpec, int]]:
    """Yield the untapped model, its input (integers with their range) and its classes."""
    data, kind = read_model(model)
    backend = open_backend(data, kind=kind, name=str(model))
    try:
        graph = read_graph(data, backend, str(model))
        yield backend, graph.quantized_input or graph.input, graph.tensors[graph.main].channels
    finally:
        backend.close()


def _sample(
    references: Sequence[Reference],
    truth: npt.NDArray[np.intp],
    backend: Backend,
    card: InputCard,
    trials: int,
) -> Iterator[tuple[Image, int]]:
    """Yield images and classes, evenly from all, as many as there is time for."""
    order = np.random.default_rng(0).permutation(len(references))[:MAX_SAMPLE]
    preprocess = Preprocess(card, backend.input)
    spent = 0.0
    for done, row in enumerate(order):
        if done >= MIN_LABELLED and spent * trials > _SECONDS:
            return
        try:
            image = usable(references[row].load(), references[row].name)
        except EdgeGuardError:
            continue  # calibration names it later
        started = time.monotonic()
        preprocess(image, backend.tensor)
        backend.run()
        spent += time.monotonic() - started
        yield image, int(truth[row])


def _right(
    backend: Backend,
    spec: TensorSpec,
    card: InputCard,
    images: Sequence[Image],
    classes: npt.NDArray[np.intp],
) -> Right:
    """Return which answers are right under a card, (N,)."""
    preprocess = Preprocess(card, backend.input)
    answers = np.zeros(len(images), np.intp)
    for i, image in enumerate(images):
        preprocess(image, backend.tensor)
        answers[i] = backend.run().main.argmax()
    return np.asarray(answers == classes)


def _resized(card: Card, images: Sequence[Image], spec: TensorSpec) -> list[Card]:
    """Return the card with the other ways of resizing, none where images have the model's shape."""
    aspect = spec.width / spec.height
    shapes = np.array([image.shape[1] / image.shape[0] for image in images])
    if np.abs(shapes / aspect - 1.0).max() < _SAME_ASPECT:
        return []
    return [
        msgspec.structs.replace(card, input=msgspec.structs.replace(card.input, resize=mode))
        for mode in _RESIZES
        if mode != card.input.resize
    ]


def _best(tried: Sequence[tuple[Card, Right]]) -> tuple[Card, Right]:
    """Return the first card that is as good as the best, by all but 1 % of the images."""
    most = max(right.sum() - _NEARLY * len(right) for _, right in tried)
    return next((card, right) for card, right in tried if right.sum() >= most)


def _clearly_better(right: Right, given: Right) -> bool:
    from scipy.stats import binom

    gained, lost = int((right & ~given).sum()), int((given & ~right).sum())
    if not gained:
        return False
    return bool(binom.sf(gained - 1, gained + lost, 0.5) < SIGNIFICANCE)
