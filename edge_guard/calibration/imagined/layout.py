"""Faults of what lies where: pieces, objects, other distances and angles."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.imagined.resample import corner, resize, sample
from edge_guard.types import Array, Floats


def cut_paste(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return x with one to three large pieces of another reference."""
    result = x.copy()
    for _ in range(int(rng.integers(1, 4))):
        height, width = (max(2, int(side * rng.uniform(0.2, 0.5))) for side in x.shape[:2])
        (r, c), (p, q) = corner(x, height, width, rng), corner(x, height, width, rng)
        result[r : r + height, c : c + width] = other[p : p + height, q : q + width]
    return result


def scar(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
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


def speck(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return x with small pieces of another reference, lighter or darker."""
    result = x.copy()
    for _ in range(int(rng.integers(1, 4))):
        height, width = (max(2, int(side * rng.uniform(0.05, 0.15))) for side in x.shape[:2])
        (r, c), (p, q) = corner(x, height, width, rng), corner(x, height, width, rng)
        shade = rng.choice([-1, 1]) * rng.uniform(15, 60)
        result[r : r + height, c : c + width] = other[p : p + height, q : q + width] + shade
    return result


def shuffle(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x cut into a grid of tiles in random order."""
    grid = int(rng.integers(2, 5))
    height, width = x.shape[0] // grid, x.shape[1] // grid
    tiles = [(r * height, c * width) for r in range(grid) for c in range(grid)]
    result = x.copy()
    for (r, c), k in zip(tiles, rng.permutation(len(tiles)), strict=True):
        p, q = tiles[k]
        result[r : r + height, c : c + width] = x[p : p + height, q : q + width]
    return result


def zoom(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return a part of x at full size."""
    share = rng.uniform(0.3, 0.6)
    height, width = (max(4, int(side * share)) for side in x.shape[:2])
    r, c = corner(x, height, width, rng)
    return resize(x[r : r + height, c : c + width], x.shape[:2])


def rotate(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x turned by 5 to 45 degrees."""
    return turned(x, float(rng.choice([-1, 1])) * rng.uniform(5, 45))


def turned(x: Floats, degrees: float) -> Array:
    """Return x turned about its centre, mirrored beyond its edges."""
    angle = np.deg2rad(degrees)
    rows, columns = np.indices(x.shape[:2], np.float32)
    rows, columns = rows - x.shape[0] / 2, columns - x.shape[1] / 2
    y = np.cos(angle) * rows - np.sin(angle) * columns + x.shape[0] / 2
    z = np.sin(angle) * rows + np.cos(angle) * columns + x.shape[1] / 2
    return sample(x, y, z)


def mix(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return x and a flipped other reference, one over the other."""
    share = np.float32(rng.uniform(0.35, 0.65))
    return share * x + (1 - share) * np.flip(other, int(rng.integers(0, 2)))


def occlude(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with a plain rectangle over it."""
    result = x.copy()
    height, width = (max(3, int(side * rng.uniform(0.25, 0.6))) for side in x.shape[:2])
    r, c = corner(x, height, width, rng)
    result[r : r + height, c : c + width] = rng.uniform(0, 255)
    return result


def foreign_object(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with a smooth round object on it."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    size = np.array(x.shape[:2]) * rng.uniform(0.12, 0.35, 2)
    place = np.array(x.shape[:2]) * rng.uniform(0.25, 0.75, 2)
    radius = ((rows - place[0]) / size[0]) ** 2 + ((columns - place[1]) / size[1]) ** 2
    shade = rng.uniform(0, 255) + 30.0 * rng.uniform(-1, 1) * (1.0 - radius)
    alpha = np.clip((1.0 - radius) * 8.0, 0.0, 1.0)
    if x.ndim == 3:
        alpha, shade = alpha[..., None], shade[..., None] * rng.uniform(0.5, 1.4, 3)
    return np.asarray(x * (1 - alpha) + shade * alpha)
