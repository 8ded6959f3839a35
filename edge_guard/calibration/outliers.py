"""Pseudo-outliers: what could go wrong with the references' own scene, made from them.

They train the fusion's weights only. No real anomaly and no foreign data set is involved, and
thresholds never see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from edge_guard.types import Array, Floats, Image

Maker = Callable[[Floats, Floats, np.random.Generator], Array]
"""(reference, another reference of the same shape, rng) → changed picture, float32 0 to 255."""


def _light(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    shift: float = rng.choice([-1.0, 1.0]) * rng.uniform(20, 60)
    return x + np.float32(shift)


def _contrast(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    factor = rng.uniform(0.3, 0.6) if rng.random() < 0.5 else rng.uniform(1.6, 2.5)
    return np.asarray((x - x.mean()) * factor + x.mean())


def _invert(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return np.asarray(255.0 - x if rng.random() < 0.6 else _gamma(x, rng.choice([0.4, 2.5])))


def _color(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    if x.ndim == 2:
        return _gamma(x, rng.choice([0.5, 2.0]))
    return x * rng.permutation([0.65, 1.0, 1.35]) if rng.random() < 0.5 else x[..., ::-1]


def _half_dark(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    ramp = np.linspace(rng.uniform(0.2, 0.5), 1.0, x.shape[0])[:, None]
    shade: Array = np.broadcast_to(ramp if rng.random() < 0.5 else ramp[::-1], x.shape[:2])
    shade = shade if rng.random() < 0.5 else _resize(np.ascontiguousarray(shade.T), x.shape[:2])
    return x * (shade if x.ndim == 2 else shade[..., None])


def _blur(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return gaussian_blur(x, rng.uniform(1.0, 4.0))


def _noise(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    return x + rng.normal(0.0, rng.uniform(8, 40), x.shape).astype(np.float32)


def _pixelate(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    factor = int(rng.integers(2, 5))
    rows, columns = np.arange(x.shape[0]) // factor, np.arange(x.shape[1]) // factor
    return x[np.ix_(rows * factor, columns * factor)]


def _cut_paste(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    result = x.copy()
    for _ in range(int(rng.integers(1, 4))):
        height, width = (max(2, int(side * rng.uniform(0.2, 0.5))) for side in x.shape[:2])
        (r, c), (p, q) = _corner(x, height, width, rng), _corner(x, height, width, rng)
        result[r : r + height, c : c + width] = other[p : p + height, q : q + width]
    return result


def _scar(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return x with thin strips of another reference, lighter or darker (Li 2021, CutPaste)."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    result = x.copy()
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, np.pi)
        v, h = rows - rng.uniform(0, x.shape[0]), columns - rng.uniform(0, x.shape[1])
        along = np.abs(v * np.sin(angle) + h * np.cos(angle))
        across = np.abs(v * np.cos(angle) - h * np.sin(angle))
        side = min(x.shape[:2])
        strip = (along < side * rng.uniform(0.1, 0.3)) & (
            across < max(0.6, side * rng.uniform(0.006, 0.02))
        )
        result[strip] = other[strip] + rng.choice([-1, 1]) * rng.uniform(20, 80)
    return result


def _speck(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return x with small pieces of another reference, lighter or darker."""
    result = x.copy()
    for _ in range(int(rng.integers(1, 4))):
        height, width = (max(2, int(side * rng.uniform(0.05, 0.15))) for side in x.shape[:2])
        (r, c), (p, q) = _corner(x, height, width, rng), _corner(x, height, width, rng)
        shade = rng.choice([-1, 1]) * rng.uniform(15, 60)
        result[r : r + height, c : c + width] = other[p : p + height, q : q + width] + shade
    return result


