"""Known causes, applied to the references: what the gate learns to tell apart.

Each picture is a reference to which one thing has happened, over a range of strengths that begins
where it starts to matter. What a part itself could do (another part, an object, a foreign surface)
is the cause "other": nothing the gate should put a name to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from edge_guard.backends.preprocess import decode_image, encode_jpeg
from edge_guard.calibration.imagined.layout import turned
from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.calibration.outliers import MAKERS
from edge_guard.gate.alignment import reduce
from edge_guard.gate.description import Looks
from edge_guard.gate.gate import Meter
from edge_guard.gate.spec import Way
from edge_guard.types import Array, Floats, Image

_MOST, _FEWEST = 128, 10
"""Pictures of each way."""

_PIXELS = 32 * 320 * 240
"""Large pictures are fewer: this many pixels are changed of each way."""

_CHANGED = 1.0
"""Mean change in grey levels from which a picture counts as changed."""

Maker = Callable[[Floats, Floats, np.random.Generator], Array]
"""(reference, another of the same shape, rng) → changed picture, 0 to 255."""


def _raised(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x + np.float32(_between(rng, 6, 80))


def _amplified(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x * np.float32(1.0 + _between(rng, 0.08, 1.0))


def _lowered(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x - np.float32(_between(rng, 6, 80))


def _attenuated(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x * np.float32(1.0 - _between(rng, 0.08, 0.7))


def _lifted(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return np.asarray(255.0 * (x / 255.0) ** (1.0 / rng.uniform(1.3, 2.5)))


def _deepened(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return np.asarray(255.0 * (x / 255.0) ** rng.uniform(1.3, 2.5))


def _shadowed(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return _shade(x, rng, softness=rng.uniform(0.01, 0.1))


def _shaded(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return _shade(x, rng, softness=rng.uniform(0.2, 1.0))


def _shade(x: Floats, rng: np.random.Generator, softness: float) -> Array:
    """One side lies in shadow; its edge covers the share ``softness`` of the picture."""
    turns = int(rng.integers(4))
    turned = np.rot90(x, turns)
    depth = (np.linspace(0.0, 1.0, turned.shape[0]) - rng.uniform(0.3, 0.7)) / softness
    profile = 1.0 - rng.uniform(0.3, 0.7) * np.clip(depth + 0.5, 0.0, 1.0)
    return np.rot90(turned * profile.reshape(-1, *(1 for _ in x.shape[1:])), -turns)


def _inverted(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return 255.0 - x


def _blurred(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return gaussian_blur(x, _between(rng, 0.7, 5.0))


def _noisy(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x + rng.normal(0.0, _between(rng, 4, 40), x.shape)


def _compressed(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    picture = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    decoded = decode_image(encode_jpeg(picture, int(rng.integers(8, 36))))
    return decoded if decoded.ndim == x.ndim else decoded[..., 1]


def _cast(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    strength = rng.uniform(0.08, 0.4)
    gains = np.exp(rng.permutation([-1.0, 0.0, 1.0]) * strength)
    return x * gains.astype(np.float32)


def _moved(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """A camera displaced by 3 to 12 % of the side; what comes into view mirrors what was there."""
    angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.12)
    result = x
    for axis, part in ((0, np.sin(angle)), (1, np.cos(angle))):
        step = round(float(part) * share * min(x.shape[:2]))
        pad = [(abs(step), abs(step)) if a == axis else (0, 0) for a in range(x.ndim)]
        start = abs(step) + step
        padded = np.pad(result, pad, mode="reflect")
        result = padded.take(np.arange(start, start + x.shape[axis]), axis)
    return result


def _covered(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """A thing of one colour, often gray, hides 4 to 25 % of the picture."""
    side, aspect = np.sqrt(rng.uniform(0.04, 0.25)), np.sqrt(rng.uniform(0.5, 2.0))
    height, width = int(x.shape[0] * side * aspect), int(x.shape[1] * side / aspect)
    top = int(rng.integers(x.shape[0] - height + 1))
    left = int(rng.integers(x.shape[1] - width + 1))
    result = x.copy()
    gray = rng.random() < 0.5
    shade = rng.uniform(0, 255, 1 if gray else x.shape[2:])
    result[top : top + height, left : left + width] = shade
    return result


def _dirty(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Blobs out of focus on the front glass take away most of the light."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    side = min(x.shape[:2])
    cover = np.zeros(x.shape[:2], np.float32)
    for _blob in range(int(rng.integers(2, 10))):
        row, column = rng.uniform(0, x.shape[0]), rng.uniform(0, x.shape[1])
        radius = rng.uniform(0.04, 0.12) * side
        away = np.hypot(rows - row, columns - column) / radius
        cover = np.maximum(cover, np.clip(1.5 - away, 0.0, 1.0))
    cover *= rng.uniform(0.4, 0.9)
    film = rng.uniform(10, 90)
    return x + (film - x) * (cover if x.ndim == 2 else cover[..., None])


def _stuck(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Some rows, or columns, give what the one before gave."""
    turns = int(rng.integers(2))
    lines = np.rot90(x, turns)
    held = rng.random(len(lines)) < rng.uniform(0.05, 0.5)
    source = np.maximum.accumulate(np.where(held, 0, np.arange(len(lines))))
    return np.rot90(lines[source], -turns)


