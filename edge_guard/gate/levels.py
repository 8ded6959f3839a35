"""Which grey levels a picture holds: statistics beside the kernel's, from a sample of its pixels.

Moments and percentiles of a picture of two tones vary as widely as its parts do, and a tone between
the two hides among them; the share of the levels between them does not.

    level_b    = ln(share of the pixels in levels 16 b … 16 b + 15, + SHARE_FLOOR)    b = 0 … 15
    darkest, brightest    lowest and highest level

of the gray or green value, taken at every k-th pixel of every k-th row with k = ⌈side / 64⌉,
so that the cost does not grow with the picture.
"""

from __future__ import annotations

import numpy as np

from edge_guard.types import Floats, Image

BINS = 16
NAMES = (*(f"level_{b}" for b in range(BINS)), "darkest", "brightest")
SHARE_FLOOR = 0.003
"""Shares far below this are all the same: a few stray pixels."""

_SAMPLES_A_SIDE = 64
_GREEN = 1


def level_statistics(image: Image, out: Floats) -> None:
    """Write the statistics of `NAMES` into ``out``.

    Parameters
    ----------
    image : Image
        uint8 (H, W) or (H, W, 3) BGR.
    out : Floats
        (18,) float32.
    """
    step = -(-min(image.shape[:2]) // _SAMPLES_A_SIDE)
    plane = image if image.ndim == 2 else image[..., _GREEN]
    histogram = np.bincount(plane[::step, ::step].ravel(), minlength=256)
    shares = histogram.reshape(BINS, -1).sum(1) / histogram.sum()
    np.log(shares + SHARE_FLOOR, out=out[:BINS], casting="same_kind")
    held = np.flatnonzero(histogram)
    out[BINS], out[BINS + 1] = held[0], held[-1]
