"""Dirt and occlusion of a fixed scene: one cell of the picture differs from its own past.

Residual of cell c:  r_c = |m_c − median_c(m − reference) − reference_c| / (spread_c + floor); the
median over the cells takes out a change of light, which is another check's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard import _kernels
from edge_guard.gate.spec import CellSpec
from edge_guard.types import Array, Box, Doubles, Floats, Reason

MARGIN = 1.6
"""The hard limit is this multiple of the largest residual seen on a reference."""

USUAL = 0.99
"""Share of the references whose largest residual explains nothing."""

FLOOR_LEVELS = 1.5
"""Grey levels added to each cell's spread, so that quantization is not news."""

FIXED_SCENE = 12.0
"""A scene whose cells vary by more than this many grey levels (median) is not fixed."""


@dataclass(frozen=True, slots=True)
class CellModel:
    """Each cell's usual brightness and spread, (G, G) grey levels."""

    center: Doubles
    spread: Doubles

    def residuals(self, means: Array) -> Doubles:
        """Return the standardised residual of each cell, (..., G, G)."""
        local = means - self.center - self.shift(means)[..., None, None]
        return np.asarray(np.abs(local) / (self.spread + FLOOR_LEVELS))

    def shift(self, means: Array) -> Doubles:
        """Return by how many grey levels the scene as a whole is brighter than usual, (...)."""
        return median(means - self.center)

    def light(self, means: Floats) -> tuple[float, float]:
        """Return the shift and the largest residual of one frame's cells (G, G), quickly."""
        return _kernels.scene_light(means, self.center, self.spread, FLOOR_LEVELS)


def median(cells: Array) -> Doubles:
    """Return the median over each (..., G, G): (...). Cheaper than NumPy's on so few numbers."""
    ordered = np.sort(cells.reshape(*cells.shape[:-2], -1), axis=-1)
    middle = ordered.shape[-1] // 2
    return np.asarray(0.5 * (ordered[..., middle - 1] + ordered[..., middle]))


def fit_cells(
    means: Array, folds: Sequence[tuple[Array, Array]]
) -> tuple[CellModel, CellSpec] | None:
    """Return the cell model of references and its limits; None where the scene is not fixed.

    Parameters
    ----------
    means : Array
        (N, G, G) cell means of the references, grey levels.
    folds : sequence of (fit, score) index arrays
        Parts that do not depend on each other; residuals are taken out of fold.
    """
    cells = np.asarray(means, np.float64)
    model = _model(cells)
    if float(np.median(model.spread)) > FIXED_SCENE:
        return None
    worst = np.concatenate(
        [_model(cells[fit]).residuals(cells[score]).max((1, 2)) for fit, score in folds]
    )
    shift = model.shift(cells)
    low, high = float(shift.min()) - FLOOR_LEVELS, float(shift.max()) + FLOOR_LEVELS
    usual = float(np.quantile(worst, USUAL))
    return model, CellSpec(usual, hard=MARGIN * float(worst.max()) + 1.0, shift=(low, high))


def _model(cells: Doubles) -> CellModel:
    center = np.median(cells, axis=0)
    return CellModel(center, 1.4826 * np.median(np.abs(cells - center), axis=0))


def occlusion(
    model: CellModel, spec: CellSpec, means: Array, shape: tuple[int, ...], *, hard: bool
) -> Reason | None:
    """Return why a frame's cells are wrong, with the place, or None.

    Parameters
    ----------
    means : Array
        (G, G) cell means of the frame.
    shape : tuple
        The frame's (H, W, …) in px.
    """
    residuals = model.residuals(means)
    limit = spec.hard if hard else spec.usual
    worst = float(residuals.max())
    if worst <= limit:
        return None
    return Reason(
        "gate.occlusion",
        "part of the picture is covered or dirty",
        worst,
        (None, limit),
        _place(residuals > limit, shape),
    )


def same_light(model: CellModel, spec: CellSpec, means: Array) -> bool:
    """Return whether most of the scene is as bright as ever, whatever covers some of it."""
    low, high = spec.shift
    return bool(low <= model.shift(means) <= high)


def _place(marked: Array, shape: tuple[int, ...]) -> Box:
    """Return the box round the marked cells in px."""
    rows, columns = np.nonzero(marked)
    grid = marked.shape[0]
    top, bottom = rows.min() * shape[0] // grid, (rows.max() + 1) * shape[0] // grid
    left, right = columns.min() * shape[1] // grid, (columns.max() + 1) * shape[1] // grid
    return int(left), int(top), int(right - left), int(bottom - top)
