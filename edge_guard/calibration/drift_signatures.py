"""Signatures of drift: what known changes of the references do to the monitors' channels.

Each change is one thing that befalls every frame alike: the same lamp, the same dirt in the same
place. Its signature is the mean change of the channels over a few references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from edge_guard._kernels import STATISTICS
from edge_guard.calibration.causes import WAYS
from edge_guard.calibration.drift_warp import warped
from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.calibration.outliers import MAKERS
from edge_guard.drift.channels import Reader
from edge_guard.drift.looks import Change, cell_values, look
from edge_guard.drift.spec import SignatureSpec
from edge_guard.gate.gate import Meter
from edge_guard.types import Array, Doubles, Floats, Image

_MOST, _FEWEST = 8, 3
_PIXELS = 500_000
"""Large pictures are fewer: about this many pixels are changed of each kind."""

_PLACES = 14
"""Dirt and objects are put in so many places."""

MakeChange = Callable[[Floats, Floats, np.random.Generator], Array]
"""(reference, another of the same shape, rng) → changed picture; equal rngs change alike."""

_GATE = {way.name: maker for way, maker in WAYS}


def _faint(maker: MakeChange, share: float) -> MakeChange:
    """Return a maker whose change is only a share of the whole."""

    def make(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
        return np.asarray(x + np.float32(share) * (maker(x, other, rng) - x))

    return make


def _offset(levels: float, x: Floats, _: Floats, __: np.random.Generator) -> Array:
    return x + np.float32(levels)


def _gain(factor: float, x: Floats, _: Floats, __: np.random.Generator) -> Array:
    return x * np.float32(factor)


def _sidelight(levels: float, turns: int, x: Floats, *_: object) -> Array:
    """One side gains what the other loses."""
    turned = np.rot90(x, turns)
    ramp = np.linspace(-levels, levels, turned.shape[0], dtype=np.float32)
    return np.asarray(np.rot90(turned + ramp.reshape(-1, *(1,) * (x.ndim - 1)), -turns))


def _blur(sigma: float, x: Floats, _: Floats, __: np.random.Generator) -> Array:
    return gaussian_blur(x, sigma)


def _sharpen(share: float, x: Floats, _: Floats, __: np.random.Generator) -> Array:
    return x + np.float32(share) * (x - gaussian_blur(x, 1.0))


def _noise(sigma: float, x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x + rng.normal(0.0, sigma, x.shape).astype(np.float32)


def _tint(strength: float, order: tuple[int, ...], x: Floats, *_: object) -> Array:
    gains = np.exp(strength * np.array(order, np.float32))
    return x if x.ndim == 2 else x * gains


def _move(across: float, down: float, turn: float, scale: float, x: Floats, *_: object) -> Array:
    """A camera moved by shares of the longer side."""
    size = max(x.shape[:2])
    return warped(x, across * size, down * size, turn, scale)


def _patch(levels: float, x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """A part of another shade: one place of the picture is lighter or darker."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    middle = np.array(x.shape[:2]) * rng.uniform(0.25, 0.75, 2)
    reach = np.array(x.shape[:2]) * rng.uniform(0.1, 0.3, 2)
    inside = ((rows - middle[0]) / reach[0]) ** 2 + ((columns - middle[1]) / reach[1]) ** 2 < 1
    return np.asarray(x + np.float32(levels) * (inside if x.ndim == 2 else inside[..., None]))


