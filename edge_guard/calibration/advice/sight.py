"""What advice reads of one picture: statistics, a small copy, and the light on a coarse grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_guard.backends.preprocess import thumbnail
from edge_guard.gate.gate import STATISTICS, Meter
from edge_guard.types import Doubles, Exposure, Floats, Frame, Image

SMALL_PX = 32
"""Longest side of the small copy."""
ROWS, COLUMNS = 32, 8
"""Grid that the light is read on: fine from top to bottom, as a rolling shutter reads."""
_PER_CELL = 8
"""Columns of pixels that are sampled in a cell of that grid."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture, measured.

    Attributes
    ----------
    sequence : int
    monotonic_s, wall_s : float
    statistics : Floats
        (S,), in the order of `STATISTICS`.
    pixels_hash : int
        Equal for equal pictures.
    small : Floats
        (h, w) luma of the small copy, grey levels.
    grain : float
        Largest root mean square that the sensor's noise alone makes between two small copies, grey
        levels.
    light : Floats
        (ROWS, COLUMNS) mean grey level.
    shape : tuple of int
    exposure : Exposure or None
    """

    sequence: int
    monotonic_s: float
    wall_s: float
    statistics: Floats
    pixels_hash: int
    small: Floats
    grain: float
    light: Floats
    shape: tuple[int, ...]
    exposure: Exposure | None = None

    def __getitem__(self, name: str) -> float:
        """Return a statistic by name."""
        return float(self.statistics[_COLUMN[name]])


_COLUMN = {name: i for i, name in enumerate(STATISTICS)}

_LEAST, _MOST = 1.0, 6.0
"""Below the least is what JPEG makes of a scene that stands still."""
_GAIN = 0.8, 1.25
_MARGIN = 1.5
"""A root mean square over hundreds of samples hardly leaves its expectation."""


class Eye:
    """Measures pictures, one after the other."""

    def __init__(self) -> None:
        self._meter = Meter()

    def see(self, frame: Frame, image: Image) -> Sight:
        """Return what is seen in ``image``, the part of the frame's picture that is inspected.

        Parameters
        ----------
        frame : Frame
            Tells the times.
        image : Image
            At least `edge_guard.gate.gate.MIN_SIDE_PX` a side.
        """
        measured = self._meter.measure(image)
        small = _luma(thumbnail(image, SMALL_PX))
        statistics = measured.statistics.copy()
        return Sight(
            frame.sequence,
            frame.monotonic_ns / 1e9,
            frame.wall_ns / 1e9,
            statistics,
            measured.pixels_hash,
            small,
            _grain(float(statistics[_COLUMN["noise"]]), image, small),
            _light(image),
            image.shape,
            frame.exposure,
        )


def differences(known: Sequence[Sight], new: Sight) -> Doubles:
    """Return the root mean squares of y − g·x, grey levels, of a small copy y and known ones x.

    g = Σ x·y / Σ x² of each row of pixels, kept within a quarter of 1: light that changes, all over
    or in the bands of a flicker, is no other part. Shape (N,) of the N known ones; ∞ where the
    pictures' sizes differ.

    Parameters
    ----------
    known : sequence of Sight
    new : Sight
    """
    found = np.full(len(known), np.inf)
    rows = [i for i, one in enumerate(known) if one.shape == new.shape]
    if rows:
        x, y = np.stack([known[i].small for i in rows]), new.small
        gain = np.einsum("nrc,rc->nr", x, y) / np.maximum(np.einsum("nrc,nrc->nr", x, x), 1.0)
        rest = y - np.clip(gain, *_GAIN)[:, :, None] * x
        found[rows] = np.sqrt(np.einsum("nrc,nrc->n", rest, rest) / y.size)
    return found


def _luma(image: Image) -> Floats:
    plane = image if image.ndim == 2 else image.mean(2)
    return np.asarray(plane, np.float32)


def _grain(noise: float, image: Image, small: Floats) -> float:
    """Return margin · σ · √2 / √(pixels averaged), within limits: textures pass as noise."""
    averaged = image.shape[0] * image.shape[1] / small.size
    return float(np.clip(_MARGIN * noise * np.sqrt(2.0 / averaged), _LEAST, _MOST))


def _light(image: Image) -> Floats:
    """Return the grid's means of a sample: the green channel, `_PER_CELL` columns a cell."""
    height, width = image.shape[:2]
    columns = np.linspace(0, width - 1, COLUMNS * _PER_CELL).astype(int)
    plane: Doubles = (image if image.ndim == 2 else image[:, :, 1])[:, columns].astype(np.float64)
    starts = np.linspace(0, height, ROWS + 1).astype(int)
    rows = np.array([plane[a : max(b, a + 1)].mean(0) for a, b in pairwise(starts)])
    return np.asarray(rows.reshape(ROWS, COLUMNS, _PER_CELL).mean(2), np.float32)
