"""What tells causes apart in a picture: statistics, one-sidedness, rare levels and where they are.

    rarity of a level v    −ln(share of the references' pixels in its bin of 16 levels, + floor)

averaged over the cells of the picture: a shadow makes one side rare, a foreign thing one place,
noise the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.gate.cells import CellModel
from edge_guard.types import Array, Doubles

BINS = 16
SHARE_FLOOR = 0.003
"""Shares far below this are all the same: a few stray pixels."""

_CELLS_A_SIDE = 8
_RANKS = (0, 3, 7, 15, 31, 47)
"""Of the cells' rarities and residuals, largest first, these describe how far a change reaches."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What the gate measured in pictures, one row each.

    Attributes
    ----------
    statistics : Array
        (N, S).
    cells : Array
        (N, G, G) cell means, grey levels.
    reduced : Array
        (N, SIDE, SIDE), `edge_guard.gate.alignment.reduce`.
    """

    statistics: Array
    cells: Array
    reduced: Array


def fit_rarity(reduced: Array) -> Doubles:
    """Return the rarity of each bin of levels, (16,), in reduced references (N, SIDE, SIDE)."""
    counts = np.bincount(_bins(reduced).ravel(), minlength=BINS)
    return np.asarray(-np.log(counts / counts.sum() + SHARE_FLOOR))


def describe(looks: Looks, rarity: Array, cells: CellModel | None) -> Doubles:
    """Return the descriptions (N, D) of pictures.

    Parameters
    ----------
    looks : Looks
    rarity : Array
        (16,) of `fit_rarity`.
    cells : CellModel or None
        None where the scene is not fixed.
    """
    means = np.asarray(looks.cells, np.float64)
    parts = [np.asarray(looks.statistics, np.float64), _apart(means)]
    n, side = looks.reduced.shape[:2]
    block = side // _CELLS_A_SIDE
    tiles = rarity[_bins(looks.reduced)].reshape(n, _CELLS_A_SIDE, block, _CELLS_A_SIDE, block)
    rare = tiles.mean((2, 4))
    parts += [_sides(rare), _ranked(rare)]
    if cells is not None:
        parts += [_ranked(cells.residuals(means)), cells.shift(means)[:, None]]
    return np.concatenate(parts, axis=1)


def _bins(reduced: Array) -> Array:
    return np.clip(reduced, 0, 255).astype(np.intp) // (256 // BINS)


def _halves(maps: Doubles) -> list[tuple[Doubles, Doubles]]:
    """Return left and right, top and bottom of maps (N, G, G)."""
    middle = maps.shape[-1] // 2
    return [
        (maps[:, :, :middle], maps[:, :, middle:]),
        (maps[:, :middle], maps[:, middle:]),
    ]


def _apart(means: Doubles) -> Doubles:
    """Return how far the brightest and the darkest cells of two halves lie apart, (N, 4)."""
    found = [
        np.abs(extreme(one, axis=(1, 2)) - extreme(other, axis=(1, 2)))
        for one, other in _halves(means)
        for extreme in (np.max, np.min)
    ]
    return np.stack(found, axis=1)


def _sides(rare: Doubles) -> Doubles:
    """Return the rarity of the rarer and of the more usual half, both ways, (N, 4)."""
    found = []
    for one, other in _halves(rare):
        pair = np.stack([one.mean((1, 2)), other.mean((1, 2))])
        found += [pair.max(0), pair.min(0)]
    return np.stack(found, axis=1)


def _ranked(maps: Doubles) -> Doubles:
    ordered = np.sort(maps.reshape(len(maps), -1), axis=1)[:, ::-1]
    return np.asarray(ordered[:, _RANKS])
