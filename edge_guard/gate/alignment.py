"""Displacement of the camera against the references' mean picture, by phase correlation.

Kuglin & Hines 1975, "The phase correlation image alignment method": the inverse transform of the
normalised cross-power spectrum peaks at the translation. Run only on frames that something else
has flagged, to name the cause.
"""

from __future__ import annotations

import numpy as np

from edge_guard.gate.spec import AlignmentSpec
from edge_guard.types import Array, Doubles, Image, Reason

SIDE = 64
"""Pictures are reduced to about this many samples a side."""

_MIN_RESPONSE = 0.08
"""A peak lower than this share of a perfect match means different content, not displacement."""


def reduce(image: Image) -> Doubles:
    """Return the luma (or gray) picture averaged to `SIDE` × `SIDE` blocks, float64."""
    plane = image if image.ndim == 2 else image.mean(2)
    rows = np.linspace(0, plane.shape[0], SIDE + 1).astype(int)[:-1]
    columns = np.linspace(0, plane.shape[1], SIDE + 1).astype(int)[:-1]
    if min(plane.shape) < 2 * SIDE:
        return np.asarray(plane[np.ix_(rows, columns)], np.float64)
    summed = np.add.reduceat(np.add.reduceat(plane.astype(np.float64), rows, 0), columns, 1)
    counts = np.diff(np.append(rows, plane.shape[0]))[:, None] * np.diff(
        np.append(columns, plane.shape[1])
    )
    return np.asarray(summed / counts)


def displacement(reduced: Doubles, reference: Doubles) -> tuple[float, float, float]:
    """Return dx, dy in samples and the response, 0 to 1, of a picture against the reference."""
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    a = np.fft.rfft2((reduced - reduced.mean()) * window)
    b = np.fft.rfft2((reference - reference.mean()) * window)
    cross = a * b.conj()
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), (SIDE, SIDE))
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    near = np.ix_([(row + i) % SIDE for i in (-1, 0, 1)], [(column + i) % SIDE for i in (-1, 0, 1)])
    patch = np.maximum(surface[near], 0.0)
    total = max(float(patch.sum()), 1e-12)
    dy = float(row) + float((patch.sum(1) @ np.array([-1.0, 0.0, 1.0])) / total)
    dx = float(column) + float((patch.sum(0) @ np.array([-1.0, 0.0, 1.0])) / total)
    return _signed(dx), _signed(dy), min(total, 1.0)


def _signed(shift: float) -> float:
    return shift - SIDE if shift > SIDE / 2 else shift


def fit_alignment(
    reduced: Array, shapes: list[tuple[int, ...]]
) -> tuple[Doubles, AlignmentSpec] | None:
    """Return the mean picture and the usual displacement; None where references do not register.

    Parameters
    ----------
    reduced : Array
        (N, SIDE, SIDE) reduced references.
    shapes : list of tuple
        Their original (H, W, …); alignment needs them equal.
    """
    if len(set(shapes)) != 1:
        return None
    mean = np.asarray(reduced, np.float64).mean(0)
    moves = np.array([displacement(picture, mean) for picture in reduced])
    if np.median(moves[:, 2]) < 2 * _MIN_RESPONSE:
        return None
    scale = max(shapes[0][:2]) / SIDE
    usual = float(np.hypot(moves[:, 0], moves[:, 1]).max()) * scale
    if usual > 0.1 * max(shapes[0][:2]):
        return None
    return mean, AlignmentSpec(usual_px=usual)


def misalignment(mean: Doubles, spec: AlignmentSpec, image: Image) -> Reason | None:
    """Return how far the camera seems displaced, or None when within the usual."""
    dx, dy, response = displacement(reduce(image), mean)
    dx_px, dy_px = dx * image.shape[1] / SIDE, dy * image.shape[0] / SIDE
    distance = float(np.hypot(dx_px, dy_px))
    if response < _MIN_RESPONSE or distance <= spec.usual_px + 1.0:
        return None
    return Reason(
        "gate.alignment",
        f"the camera or part is displaced by about {dx_px:+.0f} px across and {dy_px:+.0f} px down",
        distance,
        (None, spec.usual_px),
    )