def _ring(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """A small thing with edges and a hole: a washer, a nut, a loose part."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    middle = np.array(x.shape[:2]) * rng.uniform(0.2, 0.8, 2)
    away = np.hypot(rows - middle[0], columns - middle[1]) / min(x.shape[:2])
    outer = rng.uniform(0.05, 0.2)
    body, hole = away < outer, away < outer * rng.uniform(0.0, 0.6)
    shades = rng.uniform(0, 255, 2).astype(np.float32)
    body, hole = (m if x.ndim == 2 else m[..., None] for m in (body, hole))
    return np.asarray(np.where(hole, shades[1], np.where(body, shades[0], x)))


def _coarse(levels: int, x: Floats, *_: object) -> Array:
    """Grey levels are lost: a wrong bit depth, a broken conversion."""
    step = 256.0 / levels
    return np.asarray(np.floor(x / step) * step + step / 2)


def _changes() -> Iterator[tuple[str, str, int, MakeChange]]:
    """Yield family, words, seed and change."""
    yield from _light()
    for sigma in (0.5, 0.8, 1.5, 3.0):
        yield "focus", "less sharp", 0, partial(_blur, sigma)
    for share in (0.3, 1.0):
        yield "focus", "sharper", 0, partial(_sharpen, share)
    for sigma in (1.0, 3.0, 6.0, 12.0):
        yield "noise", "noisier", 0, partial(_noise, sigma)
    for order in ((-1, 0, 1), (1, 0, -1), (1, -1, 1), (-1, 1, -1), (0, -1, 1), (1, -1, 0)):
        for strength in (0.02, 0.08):
            yield "colour", "the colour is off", 0, partial(_tint, strength, order)
    yield from _moves()
    yield from _things()
    yield from _nameless()


def _light() -> Iterator[tuple[str, str, int, MakeChange]]:
    for sign, words in ((1, "more light"), (-1, "less light")):
        for levels in (2.0, 8.0, 25.0):
            yield "illumination", words, 0, partial(_offset, sign * levels)
        for share in (0.03, 0.1, 0.3):
            yield "illumination", words, 0, partial(_gain, 1 + sign * share)
    for name, words in (("lifted", "more light"), ("deepened", "less light")):
        for share in (0.1, 0.4):
            yield "illumination", words, 0, _faint(_GATE[name], share)
    for turns in range(4):
        for share in (0.1, 0.4):
            yield "illumination", "light from another side", turns, _faint(_GATE["shaded"], share)
        for levels in (4.0, 12.0):
            yield "illumination", "light from another side", 0, partial(_sidelight, levels, turns)


def _moves() -> Iterator[tuple[str, str, int, MakeChange]]:
    for share in (0.003, 0.01, 0.03):
        for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            move = partial(_move, share * across, share * down, 0.0, 0.0)
            yield "translation", "the camera or part is displaced", 0, move
    for turn in (0.5, -0.5, 2.0, -2.0, 6.0, -6.0):
        yield "rotation", "the camera or part is turned", 0, partial(_move, 0.0, 0.0, turn, 0.0)
    for scale in (0.01, -0.01, 0.04, -0.04):
        yield "scale", "nearer" if scale > 0 else "further", 0, partial(_move, 0, 0, 0.0, scale)


def _things() -> Iterator[tuple[str, str, int, MakeChange]]:
    for seed in range(_PLACES):
        for share in (0.4, 0.7, 1.0):
            yield "dirt", "dirt, or something out of focus", seed, _faint(_GATE["dirty"], share)
        things = (MAKERS["object"], _GATE["covered"], _ring, _faint(MAKERS["cut-paste"], 0.8))
        shade = (10.0 + 2.0 * seed) * (-1.0) ** seed
        for make in (*things, partial(_patch, shade)):
            yield "object", "another object or part", seed, make


def _nameless() -> Iterator[tuple[str, str, int, MakeChange]]:
    for levels in (3, 8):
        yield "other", "", 0, partial(_coarse, levels)
    for name in ("inverted", "stuck", "striped", "compressed"):
        for share in (0.3, 1.0):
            yield "other", "", 0, _faint(_GATE[name], share)
    for name in ("shuffle", "phase scramble", "pattern", "tile", "field"):
        for share in (0.3, 1.0):
            yield "other", "", 0, _faint(MAKERS[name], share)


class Observer:
    """Measures what monitors see in one picture.

    Parameters
    ----------
    reader : Reader
    """

    def __init__(self, reader: Reader) -> None:
        self._reader, self._meter = reader, Meter()

    def see(self, image: Image) -> Change:
        """Return channels, statistics and cells of a picture, not yet against anything."""
        seen = self._meter.measure(image)
        return Change(
            self._reader.of_image(seen.statistics, seen.cells, image),
            np.asarray(seen.statistics[: len(STATISTICS)], np.float64),
            cell_values(seen.cells),
        )


def signatures(
    pictures: Sequence[Image], observer: Observer, spread: Array, seed: int
) -> tuple[tuple[SignatureSpec, ...], Doubles]:
    """Return the known changes and how each shows, (M, D).

    Parameters
    ----------
    pictures : sequence of Image
        References.
    observer : Observer
    spread : Array
        (128,) of the references' cells.
    seed : int
    """
    pixels = pictures[0].shape[0] * pictures[0].shape[1]
    count = min(int(np.clip(_PIXELS // pixels, _FEWEST, _MOST)), len(pictures))
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, count).astype(int)]
    before = [observer.see(image) for image in chosen]
    specs, rows = [], []
    for family, words, number, change in _changes():
        if family == "colour" and any(image.ndim == 2 for image in chosen):
            continue
        after = [
            observer.see(_made(change, image, chosen[(i + 1) % count], seed, number))
            for i, image in enumerate(chosen)
        ]
        specs.append(SignatureSpec(family, words))
        rows.append(look(difference(after, before), spread))
    return tuple(specs), np.array(rows)


def difference(after: Sequence[Change], before: Sequence[Change]) -> Change:
    """Return the mean of what each differs by."""
    parts = ("channels", "statistics", "cells")
    return Change(
        *(
            np.mean([getattr(a, p) - getattr(b, p) for a, b in zip(after, before, strict=True)], 0)
            for p in parts
        )
    )


def _made(change: MakeChange, image: Image, other: Image, seed: int, number: int) -> Image:
    other = other if other.shape == image.shape else image
    rng = np.random.default_rng([seed, number])
    made = change(image.astype(np.float32), other.astype(np.float32), rng)
    return np.ascontiguousarray(np.clip(np.rint(made), 0, 255).astype(np.uint8))
