"""What the references look like to the drift monitors: background weights, and how moves show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_guard.calibration.drift_warp import warped
from edge_guard.drift.channels import Scene, sample
from edge_guard.types import Array, Doubles, Floats, Image

_CELL_FLOOR = 0.5
"""Grey levels: cells steadier than this are all equally good."""

_PIXEL_FLOOR = 3.0
_STEPS = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.01))
"""Across and down, px; turn, degrees; scale: one unit of each channel of `GEOMETRY`."""

_MOVED = 6
"""So many references tell how moves show."""


def fit_scene(cells: Array, sampled: Array, pictures: Sequence[Image], *, fixed: bool) -> Scene:
    """Return the scene of references.

    Parameters
    ----------
    cells : Array
        (N, G, G) cell means.
    sampled : Array
        (N, S, S) samples (`edge_guard.drift.channels.sample`); read only where ``fixed``.
    pictures : sequence of Image
        Some references, moved to see how moves show; of one size where ``fixed``.
    fixed : bool
        The camera sees one scene: moves can be measured.
    """
    center = np.median(np.asarray(cells, np.float64), axis=0)
    weights = 1.0 / (np.asarray(cells, np.float64).var(0) + _CELL_FLOOR**2)
    weights /= weights.sum()
    empty = np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
    picture, registration = _register(sampled, pictures) if fixed else empty
    return Scene(center, weights, picture, registration)


def _register(sampled: Array, pictures: Sequence[Image]) -> tuple[Floats, Floats]:
    """Return the mean sample (P,) and the registration (4, P): across, down, turn, scale."""
    flat = np.asarray(sampled, np.float64).reshape(len(sampled), -1)
    mean = flat.mean(0)
    weight = 1.0 / (flat.var(0) + _PIXEL_FLOOR**2)
    templates = _templates(pictures, mean)
    weighted = templates * weight
    normal = weighted @ templates.T
    scales = np.sqrt(np.diag(normal))
    if not (scales > 0).all():
        return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
    correlation = normal / np.outer(scales, scales) + 1e-3 * np.eye(len(normal))
    solved = np.linalg.solve(correlation, weighted / scales[:, None]) / scales[:, None]
    return mean.astype(np.float32), solved[2:].astype(np.float32)


def _templates(pictures: Sequence[Image], mean: Doubles) -> Doubles:
    """Return (6, P): change of the sample by light, gain, 1 px across and down, 1° and 1 %."""
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, _MOVED).astype(int)]
    planes = [(p if p.ndim == 2 else p[..., 1]).astype(np.float32) for p in chosen]
    moves = [np.mean([_step(plane, step) for plane in planes], axis=0) for step in _STEPS]
    return np.array([np.ones(len(mean)), mean - mean.mean(), *moves], np.float64)


def _step(plane: Floats, step: tuple[float, float, float, float]) -> Doubles:
    """Return half of what the sample differs by between a step ahead and a step back, (P,)."""
    there, back = warped(plane, *step), warped(plane, *(-part for part in step))
    return np.asarray((sample(there) - sample(back)).ravel() / 2.0, np.float64)