def _shuffle(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    grid = int(rng.integers(2, 5))
    height, width = x.shape[0] // grid, x.shape[1] // grid
    tiles = [(r * height, c * width) for r in range(grid) for c in range(grid)]
    result = x.copy()
    for (r, c), k in zip(tiles, rng.permutation(len(tiles)), strict=True):
        p, q = tiles[k]
        result[r : r + height, c : c + width] = x[p : p + height, q : q + width]
    return result


def _zoom(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    share = rng.uniform(0.3, 0.6)
    height, width = (max(4, int(side * share)) for side in x.shape[:2])
    r, c = _corner(x, height, width, rng)
    return _resize(x[r : r + height, c : c + width], x.shape[:2])


def _tile(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return a surface: one small piece of a reference, mirrored over the whole picture."""
    source = x if rng.random() < 0.5 else other
    height, width = (max(3, int(side * rng.uniform(0.12, 0.4))) for side in x.shape[:2])
    r, c = _corner(source, height, width, rng)
    piece = source[r : r + height, c : c + width]
    repeats = [-(-side // part) for side, part in zip(x.shape[:2], piece.shape[:2], strict=True)]
    rows = np.concatenate([piece[::-1] if i % 2 else piece for i in range(repeats[0])])
    whole = np.concatenate([rows[:, ::-1] if i % 2 else rows for i in range(repeats[1])], axis=1)
    return whole[: x.shape[0], : x.shape[1]]


def _rotate(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    angle = np.deg2rad(rng.choice([-1, 1]) * rng.uniform(5, 45))
    rows, columns = np.indices(x.shape[:2], np.float32)
    rows, columns = rows - x.shape[0] / 2, columns - x.shape[1] / 2
    y = np.cos(angle) * rows - np.sin(angle) * columns + x.shape[0] / 2
    z = np.sin(angle) * rows + np.cos(angle) * columns + x.shape[1] / 2
    return _sample(x, y, z)


def _mix(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    share = np.float32(rng.uniform(0.35, 0.65))
    return share * x + (1 - share) * np.flip(other, int(rng.integers(0, 2)))


def _phase_scramble(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    phase = np.angle(np.fft.fft2(rng.normal(size=x.shape[:2])))
    phase[0, 0] = 0.0  # the mean stays
    spectrum = np.fft.fft2(x, axes=(0, 1))
    turn = np.exp(1j * (phase if x.ndim == 2 else phase[..., None]))
    return np.fft.ifft2(spectrum * turn, axes=(0, 1)).real.astype(np.float32)


def _field(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    rows, columns = np.fft.fftfreq(x.shape[0])[:, None], np.fft.fftfreq(x.shape[1])[None]
    falloff = np.maximum(np.hypot(rows, columns), 1.0 / max(x.shape)) ** -rng.uniform(0.3, 2.0)
    noise = np.fft.fft2(rng.normal(size=x.shape), axes=(0, 1))
    field = np.fft.ifft2(noise * (falloff if x.ndim == 2 else falloff[..., None]), axes=(0, 1)).real
    return _with_moments(field, rng.uniform(60, 200), rng.uniform(20, 70))


def _pattern(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    rows, columns = np.indices(x.shape[:2], np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(3.0, min(x.shape[:2]) / 2)
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = wave * np.sin((rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    plane = _with_moments(wave, rng.uniform(60, 200), rng.uniform(20, 90))
    return plane if x.ndim == 2 else plane[..., None] * rng.uniform(0.6, 1.3, 3)


def _occlude(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    result = x.copy()
    height, width = (max(3, int(side * rng.uniform(0.25, 0.6))) for side in x.shape[:2])
    r, c = _corner(x, height, width, rng)
    result[r : r + height, c : c + width] = rng.uniform(0, 255)
    return result


def _object(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    rows, columns = np.indices(x.shape[:2], np.float32)
    size = np.array(x.shape[:2]) * rng.uniform(0.12, 0.35, 2)
    place = np.array(x.shape[:2]) * rng.uniform(0.25, 0.75, 2)
    radius = ((rows - place[0]) / size[0]) ** 2 + ((columns - place[1]) / size[1]) ** 2
    shade = rng.uniform(0, 255) + 30.0 * rng.uniform(-1, 1) * (1.0 - radius)
    alpha = np.clip((1.0 - radius) * 8.0, 0.0, 1.0)
    if x.ndim == 3:
        alpha, shade = alpha[..., None], shade[..., None] * rng.uniform(0.5, 1.4, 3)
    return np.asarray(x * (1 - alpha) + shade * alpha)


MAKERS: dict[str, Maker] = {
    "light": _light,
    "contrast": _contrast,
    "invert": _invert,
    "color": _color,
    "half dark": _half_dark,
    "blur": _blur,
    "noise": _noise,
    "pixelate": _pixelate,
    "cut-paste": _cut_paste,
    "scar": _scar,
    "speck": _speck,
    "shuffle": _shuffle,
    "zoom": _zoom,
    "tile": _tile,
    "rotate": _rotate,
    "mix": _mix,
    "phase scramble": _phase_scramble,
    "field": _field,
    "pattern": _pattern,
    "occlude": _occlude,
    "object": _object,
}


def pseudo_outliers(
    images: Callable[[int], Image], n: int, per_kind: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, Image]]:
    """Yield changed references: kind, index of the reference it came from, image.

    A picture that the change leaves as it was (a blank part, blurred) is not yielded.

    Parameters
    ----------
    images : callable
        Index → reference image, uint8.
    n : int
        Number of references.
    per_kind : int
        Pictures tried of each kind.
    rng : numpy.random.Generator
    """
    for kind, make in MAKERS.items():
        for index in rng.choice(n, per_kind, replace=per_kind > n):
            image = images(int(index))
            partner = _like(images(int(rng.integers(n))), image)
            changed = make(image.astype(np.float32), partner, rng)
            result = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
            if _visible(np.abs(result.astype(np.int16) - image)):
                yield kind, int(index), result


def _visible(change: Array) -> bool:
    """Return whether a change is there at all: a little everywhere, or much in one place."""
    return bool(change.mean() >= 1.0 or (change >= 16).mean() >= 0.003)


def gaussian_blur(x: Floats, sigma: float) -> Floats:
    """Return x blurred by a Gaussian of σ px, edges repeated."""
    radius = max(1, round(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in range(x.ndim)]
        padded = np.pad(x, pad, mode="edge")
        size = x.shape[axis]
        x = sum(t * padded.take(range(i, i + size), axis) for i, t in enumerate(taps))
    return x.astype(np.float32)


def _gamma(x: Floats, exponent: float) -> Array:
    return np.asarray(255.0 * (x / 255.0) ** exponent)


def _corner(x: Array, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(x.shape[0] - height + 1)), int(rng.integers(x.shape[1] - width + 1))


def _like(other: Image, image: Image) -> Floats:
    """Return another reference in the shape of this one."""
    if other.ndim != image.ndim:
        other = other.mean(2).astype(np.uint8) if image.ndim == 2 else np.stack([other] * 3, 2)
    return _resize(other.astype(np.float32), image.shape[:2])


def _resize(x: Array, size: tuple[int, ...]) -> Floats:
    if x.shape[:2] == tuple(size[:2]):
        return np.asarray(x, np.float32)
    rows = (np.arange(size[0], dtype=np.float32) + 0.5) * x.shape[0] / size[0] - 0.5
    columns = (np.arange(size[1], dtype=np.float32) + 0.5) * x.shape[1] / size[1] - 0.5
    return _sample(x, *np.broadcast_arrays(rows[:, None], columns[None]))


def _sample(x: Array, rows: Array, columns: Array) -> Floats:
    """Return x at fractional positions, bilinear, mirrored beyond the edges."""
    rows, columns = (_mirror(p, s) for p, s in zip((rows, columns), x.shape[:2], strict=True))
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom = np.minimum(top + 1, x.shape[0] - 1)
    right = np.minimum(left + 1, x.shape[1] - 1)
    v, h = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    if x.ndim == 3:
        v, h = v[..., None], h[..., None]
    upper = x[top, left] * (1 - h) + x[top, right] * h
    lower = x[bottom, left] * (1 - h) + x[bottom, right] * h
    return np.asarray(upper * (1 - v) + lower * v, np.float32)


def _mirror(position: Array, size: int) -> Array:
    period = 2.0 * (size - 1)
    folded = np.mod(position, period)
    return np.asarray(np.clip(np.minimum(folded, period - folded), 0, size - 1))


def _with_moments(x: Array, mean: float, sd: float) -> Floats:
    scale = sd / max(float(x.std()), 1e-6)
    return np.asarray((x - x.mean()) * scale + mean, np.float32)