def _striped(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Bands of mains light in the exposure of a rolling shutter, or a sensor's line noise."""
    turns, rows = int(rng.integers(2)), np.arange(max(x.shape[:2]))
    lines = np.rot90(x, turns)
    wave = np.sin(2 * np.pi * (rows / (len(rows) * rng.uniform(0.05, 0.3)) + rng.random()))
    bands = wave if rng.random() < 0.5 else rng.normal(size=len(rows))
    offsets = (_between(rng, 3, 30) * bands)[: len(lines)]
    return np.rot90(lines + offsets.reshape(-1, *(1 for _axis in x.shape[1:])), -turns)


def _turned(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return turned(x, float(rng.choice([-1, 1])) * _between(rng, 2.0, 30.0))


_OTHER = ("cut-paste", "shuffle", "phase scramble", "field", "pattern", "tile", "object")

WAYS: tuple[tuple[Way, Maker], ...] = (
    (Way("raised", "exposure", "the picture is too bright"), _raised),
    (Way("amplified", "exposure", "there is too much light"), _amplified),
    (Way("lowered", "exposure", "the picture is too dark"), _lowered),
    (Way("attenuated", "exposure", "there is too little light"), _attenuated),
    (Way("lifted", "exposure", "the dark tones are too bright"), _lifted),
    (Way("deepened", "exposure", "the middle tones are too dark"), _deepened),
    (Way("shadowed", "exposure", "one side lies in shadow"), _shadowed),
    (Way("shaded", "exposure", "the light falls off to one side"), _shaded),
    (Way("inverted", "exposure", "the picture is a negative"), _inverted),
    (Way("blurred", "focus", "the picture is out of focus"), _blurred),
    (Way("noisy", "noise", "the picture is noisier than it should be"), _noisy),
    (Way("compressed", "compression", "the picture is too coarsely compressed"), _compressed),
    (Way("cast", "color", "the colour is off"), _cast),
    (Way("turned", "alignment", "the camera or part is turned"), _turned),
    (Way("moved", "alignment", "the camera or part is displaced"), _moved),
    (Way("covered", "occlusion", "part of the picture is covered or dirty"), _covered),
    (Way("dirty", "occlusion", "part of the picture is covered or dirty"), _dirty),
    (Way("stuck", "stuck", "neighbouring lines of the picture are the same"), _stuck),
    (Way("striped", "banding", "the picture has stripes"), _striped),
    *((Way(name, "other", ""), MAKERS[name]) for name in _OTHER),
)


def observe_causes(
    images: Callable[[int], Image], n: int, meter: Meter, rng: np.random.Generator
) -> tuple[Looks, tuple[Way, ...]]:
    """Return what the gate measures in changed references, and how each came about.

    A picture that the change leaves as it was is left out; colour casts are of colour ones only.

    Parameters
    ----------
    images : callable
        Index → reference image, uint8.
    n : int
        Number of references.
    meter : Meter
    rng : numpy.random.Generator
    """
    rows, ways = [], []
    for way, image in _caused(images, n, rng):
        seen = meter.measure(image)
        rows.append((seen.statistics.copy(), seen.cells[0].copy(), reduce(image)))
        ways.append(way)
    if not rows:
        return Looks(np.zeros((0, 0)), np.zeros((0, 0, 0)), np.zeros((0, 0, 0))), ()
    statistics, cells, reduced = (np.array(column) for column in zip(*rows, strict=True))
    return Looks(statistics, cells, reduced), tuple(ways)


def _caused(
    images: Callable[[int], Image], n: int, rng: np.random.Generator
) -> Iterator[tuple[Way, Image]]:
    count = int(np.clip(_PIXELS // (images(0).shape[0] * images(0).shape[1]), _FEWEST, _MOST))
    for way, maker in WAYS:
        for index in rng.choice(n, count, replace=count > n):
            image, other = images(int(index)), images(int(rng.integers(n)))
            if (way.cause == "color" and image.ndim == 2) or other.shape != image.shape:
                continue
            made = maker(image.astype(np.float32), other.astype(np.float32), rng)
            result = np.clip(np.rint(made), 0, 255).astype(np.uint8)
            if np.abs(result.astype(np.int16) - image).mean() >= _CHANGED:
                yield way, np.ascontiguousarray(result)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a strength drawn evenly on the logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
