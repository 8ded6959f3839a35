"""Reference images: finding them, and observing what the model and the gate make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_guard.backends.preprocess import Preprocess, decode_image
from edge_guard.backends.spec import Backend
from edge_guard.confidence import real_logits
from edge_guard.drift.channels import sample
from edge_guard.errors import ConfigError, EdgeGuardError, ReferencesError
from edge_guard.gate.alignment import reduce
from edge_guard.gate.gate import MIN_SIDE_PX, STATISTICS, Meter
from edge_guard.manifest import PatchSpec, ViewSpec
from edge_guard.scoring import embedder
from edge_guard.sources import View
from edge_guard.types import Array, Floats, Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


class Mark(NamedTuple):
    """What people say there is in an image.

    Attributes
    ----------
    label : str
    corners : tuple of float or None
        Left, top, right, bottom; None where the label is the whole image's.
    shares : bool
        They are shares of the image; px where false.
    """

    label: str
    corners: tuple[float, float, float, float] | None = None
    shares: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference image: its name, its label's folder ("" for none), and how to get it.

    ``mode`` names what the file holds beyond 8-bit pixels: "16 bits" or "an alpha channel".
    ``marks`` is what people say there is in it; None where nobody did.
    """

    name: str
    label: str
    load: Callable[[], Image]
    mode: str = ""
    marks: tuple[Mark, ...] | None = None


def find_references(folder: Path) -> list[Reference]:
    """Return the images of a folder, or of one folder a label, in the order of their names.

    Raises
    ------
    ReferencesError
        The folder is missing or holds no images.
    """
    if not folder.is_dir():
        raise ReferencesError(f"{folder} is not a folder", "give a folder with reference images")
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    found = [_reference(path, "") for path in files]
    for label in sorted(p for p in folder.iterdir() if p.is_dir()):
        inside = sorted(p for p in label.rglob("*") if p.suffix.lower() in SUFFIXES)
        found += [_reference(path, label.name) for path in inside]
    if not found:
        known = ", ".join(sorted(SUFFIXES))
        raise ReferencesError(f"{folder} holds no images", f"put images there ({known})")
    return found


def viewed(references: Sequence[Reference], view: View) -> list[Reference]:
    """Return the references as a view of their pictures.

    Raises
    ------
    ReferencesError
        People drew boxes in the whole pictures.
    """
    if not view:
        return list(references)
    if any(mark.corners for one in references for mark in one.marks or ()):
        raise ReferencesError(
            "boxes are drawn in whole pictures, and --region, --rotate or --flip changes these",
            "export the labels for the pictures as the model sees them",
        )

    def load(reference: Reference) -> Image:
        try:
            return view.of(reference.load())
        except ConfigError as error:
            raise ReferencesError(f"{reference.name}: {error.problem}", error.remedy) from None

    return [replace(one, load=partial(load, one)) for one in references]


def relative_name(name: str, label: str) -> str:
    """Return where a reference lies below the reference folder, from its name and label.

    Bundles and reports travel: no folder of this machine is told. It is UTF-8, whatever bytes the
    file's name holds.
    """
    parts = Path(name).parts
    top = max((i for i, part in enumerate(parts[:-1]) if part == label), default=-1)
    shown = "/".join(parts[top:]) if label else parts[-1]
    return shown.encode("utf-8", "replace").decode()


def _reference(path: Path, label: str) -> Reference:
    def load() -> Image:
        try:
            return decode_image(path.read_bytes())
        except OSError as error:
            raise ReferencesError(f"cannot read {path}: {error.strerror}") from None

    return Reference(str(path), label, load, _mode(path))


def _mode(path: Path) -> str:
    """Return what a PNG holds beyond 8-bit pixels (PNG 1.2, IHDR: bit depth and colour type)."""
    if path.suffix.lower() != ".png":
        return ""
    try:
        with path.open("rb") as file:
            header = file.read(26)
    except OSError:
        return ""  # load() says so
    if len(header) < 26 or header[12:16] != b"IHDR":
        return ""
    return "16 bits" if header[24] == 16 else "an alpha channel" if header[25] & 4 else ""


@dataclass(frozen=True, slots=True)
class Observations:
    """What N images look like to the gate and the model, one row each.

    Attributes
    ----------
    names, labels : list of str
    statistics : Floats
        (N, S) image statistics.
    cells : Floats
        (N, G, G) cell means.
    reduced : Floats
        (N, SIDE, SIDE) reduced pictures.
    shapes : list of tuple
    hashes : list of int
    embeddings : list of Floats
        (N, D_v) for each view.
    logits : Floats
        (N, C) real values; C = 0 without classes.
    unreadable : list of str
        Files that could not be decoded.
    """

    names: list[str]
    labels: list[str]
    statistics: Floats
    cells: Floats
    reduced: Floats
    shapes: list[tuple[int, ...]]
    hashes: list[int]
    embeddings: list[Floats]
    logits: Floats
    unreadable: list[str]
    textures: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """(N, G, G) standard deviation inside each cell."""
    sampled: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    """(N, S, S) of `edge_guard.drift.channels.sample`; empty where the sizes differ."""
    places: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """(N, H·W, D) descriptors of the feature map's places; empty without such a guard."""

    def __len__(self) -> int:
        return len(self.names)

    def finite(self) -> npt.NDArray[np.bool_]:
        """Return which rows hold finite numbers only, (N,)."""
        parts = [self.statistics, self.logits, *self.embeddings]
        parts += [self.places.reshape(len(self), -1)] if self.places.size else []
        return np.asarray(np.all([np.isfinite(part).all(1) for part in parts], axis=0))


