"""Displacement and turn of the camera against the references' mean picture, by phase correlation.

Kuglin & Hines 1975, "The phase correlation image alignment method": the inverse transform of the
normalised cross-power spectrum peaks at the translation. A turn is found as the angle of the mean
picture that the frame correlates best with. Run only on frames that something else has flagged, to
name the cause.
"""

from __future__ import annotations

import numpy as np

from edge_guard.gate.spec import AlignmentSpec
from edge_guard.types import Array, Doubles, Image, Reason

SIDE = 64
"""Pictures are reduced to about this many samples a side."""

_MIN_RESPONSE = 0.08
"""A peak lower than this share of a perfect match means different content, not displacement."""

ANGLES = tuple(range(-12, 13))
"""Turns that are tried, degrees."""

_BETTER = 0.8
"""A turned mean picture must leave at most this share of what the upright leaves."""

_MEASURED = 60
"""So many references tell the usual turn."""


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


class Register:
    """Measures how pictures lie against a mean picture.

    Parameters
    ----------
    mean : Doubles
        (SIDE, SIDE).
    aspect : float
        Width of the frames that were reduced to it, over their height.
    """

    def __init__(self, mean: Doubles, aspect: float) -> None:
        self._window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
        self._turned = {angle: self._spectrum(_turn(mean, angle, aspect)) for angle in ANGLES}

    def displacement(self, reduced: Doubles, angle: int = 0) -> tuple[float, float, float]:
        """Return dx, dy in samples and the response, 0 to 1, against the turned mean."""
        cross = self._spectrum(reduced) * self._turned[angle].conj()
        surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), (SIDE, SIDE))
        row, column = np.unravel_index(surface.argmax(), surface.shape)
        near = np.ix_(
            [(row + i) % SIDE for i in (-1, 0, 1)], [(column + i) % SIDE for i in (-1, 0, 1)]
        )
        patch = np.maximum(surface[near], 0.0)
        total = max(float(patch.sum()), 1e-12)
        dy = float(row) + float((patch.sum(1) @ np.array([-1.0, 0.0, 1.0])) / total)
        dx = float(column) + float((patch.sum(0) @ np.array([-1.0, 0.0, 1.0])) / total)
        return _signed(dx), _signed(dy), min(total, 1.0)

    def angle(self, reduced: Doubles) -> int:
        """Return the turn in degrees, clockwise, that explains most of the picture; 0 in doubt."""
        left = {angle: 1.0 - self._correlation(reduced, angle) for angle in ANGLES}
        best = min(left, key=left.__getitem__)
        return best if left[best] <= _BETTER * left[0] else 0

    def _correlation(self, reduced: Doubles, angle: int) -> float:
        """Return the largest correlation, at any displacement, with the mean turned by an angle."""
        a, b = self._spectrum(reduced), self._turned[angle]
        surface = np.fft.irfft2(a * b.conj(), (SIDE, SIDE))
        size = np.linalg.norm(np.fft.irfft2(a)) * np.linalg.norm(np.fft.irfft2(b))
        return float(surface.max() / max(size, 1e-12))

    def _spectrum(self, reduced: Doubles) -> Array:
        return np.asarray(np.fft.rfft2((reduced - reduced.mean()) * self._window))


def _turn(picture: Doubles, angle: int, aspect: float) -> Doubles:
    """Return what the frame turned clockwise about its middle reduces to, its edges repeated."""
    middle, turn = (SIDE - 1) / 2.0, np.deg2rad(angle)
    rows, columns = np.indices((SIDE, SIDE)) - middle
    y = np.cos(turn) * rows - np.sin(turn) * columns * aspect + middle
    x = np.sin(turn) * rows / aspect + np.cos(turn) * columns + middle
    y, x = np.clip(y, 0, SIDE - 1), np.clip(x, 0, SIDE - 1)
    top, left = np.minimum(y.astype(int), SIDE - 2), np.minimum(x.astype(int), SIDE - 2)
    down, right = y - top, x - left
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


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
    pictures = np.asarray(reduced, np.float64)
    mean = pictures.mean(0)
    register = Register(mean, shapes[0][1] / shapes[0][0])
    moves = np.array([register.displacement(picture) for picture in pictures])
    if np.median(moves[:, 2]) < 2 * _MIN_RESPONSE:
        return None
    scale = max(shapes[0][:2]) / SIDE
    usual = float(np.hypot(moves[:, 0], moves[:, 1]).max()) * scale
    if usual > 0.1 * max(shapes[0][:2]):
        return None
    some = np.linspace(0, len(pictures) - 1, min(len(pictures), _MEASURED)).astype(int)
    turn = max(abs(register.angle(pictures[i])) for i in some)
    return mean, AlignmentSpec(usual_px=usual, usual_deg=float(turn))


def misalignment(register: Register, spec: AlignmentSpec, image: Image) -> Reason | None:
    """Return how far the camera seems displaced or turned, or None when within the usual."""
    reduced = reduce(image)
    angle = register.angle(reduced)
    dx, dy, response = register.displacement(reduced, angle)
    dx_px, dy_px = dx * image.shape[1] / SIDE, dy * image.shape[0] / SIDE
    distance = float(np.hypot(dx_px, dy_px))
    if response < _MIN_RESPONSE:
        return None
    if abs(angle) > spec.usual_deg + 1.0:
        words = f"the camera or part is turned by about {angle:+d}°"
        return Reason("gate.alignment", words, float(angle), (-spec.usual_deg, spec.usual_deg))
    if distance <= spec.usual_px + 1.0:
        return None
    return Reason(
        "gate.alignment",
        f"the camera or part is displaced by about {dx_px:+.0f} px across and {dy_px:+.0f} px down",
        distance,
        (None, spec.usual_px),
    )
