"""The numbers that are watched: from one frame's measurements to the values of the channels.

With m_c the mean of cell c of the picture (8 × 8), μ_c that of the references and w_c weights that
are large where the references hardly differ, the background of a fixed scene:

    light = Σ w_c (m_c − μ_c)                         grey levels
    local = ln(mean of (m_c − μ_c − light − gain·t_c)²·w_c)        what no light explains

with t the references' contrast of cells and gain its least-squares share. Displacement, turn and
scale come from a sparse sample P of the picture by one step of registration, weighted
least squares of P − mean P on its own derivatives (Lucas & Kanade 1981, eq. 5), linear in P.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan, pi, sqrt

import numpy as np

from edge_guard._kernels import STATISTICS
from edge_guard.types import Array, Doubles, Floats, Image, Result

SAMPLES = 40
"""Of a picture, so many pixels a side are sampled."""

UNITS = {
    "light": "grey levels",
    "contrast": "%",
    "focus": "% sharpness",
    "noise": "% noise",
    "red": "%",
    "blue": "%",
    "local": "ln",
    "across": "px",
    "down": "px",
    "turn": "°",
    "scale": "%",
    "unlike": "σ",
    "doubt": "ln",
}
IMAGE = tuple(UNITS)[:11]
COLOUR = ("red", "blue")
GEOMETRY = ("across", "down", "turn", "scale")
MODEL = ("unlike", "doubt")
FLOORS = {
    "light": 0.05,
    "contrast": 0.1,
    "focus": 0.5,
    "noise": 0.5,
    "red": 0.05,
    "blue": 0.05,
    "local": 0.05,
    "across": 0.02,
    "down": 0.02,
    "turn": 0.01,
    "scale": 0.02,
    "unlike": 0.1,
    "doubt": 0.02,
}
"""Least standard deviation, so that quantization is not news."""

_ALL = tuple(UNITS)
_PICKED = np.array([STATISTICS.index(n) for n in ("sd", "focus", "noise_mean", "log_rg", "log_bg")])
_UNMOVED = [nan] * len(GEOMETRY)
_LOCAL_FLOOR = 0.05
_SCORE_STEP = 1e-3
_P_LEAST = 1e-6
_GREEN = 1


def sample(image: Array) -> Array:
    """Return `SAMPLES` × `SAMPLES` pixels of the picture, gray or green, evenly spread."""
    plane = image if image.ndim == 2 else image[..., _GREEN]
    return plane[_spread(image.shape[0]), _spread(image.shape[1])]


def _spread(side: int) -> slice:
    step = max(1, side // SAMPLES)
    count = min(SAMPLES, side)
    start = (side - (count - 1) * step) // 2
    return slice(start, start + (count - 1) * step + 1, step)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the references look like.

    Attributes
    ----------
    cells, weights : Doubles
        (G, G) mean of each cell, grey levels, and its weight; weights sum to 1.
    picture : Floats
        (P,) mean sample; empty where the scene is not fixed.
    registration : Floats
        (4, P): across, down, turn, scale per grey level of each sample's change.
    """

    cells: Doubles
    weights: Doubles
    picture: Floats
    registration: Floats


class Reader:
    """Computes the values of the channels in a given order.

    Parameters
    ----------
    scene : Scene
    names : tuple of str
        Channels, keys of `UNITS`.
    """

    def __init__(self, scene: Scene, names: tuple[str, ...]) -> None:
        self._order = [_ALL.index(name) for name in names]
        center, weights = scene.cells.ravel(), scene.weights.ravel()
        texture = center - float(weights @ center)
        energy = float(weights @ texture**2)
        gain = weights * texture / energy if energy > 1e-9 else 0.0 * texture
        rest = np.eye(len(center)) - weights[None] - np.outer(texture, gain)
        # one product gives the light, and what it leaves of each cell times the root of its weight
        self._cells = np.concatenate((weights[None], np.sqrt(weights)[:, None] * rest))
        self._usual = self._cells @ center
        self._registration = scene.registration
        self._place = scene.registration @ scene.picture

    def image_values(self, statistics: Array, cells: Array, sampled: Array) -> list[float]:
        """Return the channels of `IMAGE`, which the picture alone gives; NaN where one does not.

        Parameters
        ----------
        statistics : Array
            (≥ S,) image statistics, the kernel's first.
        cells : Array
            (G, G) cell means, grey levels.
        sampled : Array
            Of `sample`.
        """
        change = self._cells @ cells.ravel()
        change -= self._usual
        rest = change[1:]
        sd, focus, noise, red, blue = statistics[_PICKED].tolist()
        moved = _UNMOVED
        if self._registration.size and sampled.size == self._registration.shape[1]:
            flat = sampled.ravel().astype(np.float32)
            moved = (self._registration @ flat - self._place).tolist()
        return [
            float(change[0]),
            100.0 * log(max(sd, 0.0) + 0.5),
            100.0 * focus,
            100.0 * log(max(noise, 0.0) + 0.1),
            100.0 * red,
            100.0 * blue,
            log(float(rest @ rest) + _LOCAL_FLOOR),
            *moved,
        ]

    def read(self, statistics: Array, cells: Array, image: Image, result: Result) -> Doubles:
        """Return the channels' values (K,), NaN where one has none in this frame."""
        values = self.image_values(statistics, cells, sample(image))
        gen = result.scores.get("gen")
        values.append(nan if result.p_value is None else normal_score(result.p_value))
        values.append(nan if gen is None else log(max(gen, 0.0) + _SCORE_STEP))
        return np.array([values[i] for i in self._order])

    def of_image(self, statistics: Array, cells: Array, sampled: Array) -> Doubles:
        """Return those of the channels, in their order, that the picture alone gives."""
        values = self.image_values(statistics, cells, sampled)
        return np.array([values[i] for i in self._order if i < len(IMAGE)])


def normal_score(p_value: float) -> float:
    """Return z with P(Z > z) = p, by Winitzki's approximation of the error function's inverse.

    Within .01 of the exact score between p = 1e-6 and 1 − 1e-6, which it is clipped to.
    """
    p = min(max(p_value, _P_LEAST), 1.0 - _P_LEAST)
    y = 1.0 - 2.0 * p
    ln = log(1.0 - y * y)
    a = 0.147
    b = 2.0 / (pi * a) + ln / 2.0
    z = sqrt(2.0 * (sqrt(b * b - ln / a) - b))
    return z if y >= 0.0 else -z


def doubt_of(gen: Array) -> Doubles:
    """Return the channel ``doubt`` of GEN scores."""
    return np.asarray(np.log(np.maximum(gen, 0.0) + _SCORE_STEP))
