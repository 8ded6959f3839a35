"""How a change shows, for its cause to be named: channels, image statistics, and where it is.

Of the mean change since it came: of each image channel, of each of the kernel's image statistics,
and of the map of cells (mean and ln of the deviation inside each) its ranks, sides and roughness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.types import Array, Doubles

CELLS = 64
"""8 × 8."""

SD_FLOOR = 2.0
"""Grey levels added to the deviation inside a cell before its logarithm."""

_LEVEL_FLOOR, _SPREAD_FLOOR = 1.0, 0.05
_RANKS = (0, 2, 7, 15)
_TOPS = (3, 8)
N_CELL_FEATURES = 23


def cell_values(cells: Array) -> Doubles:
    """Return the 128 values of cells (2, 8, 8) or (128,): means, then ln(sd + 2)."""
    flat = np.asarray(cells, np.float64).ravel()
    return np.concatenate((flat[:CELLS], np.log(flat[CELLS:] + SD_FLOOR)))


def measured_cells(values: Array) -> Doubles:
    """Return the means and deviations (128,) of `cell_values`."""
    flat = np.asarray(values, np.float64)
    return np.concatenate((flat[:CELLS], np.exp(flat[CELLS:]) - SD_FLOOR))


@dataclass(frozen=True, slots=True)
class Change:
    """A mean change.

    Attributes
    ----------
    channels : Doubles
        (K,) of the image channels.
    statistics : Doubles
        (S,) of the kernel's image statistics.
    cells : Doubles
        (128,) difference of `cell_values` of mean cells.
    """

    channels: Doubles
    statistics: Doubles
    cells: Doubles


def look(change: Change, spread: Array) -> Doubles:
    """Return the description (K + S + 23,) of a change.

    Parameters
    ----------
    change : Change
    spread : Array
        (128,) standard deviations of the references' cells, by `cell_spread`.
    """
    level = (change.cells[:CELLS] - np.median(change.cells[:CELLS])) / spread[:CELLS]
    texture = change.cells[CELLS:] / spread[CELLS:]
    return np.concatenate((change.channels, change.statistics, _map_features(level, texture)))


def cell_spread(values: Array) -> Doubles:
    """Return the standard deviations (128,) of references' cell values (N, 128), with floors."""
    floor = np.repeat([_LEVEL_FLOOR, _SPREAD_FLOOR], CELLS)
    return np.asarray(values.std(0) + floor)


def _map_features(level: Doubles, texture: Doubles) -> Doubles:
    size = np.abs(level)
    order = np.argsort(-size)
    grid = level.reshape(8, 8)
    steps = (np.diff(grid, axis=axis) for axis in (0, 1))
    return np.array(
        [
            *_ranked(level),
            *_ranked(texture),
            grid[:, :4].mean() - grid[:, 4:].mean(),
            grid[:4].mean() - grid[4:].mean(),
            *(texture[order[:top]].mean() for top in _TOPS),
            np.sqrt(sum((step**2).mean() for step in steps)),
            size[order[:3]].mean(),
            size[order[:16]].mean(),
        ]
    )


def _ranked(values: Doubles) -> Doubles:
    ordered = np.sort(values)
    return np.concatenate((ordered[::-1][list(_RANKS)], ordered[list(_RANKS)]))
