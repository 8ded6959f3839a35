"""Faults of light, colour and camera."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.imagined.resample import gaussian_blur, resize
from edge_guard.types import Array, Floats


def shifted_light(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x brighter or darker by 20 to 60 levels."""
    shift: float = rng.choice([-1.0, 1.0]) * rng.uniform(20, 60)
    return x + np.float32(shift)


def contrast(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with far less or far more contrast."""
    factor = rng.uniform(0.3, 0.6) if rng.random() < 0.5 else rng.uniform(1.6, 2.5)
    return np.asarray((x - x.mean()) * factor + x.mean())


def invert(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return the negative of x, or x with a strong gamma."""
    return np.asarray(255.0 - x if rng.random() < 0.6 else _gamma(x, rng.choice([0.4, 2.5])))


def color(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with its channels weighed or swapped."""
    if x.ndim == 2:
        return _gamma(x, rng.choice([0.5, 2.0]))
    return x * rng.permutation([0.65, 1.0, 1.35]) if rng.random() < 0.5 else x[..., ::-1]


def half_dark(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x darkened towards one side."""
    ramp = np.linspace(rng.uniform(0.2, 0.5), 1.0, x.shape[0])[:, None]
    shade: Array = np.broadcast_to(ramp if rng.random() < 0.5 else ramp[::-1], x.shape[:2])
    shade = shade if rng.random() < 0.5 else resize(np.ascontiguousarray(shade.T), x.shape[:2])
    return x * (shade if x.ndim == 2 else shade[..., None])


def blur(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x out of focus."""
    return gaussian_blur(x, rng.uniform(1.0, 4.0))


def noise(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with noise of 8 to 40 levels."""
    return x + rng.normal(0.0, rng.uniform(8, 40), x.shape).astype(np.float32)


def pixelate(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x in blocks of 2 to 4 px."""
    factor = int(rng.integers(2, 5))
    rows, columns = np.arange(x.shape[0]) // factor, np.arange(x.shape[1]) // factor
    return x[np.ix_(rows * factor, columns * factor)]


def _gamma(x: Floats, exponent: float) -> Array:
    return np.asarray(255.0 * (x / 255.0) ** exponent)
