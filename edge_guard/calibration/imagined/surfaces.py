"""Pictures without parts: surfaces, patterns and noise, some of them made of the references."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.imagined.resample import corner
from edge_guard.types import Array, Floats


def tile(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return a surface: one small piece of a reference, mirrored over the whole picture."""
    source = x if rng.random() < 0.5 else other
    height, width = (max(3, int(side * rng.uniform(0.12, 0.4))) for side in x.shape[:2])
    r, c = corner(source, height, width, rng)
    piece = source[r : r + height, c : c + width]
    repeats = [-(-side // part) for side, part in zip(x.shape[:2], piece.shape[:2], strict=True)]
    rows = np.concatenate([piece[::-1] if i % 2 else piece for i in range(repeats[0])])
    whole = np.concatenate([rows[:, ::-1] if i % 2 else rows for i in range(repeats[1])], axis=1)
    return whole[: x.shape[0], : x.shape[1]]


def quilt(x: Floats, other: Floats, rng: np.random.Generator) -> Array:
    """Return a surface without parts: small pieces of one reference at random, edges blended.

    After Efros & Freeman 2001, "Image quilting for texture synthesis", with soft seams.
    """
    source = x if rng.random() < 0.5 else other
    share = rng.uniform(0.12, 0.4)
    height, width = (max(4, int(side * share)) for side in x.shape[:2])
    mask = np.minimum.outer(_ramp(height), _ramp(width))
    total, mass = np.zeros_like(x), np.zeros(x.shape[:2], np.float32)
    for r in _steps(x.shape[0], height):
        for c in _steps(x.shape[1], width):
            p, q = corner(source, height, width, rng)
            piece = source[p : p + height, q : q + width]
            total[r : r + height, c : c + width] += piece * (
                mask if x.ndim == 2 else mask[..., None]
            )
            mass[r : r + height, c : c + width] += mask
    return total / (mass if x.ndim == 2 else mass[..., None])


def _ramp(n: int) -> Floats:
    """Return weights that rise from both ends over a quarter of the length."""
    ends = np.minimum(np.arange(n) + 1, n - np.arange(n))
    return np.minimum(ends / max(1.0, n / 4), 1.0).astype(np.float32)


def _steps(side: int, length: int) -> list[int]:
    """Return starts of pieces that overlap by a third or so and cover the side."""
    count = max(1, -(-side * 10 // (length * 7)))
    return [round(s) for s in np.linspace(0, side - length, count)]


def phase_scramble(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return x with random phases: its spectrum without its parts."""
    phase = np.angle(np.fft.fft2(rng.normal(size=x.shape[:2])))
    phase[0, 0] = 0.0  # the mean stays
    spectrum = np.fft.fft2(x, axes=(0, 1))
    turn = np.exp(1j * (phase if x.ndim == 2 else phase[..., None]))
    return np.fft.ifft2(spectrum * turn, axes=(0, 1)).real.astype(np.float32)


def field(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return noise with a 1/f spectrum."""
    rows, columns = np.fft.fftfreq(x.shape[0])[:, None], np.fft.fftfreq(x.shape[1])[None]
    falloff = np.maximum(np.hypot(rows, columns), 1.0 / max(x.shape)) ** -rng.uniform(0.3, 2.0)
    noise = np.fft.fft2(rng.normal(size=x.shape), axes=(0, 1))
    field = np.fft.ifft2(noise * (falloff if x.ndim == 2 else falloff[..., None]), axes=(0, 1)).real
    return _with_moments(field, rng.uniform(60, 200), rng.uniform(20, 70))


def pattern(x: Floats, _: Floats, rng: np.random.Generator) -> Array:
    """Return a wave, a grid of waves, or their squares."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(3.0, min(x.shape[:2]) / 2)
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = wave * np.sin((rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    plane = _with_moments(wave, rng.uniform(60, 200), rng.uniform(20, 90))
    return plane if x.ndim == 2 else plane[..., None] * rng.uniform(0.6, 1.3, 3)


def _with_moments(x: Array, mean: float, sd: float) -> Floats:
    scale = sd / max(float(x.std()), 1e-6)
    return np.asarray((x - x.mean()) * scale + mean, np.float32)
