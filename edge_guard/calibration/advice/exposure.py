"""Brightness that moves one way while pictures are taken, by itself or by the camera's doing."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from edge_guard.calibration.advice.sight import Sight

_FEWEST = 24
_LEVELS = 4.0
_ERRORS = 5.0


def brightness_moved(sights: Sequence[Sight]) -> float | None:
    """Return by how many grey levels the light moved from the first third to the last.

    None where it stands still: it moved by less than 4 levels, by less than 5 standard errors, or
    there are fewer than two dozen pictures. The light is the median of the grid's medians over each
    third, so that single bright parts do not count.

    Parameters
    ----------
    sights : sequence of Sight
        In the order of capture.
    """
    if len(sights) < _FEWEST:
        return None
    light = np.array([float(np.median(sight.light)) for sight in sights])
    third = len(light) // 3
    first, last = light[:third], light[-third:]
    moved = float(np.median(last) - np.median(first))
    spread = [float(np.median(np.abs(part - np.median(part)))) for part in (first, last)]
    error = (
        1.253 * 1.4826 * float(np.hypot(spread[0], spread[1])) / np.sqrt(third)
    )  # sd of a median
    return moved if abs(moved) >= max(_LEVELS, _ERRORS * error) else None


def changes_by_itself(sights: Sequence[Sight]) -> bool:
    """Return whether the camera tells that it changed exposure or gain between pictures."""
    told = [sight.exposure for sight in sights if sight.exposure is not None]
    return any(
        len({value for value in column if isfinite(value)}) > 1
        for column in zip(*told, strict=True)
    )
