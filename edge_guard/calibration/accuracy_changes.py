"""Mild changes of labelled references: what production may become before anybody notices.

Each is small enough that the label stays true, and at some strength most frames are still accepted:
that is where an estimate of accuracy has to hold. What calibration learns to flag is in
`edge_guard.calibration.imagined`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_guard.backends.preprocess import decode_image, encode_jpeg
from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.types import Array, Floats, Image

Change = Callable[[Floats, np.random.Generator], Array]
"""(reference, rng) → changed picture, 0 to 255."""


def _blur(sigma: float) -> Change:
    return lambda x, _: gaussian_blur(x, sigma)


def _noise(sigma: float) -> Change:
    return lambda x, rng: x + rng.normal(0.0, sigma, x.shape)


def _levels(shift: float) -> Change:
    return lambda x, _: x + np.float32(shift)


def _gain(factor: float) -> Change:
    return lambda x, _: x * np.float32(factor)


def _gamma(exponent: float) -> Change:
    return lambda x, _: np.asarray(255.0 * (x / 255.0) ** exponent)


def _shade(depth: float) -> Change:
    def change(x: Floats, _: np.random.Generator) -> Array:
        ramp = 1.0 - depth * np.linspace(0.0, 1.0, x.shape[0], dtype=np.float32)
        return x * ramp.reshape(-1, *(1 for _axis in x.shape[1:]))

    return change


def _coarse(quality: int) -> Change:
    def change(x: Floats, _: np.random.Generator) -> Array:
        decoded = decode_image(encode_jpeg(np.clip(np.rint(x), 0, 255).astype(np.uint8), quality))
        return decoded if decoded.ndim == x.ndim else decoded[..., 1]

    return change


def _moved(pixels: int) -> Change:
    def change(x: Floats, rng: np.random.Generator) -> Array:
        axis, step = int(rng.integers(2)), pixels * int(rng.choice([-1, 1]))
        wide = [(pixels, pixels) if a == axis else (0, 0) for a in range(x.ndim)]
        rows = np.arange(pixels + step, pixels + step + x.shape[axis])
        return np.asarray(np.pad(x, wide, mode="reflect").take(rows, axis))

    return change


CHANGES: tuple[Change, ...] = (
    *map(_levels, (-6.0, -1.5, 1.5, 6.0)),
    *map(_gain, (0.94, 1.03, 1.1)),
    *map(_gamma, (0.85, 0.95, 1.15)),
    *map(_shade, (0.02, 0.1)),
    *map(_blur, (0.35, 0.45, 0.6)),
    *map(_noise, (1.0, 2.5, 5.0)),
    *map(_coarse, (95, 80, 50)),
    *map(_moved, (1, 3)),
)


def changed(change: Change, image: Image, rng: np.random.Generator) -> Image:
    """Return the changed picture, uint8, in the shape of the image."""
    made = change(image.astype(np.float32), rng)
    return np.ascontiguousarray(np.clip(np.rint(made), 0, 255).astype(np.uint8))