class Observer:
    """Runs the gate's meter, the model and the embeddings over images.

    Parameters
    ----------
    backend : Backend
    preprocess : Preprocess
    views : tuple of ViewSpec
    patches : PatchSpec, optional
    arrays : dict of str to Array, optional
        The space that places are described in.
    """

    def __init__(
        self,
        backend: Backend,
        preprocess: Preprocess,
        views: tuple[ViewSpec, ...],
        patches: PatchSpec | None = None,
        arrays: dict[str, Array] | None = None,
    ) -> None:
        self._backend = backend
        self._preprocess = preprocess
        self.meter = Meter()
        self._embedder = embedder(backend.plan, views, patches, arrays)
        self._places = np.zeros((0, 0), np.float32)
        if patches is not None and arrays is not None:
            size = patches.height * patches.width, len(arrays["patches.offset"])
            self._places = np.zeros(size, np.float32)
        self._sizes = self._embedder.embedding_sizes
        self._buffer = np.zeros(sum(self._sizes), np.float32)

    def observe(self, images: Sequence[Reference], progress: Progress) -> Observations:
        """Return the observations of images; undecodable ones are set aside by name."""
        rows: list[tuple[Array, ...]] = []
        kept: list[Reference] = []
        shapes, hashes, samples, unreadable = [], [], [], []
        for done, reference in enumerate(images):
            progress("looking at the references", done, len(images))
            try:
                image = usable(reference.load(), reference.name)
            except EdgeGuardError:
                unreadable.append(relative_name(reference.name, reference.label))
                continue
            pixels_hash, row = self._observe_one(image)
            kept.append(reference)
            shapes.append(image.shape)
            hashes.append(pixels_hash)
            samples.append(sample(image).copy())
            rows.append(row)
        progress("looking at the references", len(images), len(images))
        if not rows:
            raise ReferencesError("none of the reference images can be read", "check the files")
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        return Observations(
            names=[r.name for r in kept],
            labels=[r.label for r in kept],
            statistics=columns[0],
            cells=columns[1],
            reduced=columns[2],
            shapes=shapes,
            hashes=hashes,
            embeddings=list(self._split(columns[4])),
            logits=columns[3],
            unreadable=unreadable,
            places=columns[5],
            textures=columns[6],
            sampled=_stacked(samples),
        )

    def _observe_one(self, image: Image) -> tuple[int, tuple[Array, ...]]:
        seen = self.meter.measure(image)
        self._preprocess(image, self._backend.tensor)
        outputs = self._backend.run()
        self._embedder.embed(outputs.taps, seen.statistics, self._buffer)
        if self._places.size:
            self._embedder.describe(outputs.taps, self._places)
        logits = np.zeros(0, np.float32)
        plan = self._backend.plan
        if outputs.logits is not None and plan.logits is not None:
            logits = real_logits(outputs.logits, plan.logits, probabilities=plan.probabilities)
        return seen.pixels_hash, (
            seen.statistics.copy(),
            seen.cells[0].copy(),
            reduce(image).astype(np.float32),
            logits,
            self._buffer.copy(),
            self._places.copy(),
            seen.cells[1].copy(),
        )

    def _split(self, embeddings: Floats) -> Iterator[Floats]:
        start = 0
        for size in self._sizes:
            yield embeddings[:, start : start + size]
            start += size


def _stacked(samples: list[Image]) -> npt.NDArray[np.uint8]:
    """Return the samples as one array; empty where they differ in size."""
    alike = len({sample.shape for sample in samples}) == 1
    return np.stack(samples) if alike else np.zeros((0, 0, 0), np.uint8)


def usable(image: Image, name: str) -> Image:
    """Return the image when the gate can measure it.

    Raises
    ------
    ReferencesError
        It is smaller than `MIN_SIDE_PX` a side.
    """
    if min(image.shape[:2]) < MIN_SIDE_PX:
        raise ReferencesError(
            f"{name} is {image.shape[1]}×{image.shape[0]} px",
            f"images need at least {MIN_SIDE_PX} px a side",
        )
    return image


__all__ = ["STATISTICS", "Observations", "Observer", "Reference", "find_references", "usable"]
