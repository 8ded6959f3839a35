"""Resampling with mirrored edges, and a Gaussian blur."""

from __future__ import annotations

import numpy as np

from edge_guard.types import Array, Floats


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


def resize(x: Array, size: tuple[int, ...]) -> Floats:
    """Return x at another size, bilinear."""
    if x.shape[:2] == tuple(size[:2]):
        return np.asarray(x, np.float32)
    rows = (np.arange(size[0], dtype=np.float32) + 0.5) * x.shape[0] / size[0] - 0.5
    columns = (np.arange(size[1], dtype=np.float32) + 0.5) * x.shape[1] / size[1] - 0.5
    return sample(x, *np.broadcast_arrays(rows[:, None], columns[None]))


def sample(x: Array, rows: Array, columns: Array) -> Floats:
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


def corner(x: Array, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return where a random piece of this size starts."""
    return int(rng.integers(x.shape[0] - height + 1)), int(rng.integers(x.shape[1] - width + 1))
