"""The numbers that are watched: from one frame's measurements to the values of the channels.

With m_c the mean of cell c of the picture (8 × 8), μ_c that of the references and w_c weights that
are large where the references hardly differ, the background of a fixed scene:

    light = Σ w_c (m_c − μ_c)                         grey levels
    local = ln(mean of (m_c − μ_c − light − gain·t_c)²·w_c)        what no light explains

with t the references' contrast of cells and gain its least-squares share. Displacement, turn and
scale come from a sparse sample P of the picture by one step of registration, weighted
least squares of P − mean P on its own derivatives (Lucas & Kanade 1981, eq. 5), linear in P.

Shares are channels that are 1 or 0 in a frame: whether the guards flag it (invalid, or p ≤ the
bundle's false-flag rate), and which answer the model gives, so that another mix of products is seen
though every picture looks as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite, log, nan

import numpy as np

from edge_guard._kernels import STATISTICS, DriftReader, normal_quantile
from edge_guard.types import Array, Doubles, Floats, Image, Result, Verdict

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
FLAGGED = "flagged"
ANSWER = "answer: "
"""Begins the channels of answers: 1 where the model's answer is the one that follows."""

OTHER_ANSWERS = "other answers"
SHARE = "share"
"""Unit of channels that are 1 or 0."""

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
_READ = ("sd", "focus", "noise_mean", "log_rg", "log_bg")
_PICKED = np.array([STATISTICS.index(name) for name in _READ], np.int32)
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
    """Reads each frame into one row: the channels, the kernel's image statistics, the cells.

    Parameters
    ----------
    scene : Scene
    names : tuple of str
        Channels, those of `IMAGE` first.
    flag_rate : float
        Frames with a p-value up to it are flagged.
    """

    def __init__(self, scene: Scene, names: tuple[str, ...], flag_rate: float = 0.0) -> None:
        image = [_ALL.index(name) for name in names if name in IMAGE]
        self._others = _readers(names[len(image) :], flag_rate)
        cells = scene.cells.size
        self._kernel = DriftReader(
            np.asarray(scene.cells, np.float64).ravel(),
            np.asarray(scene.weights, np.float64).ravel(),
            np.asarray(scene.picture, np.float32),
            np.asarray(scene.registration, np.float32),
            _PICKED,
            np.array(image, np.int32),
        )
        self._only = np.zeros(len(image) + len(STATISTICS) + 2 * cells)
        self._image = len(image)
        self.row = np.full(len(self._others) + len(self._only), nan)

    def read(self, statistics: Array, cells: Array, image: Image, result: Result) -> bool:
        """Read a frame into ``row``; return True where its channels are those of the last one.

        Channels come first, NaN where one has no value in this frame.

        Parameters
        ----------
        statistics : Array
            (≥ S,) float32 image statistics, the kernel's first.
        cells : Array
            (2, G, G) float32 means and deviations, grey levels.
        image : Image
        result : Result
            The guard's word on it.
        """
        others = tuple([of(result) for of in self._others])
        return self._kernel.read(image, statistics, cells, others, self.row)

    def of_image(self, statistics: Array, cells: Array, sampled: Image | None) -> Doubles:
        """Return those of the channels, in their order, that the picture alone gives.

        Parameters
        ----------
        statistics, cells : Array
            Of `read`.
        sampled : Image or None
            Of `sample`, or the whole picture.
        """
        self._kernel.read(sampled, statistics, cells, (), self._only)
        return self._only[: self._image].copy()


def _unlike(result: Result) -> float:
    """Return z with P(Z > z) = p of a standard normal Z, for p clipped to [1e-6, 1 − 1e-6]."""
    if result.p_value is None:
        return nan
    return -normal_quantile(min(max(result.p_value, _P_LEAST), 1.0 - _P_LEAST))


def _doubt(result: Result) -> float:
    gen = result.scores.get("gen")
    return log(max(gen, 0.0) + _SCORE_STEP) if gen is not None and isfinite(gen) else nan


def _flagged(flag_rate: float, result: Result) -> float:
    if result.p_value is None:
        return 1.0 if result.verdict is Verdict.INVALID else nan
    return float(result.p_value <= flag_rate)


def _answers(answer: str, result: Result) -> float:
    return nan if result.label is None else float(result.label == answer)


def _answers_none(answers: frozenset[str], result: Result) -> float:
    return nan if result.label is None else float(result.label not in answers)


def _readers(names: tuple[str, ...], flag_rate: float) -> tuple[Callable[[Result], float], ...]:
    """Return what reads each of the channels that the picture alone does not give."""
    known: dict[str, Callable[[Result], float]] = {
        "unlike": _unlike, "doubt": _doubt, FLAGGED: partial(_flagged, flag_rate),
    }  # fmt: skip
    answers = [name.removeprefix(ANSWER) for name in names if name.startswith(ANSWER)]
    known |= {ANSWER + answer: partial(_answers, answer) for answer in answers}
    known[OTHER_ANSWERS] = partial(_answers_none, frozenset(answers))
    return tuple(known[name] for name in names)


def doubt_of(gen: Array) -> Doubles:
    """Return the channel ``doubt`` of GEN scores."""
    return np.asarray(np.log(np.maximum(gen, 0.0) + _SCORE_STEP))
