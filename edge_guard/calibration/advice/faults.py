"""What is wrong with single pictures: black, burnt out, or less sharp than the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_guard.calibration.advice.sight import Sight

_BLACK_MEAN, _BLACK_P99 = 8.0, 24.0
_DEAD_SD = 1.0
_BURNT = 0.25
_FEWEST = 12
_SPREADS = 3.0
_LEAST_STEP = 0.4
"""In ln(sharpness): a third less."""
_FLOOR = 0.1
"""Grey levels that keep flat pictures from being sharp or blurred."""


def black(sight: Sight) -> bool:
    """Return whether a picture shows nothing: all of it dark, or one flat tone."""
    dark = sight["mean"] < _BLACK_MEAN and sight["p99"] < _BLACK_P99
    return dark or sight["sd"] < _DEAD_SD


def burnt(sight: Sight) -> bool:
    """Return whether a quarter of the picture or more is white without any detail."""
    return sight["clipped_high"] >= _BURNT


def blurred(sights: Sequence[Sight]) -> list[int]:
    """Return the rows of pictures that are clearly less sharp than most, ascending.

    Sharpness is ln((l₁ + 0.1)/(l₄ + 0.1)), l the Laplacian of the picture and of the picture
    shrunk four times: blur takes the fine detail and leaves the coarse, whatever is shown. One is
    blurred where it lies below the median m by more than 3·(m − q16), q16 the quantile of the
    softer pictures, and by a third at least: where products differ in sharpness by themselves, none
    is called blurred.

    Parameters
    ----------
    sights : sequence of Sight
        Fewer than a dozen give none.
    """
    if len(sights) < _FEWEST:
        return []
    focus = np.array([_sharpness(sight) for sight in sights])
    middle, low = np.quantile(focus, 0.5), np.quantile(focus, 0.16)
    limit = middle - max(_SPREADS * (middle - low), _LEAST_STEP)
    return [int(row) for row in np.flatnonzero(focus < limit)]


def _sharpness(sight: Sight) -> float:
    fine, coarse = sight["laplacian_1x"], sight["laplacian_4x"]
    return float(np.log((fine + _FLOOR) / (coarse + _FLOOR)))
