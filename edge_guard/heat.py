"""A frame's heat for people: the place that stands out, and the picture with the heat on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_guard.types import Array, Box, Heat, Image

LIMIT = 1.0
"""Above it a place is farther from the references than good frames go, as promised."""
_FAINT = 0.6
"""Heat below it is not painted."""
_STRONG = 2.0
"""Heat from here on is painted the same."""
_OPACITY, _RISE = 0.65, 0.7
"""Of the strongest heat; what lies below the limit is a hint."""
_AMBER, _MAGENTA = (0.0, 190.0, 255.0), (150.0, 0.0, 255.0)
"""BGR; also told apart by their lightness."""


def region(heat: Heat) -> Box | None:
    """Return the box round the connected cells above the limit that hold the hottest one.

    None where no cell is above it, or the cells lie outside the frame.
    """
    hot = heat.cells > LIMIT
    if not hot.any():
        return None
    rows, columns = np.nonzero(_connected(hot, int(heat.cells.argmax())))
    left, top, across, down = heat.area
    cell_height, cell_width = down / hot.shape[0], across / hot.shape[1]
    x0 = round(max(0.0, left + columns.min() * cell_width))
    y0 = round(max(0.0, top + rows.min() * cell_height))
    x1 = round(min(float(heat.width), left + (columns.max() + 1) * cell_width))
    y1 = round(min(float(heat.height), top + (rows.max() + 1) * cell_height))
    return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


def _connected(mask: npt.NDArray[np.bool_], start: int) -> npt.NDArray[np.bool_]:
    """Return the cells of a mask that touch the start, directly or through others."""
    found = np.zeros_like(mask)
    found.flat[start] = True
    while True:
        padded = np.pad(found, 1)
        grown = mask & np.any(
            [
                padded[r : r + mask.shape[0], c : c + mask.shape[1]]
                for r in range(3)
                for c in range(3)
            ],
            axis=0,
        )
        if (grown == found).all():
            return found
        found = grown


def overlay(image: Image, heat: Heat) -> Image:
    """Return the frame (H, W, 3) BGR with its heat in colour and the limit as a white line."""
    full = heat.full()
    gray = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    strength = np.clip((full - _FAINT) / (_STRONG - _FAINT), 0.0, 1.0)[..., None]
    color = (1 - strength) * np.array(_AMBER) + strength * np.array(_MAGENTA)
    opacity = _OPACITY * strength**_RISE
    painted: Array = gray * (1 - opacity) + color * opacity
    painted[_edge(full > LIMIT)] = 255.0
    return np.rint(painted).astype(np.uint8)


def _edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the cells of a mask with a neighbour outside it."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
