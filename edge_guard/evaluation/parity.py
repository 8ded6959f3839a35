"""How production images differ from the references, or from training images: ranked, in words.

The rule of the trade is that a model sees in production what it was trained on. Each channel of the
drift monitors is compared by its mean; a difference counts from three standard errors and the
references' own uncertainty (the dead band) on, and where its printed size is not zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from edge_guard.backends.preprocess import decode_image
from edge_guard.bundle import Bundle
from edge_guard.drift.evidence import Witness
from edge_guard.drift.histogram import DEVIATION_EDGES, distances
from edge_guard.drift.model import DriftModel
from edge_guard.drift.spec import ChannelSpec
from edge_guard.errors import BundleError
from edge_guard.evaluation.parity_batch import Batch, blockiness, measured
from edge_guard.evaluation.parity_training import of_training
from edge_guard.evaluation.parity_words import in_words, rounds_to_nothing
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles, Frame, Image

_ERRORS = 3.0
_BLOCKY = 1.05
"""Steps at every eighth pixel that are larger than others by 5 % more than the references' are."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One channel in production.

    Attributes
    ----------
    name, words : str
    deviations : float
        Of the mean, in standard deviations of a reference.
    differs : bool
        By more than chance and the references' own uncertainty, and visibly so when printed.
    ks : float
        Kolmogorov-Smirnov distance of the distributions.
    counts, usual : tuple of int
        Production images and references in the bins of `edge_guard.drift.histogram`.
    """

    name: str
    words: str
    deviations: float
    differs: bool
    ks: float
    counts: tuple[int, ...]
    usual: tuple[int, ...]


@dataclass(slots=True)
class Parity:
    """What was found.

    Attributes
    ----------
    n : int
        Production images that could be measured.
    flagged : int
        Not accepted.
    promised : float
        The bundle's false-flag rate.
    differences : list of Difference
        Those that differ first, the furthest first.
    remarks : list of str
        Size, colour, compression.
    cause : str
        What the difference as a whole is like; empty where nothing differs.
    reasons : Counter of str
        Leading reasons of flagged images.
    strangest : list of (str, Image)
    training, training_flagged : int
        Training images in the references' place, and how many of them are flagged; 0: none.
    """

    n: int = 0
    flagged: int = 0
    promised: float = 0.0
    differences: list[Difference] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cause: str = ""
    reasons: Counter[str] = field(default_factory=Counter)
    strangest: list[tuple[str, Image]] = field(default_factory=list)
    training: int = 0
    training_flagged: int = 0

    @property
    def at_stake(self) -> bool:
        """Whether far more is flagged than was promised: the model sees what it does not know."""
        error = sqrt(max(self.promised * (1 - self.promised), 1e-9) / max(self.n, 1))
        return self.flagged / max(self.n, 1) > 2 * self.promised + _ERRORS * error


def compare(
    bundle: Bundle,
    frames: Iterable[Frame],
    threads: int = 1,
    training: Iterable[Frame] | None = None,
) -> Parity:
    """Return how production images differ from a bundle's references.

    Parameters
    ----------
    bundle : Bundle
    frames : iterable of Frame
        Production.
    threads : int
        Of the model's runtime.
    training : iterable of Frame, optional
        Images that the model was trained on, to compare with in place of the references.

    Raises
    ------
    BundleError
        It has no monitors, or cannot be used here.
    ReferencesError
        Too few training images.
    """
    pipeline = Pipeline(bundle, threads=threads, live=False)
    try:
        model = pipeline.drift
        if model is None:
            raise BundleError(
                f"bundle {bundle.id} does not know what its references looked like",
                "calibrate again with this edge-guard",
            )
        trained = None if training is None else measured(pipeline, model, training)
        usual = model if trained is None else of_training(model, trained)
        return _compared(bundle, usual, measured(pipeline, model, frames), trained)
    finally:
        pipeline.close()


def _compared(bundle: Bundle, model: DriftModel, batch: Batch, trained: Batch | None) -> Parity:
    found = Parity(
        n=len(batch.rows),
        flagged=batch.flagged,
        promised=bundle.manifest.promise.false_flag_rate,
        reasons=batch.reasons,
        strangest=[(source, image) for _, source, image in batch.strangest],
    )
    if trained is not None:
        found.training, found.training_flagged = len(trained.rows), trained.flagged
    if batch.rows:
        channels = model.spec.channels
        found.differences = _differences(channels, batch.values[:, : len(channels)])
        found.remarks = _remarks(bundle, batch, trained)
        found.cause = _cause(model, batch.values, found.differences)
    return found


def _differences(channels: tuple[ChannelSpec, ...], values: Doubles) -> list[Difference]:
    found = []
    for channel, column in zip(channels, values.T, strict=True):
        known = column[~np.isnan(column)]
        if known.size:
            found.append(_difference(channel, known))
    return sorted(found, key=lambda d: (not d.differs, -abs(d.deviations)))


def _difference(channel: ChannelSpec, known: Doubles) -> Difference:
    moved = float(known.mean()) - channel.mean
    error = sqrt(float(known.var()) / known.size)
    words = in_words(channel.name, moved, channel.sd)
    bins = np.searchsorted(DEVIATION_EDGES, (known - channel.mean) / channel.sd, "right")
    counts = np.bincount(bins, minlength=len(DEVIATION_EDGES) + 1).tolist()
    apart = distances(counts, channel.counts, DEVIATION_EDGES) if channel.counts else None
    beyond = abs(moved) > channel.dead_band + _ERRORS * error
    return Difference(
        name=channel.name,
        words=words,
        deviations=moved / channel.sd,
        differs=beyond and not rounds_to_nothing(words),
        ks=apart.ks if apart else 0.0,
        counts=tuple(counts),
        usual=channel.counts,
    )


def _remarks(bundle: Bundle, batch: Batch, trained: Batch | None) -> list[str]:
    said, usual = [], bundle.manifest.gate.size
    if trained is not None:
        usual = trained.shapes.most_common(1)[0][0]
    for here, n in batch.shapes.most_common(3):
        if usual and here != tuple(usual):
            said.append(
                f"{n} images are {here[1]}×{here[0]} px with {here[2]} channel(s), the references "
                f"{usual[1]}×{usual[0]} with {usual[2]}"
            )
    after, before = float(np.median(batch.blocks)), _usual_blocks(bundle, trained)
    if after > _BLOCKY * before:
        said.append(
            f"JPEG blocks: steps at every eighth pixel are {after / before - 1:.0%} larger than "
            "in the references"
        )
    return said


def _usual_blocks(bundle: Bundle, trained: Batch | None) -> float:
    if trained is not None:
        return float(np.median(trained.blocks))
    golden = [decode_image(bundle.pictures[g.entry]) for g in bundle.manifest.golden]
    return float(np.median([blockiness(image) for image in golden])) if golden else 1.0


def _cause(model: DriftModel, values: Doubles, differences: list[Difference]) -> str:
    if not any(d.differs for d in differences):
        return ""
    names = [c.name for c in model.spec.channels]
    known = values.copy()
    for i, channel in enumerate(model.spec.channels):
        known[np.isnan(known[:, i]), i] = channel.mean
    leading = names.index(next(d.name for d in differences if d.differs))
    evidence = Witness(model).testify(known.mean(0), len(values), leading, "charts", 0)
    return f"{evidence.family}: {evidence.words}" if evidence.family != "other" else ""
