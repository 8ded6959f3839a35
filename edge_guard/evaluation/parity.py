"""How production images differ from the references: ranked, in plain words.

The rule of the trade is that a model sees in production what it was trained on. Each channel of the
drift monitors is compared with its references by its mean; a difference counts from three standard
errors and the references' own uncertainty (the dead band) on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, sqrt

import numpy as np

from edge_guard.backends.preprocess import decode_image
from edge_guard.bundle import Bundle
from edge_guard.drift.channels import Reader
from edge_guard.drift.evidence import Witness
from edge_guard.drift.histogram import DEVIATION_EDGES, distances
from edge_guard.drift.model import DriftModel
from edge_guard.drift.spec import ChannelSpec
from edge_guard.errors import BundleError
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles, Frame, Image, Verdict

SHOWN = 6
"""Production images that are kept to be shown: the strangest."""

_ERRORS = 3.0
_BLOCK_PX = 8
_BLOCKY = 1.05
"""Steps at every eighth pixel that are larger than others by 5 % more than the references' are."""

_WORDS = {
    "light": ("{:.1f} grey levels brighter", "{:.1f} grey levels darker"),
    "contrast": ("{:.0f} % more contrast", "{:.0f} % less contrast"),
    "focus": ("{:.0f} % sharper", "{:.0f} % less sharp"),
    "noise": ("{:.0f} % noisier", "{:.0f} % less noise"),
    "red": ("{:.0f} % redder", "{:.0f} % less red"),
    "blue": ("{:.0f} % bluer", "{:.0f} % less blue"),
    "local": ("parts of the picture differ, whatever the light", "parts differ less than usual"),
    "across": ("displaced by {:.1f} px to the right", "displaced by {:.1f} px to the left"),
    "down": ("displaced by {:.1f} px down", "displaced by {:.1f} px up"),
    "turn": ("turned by {:.1f}° clockwise", "turned by {:.1f}° anticlockwise"),
    "scale": ("{:.1f} % larger", "{:.1f} % smaller"),
    "unlike": ("stranger to the guards", "less strange to the guards than the references"),
    "doubt": ("the model doubts more", "the model doubts less"),
}
_LOGARITHMIC = {"contrast", "focus", "noise", "red", "blue"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One channel in production.

    Attributes
    ----------
    name, words : str
    deviations : float
        Of the mean, in standard deviations of a reference.
    differs : bool
        By more than chance and the references' own uncertainty.
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
    """

    n: int = 0
    flagged: int = 0
    promised: float = 0.0
    differences: list[Difference] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cause: str = ""
    reasons: Counter[str] = field(default_factory=Counter)
    strangest: list[tuple[str, Image]] = field(default_factory=list)

    @property
    def at_stake(self) -> bool:
        """Whether far more is flagged than was promised: the model sees what it does not know."""
        error = sqrt(max(self.promised * (1 - self.promised), 1e-9) / max(self.n, 1))
        return self.flagged / max(self.n, 1) > 2 * self.promised + _ERRORS * error


def compare(bundle: Bundle, frames: Iterable[Frame], threads: int = 1) -> Parity:
    """Return how production images differ from a bundle's references.

    Raises
    ------
    BundleError
        It has no monitors, or cannot be used here.
    """
    pipeline = Pipeline(bundle, threads=threads, live=False)
    try:
        if pipeline.drift is None:
            raise BundleError(
                f"bundle {bundle.id} does not know what its references looked like",
                "calibrate again with this edge-guard",
            )
        return _compare(bundle, pipeline, pipeline.drift, frames)
    finally:
        pipeline.close()


def _compare(
    bundle: Bundle, pipeline: Pipeline, model: DriftModel, frames: Iterable[Frame]
) -> Parity:
    channels = model.spec.channels
    reader = Reader(model.scene, tuple(c.name for c in channels))
    found = Parity(promised=bundle.manifest.promise.false_flag_rate)
    rows, shapes, blocks, strange = [], Counter[tuple[int, ...]](), [], []
    for frame in frames:
        result = pipeline.inspect(frame)
        seen = pipeline.seen
        if seen is None:
            continue
        found.n += 1
        if result.verdict != Verdict.ACCEPT:
            found.flagged += 1
            found.reasons[result.reasons[0].guard] += 1
        reader.read(seen.statistics, seen.cells, frame.image, result)
        rows.append(reader.row.copy())
        shapes[frame.image.shape] += 1
        blocks.append(blockiness(frame.image))
        strange.append((_strangeness(result.p_value), frame.source, frame.image))
        strange = sorted(strange, key=lambda item: item[0])[:SHOWN]
    if rows:
        values = np.array(rows)
        found.differences = _differences(channels, values[:, : len(channels)])
        found.remarks = _remarks(bundle, shapes, blocks)
        found.cause = _cause(model, values, found.differences)
        found.strangest = [(source, image) for _, source, image in strange]
    return found


def _strangeness(p_value: float | None) -> float:
    """Return the p-value; what was not even scored comes first."""
    return -1.0 if p_value is None else p_value


def _differences(channels: tuple[ChannelSpec, ...], values: Doubles) -> list[Difference]:
    found = []
    for channel, column in zip(channels, values.T, strict=True):
        known = column[~np.isnan(column)]
        if not known.size:
            continue
        moved = float(known.mean()) - channel.mean
        error = sqrt(float(known.var()) / known.size)
        differs = abs(moved) > channel.dead_band + _ERRORS * error
        bins = np.searchsorted(DEVIATION_EDGES, (known - channel.mean) / channel.sd, "right")
        counts = np.bincount(bins, minlength=len(DEVIATION_EDGES) + 1).tolist()
        apart = distances(counts, channel.counts, DEVIATION_EDGES) if channel.counts else None
        found.append(
            Difference(
                name=channel.name,
                words=in_words(channel.name, moved),
                deviations=moved / channel.sd,
                differs=differs,
                ks=apart.ks if apart else 0.0,
                counts=tuple(counts),
                usual=channel.counts,
            )
        )
    return sorted(found, key=lambda d: (not d.differs, -abs(d.deviations)))


def in_words(channel: str, moved: float) -> str:
    """Return a difference of a channel's mean for people, for example ``17.0 grey levels darker``.

    Parameters
    ----------
    channel : str
        A key of `edge_guard.drift.channels.UNITS`.
    moved : float
        Production minus references, in its unit.
    """
    more, less = _WORDS[channel]
    size = abs(moved)
    if channel in _LOGARITHMIC:
        size = 100.0 * abs(exp(moved / 100.0) - 1.0)
    return (more if moved > 0 else less).format(size)


def blockiness(image: Image) -> float:
    """Return how much larger steps across 8 px block borders are than others; 1 = not at all."""
    plane = (image if image.ndim == 2 else image[..., 1]).astype(np.float32)
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(plane, axis=axis)).mean(1 - axis)
        border = np.arange(len(steps)) % _BLOCK_PX == _BLOCK_PX - 1
        if border.any() and steps[~border].mean() > 0:
            ratios.append(float(steps[border].mean() / steps[~border].mean()))
    return float(np.mean(ratios)) if ratios else 1.0


def _remarks(bundle: Bundle, shapes: Counter[tuple[int, ...]], blocks: list[float]) -> list[str]:
    said = []
    usual = bundle.manifest.gate.size
    for shape, n in shapes.most_common(3):
        here = (shape[0], shape[1], 1 if len(shape) == 2 else shape[2])
        if usual and here != usual:
            said.append(
                f"{n} images are {here[1]}×{here[0]} px with {here[2]} channel(s), the references "
                f"{usual[1]}×{usual[0]} with {usual[2]}"
            )
    golden = [decode_image(bundle.pictures[g.entry]) for g in bundle.manifest.golden]
    before = float(np.median([blockiness(image) for image in golden])) if golden else 1.0
    after = float(np.median(blocks))
    if after > _BLOCKY * before:
        said.append(
            f"JPEG blocks: steps at every eighth pixel are {after / before - 1:.0%} larger than "
            "in the references"
        )
    return said


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
