"""A camera that moves, turns or comes nearer: pictures as it would see them."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.imagined.resample import sample
from edge_guard.types import Floats


def warped(x: Floats, across: float, down: float, turn: float, scale: float) -> Floats:
    """Return the picture as seen by a camera that has moved; edges are mirrored.

    Parameters
    ----------
    x : Floats
        (H, W) or (H, W, 3).
    across, down : float
        Displacement of the picture, px.
    turn : float
        Clockwise, degrees.
    scale : float
        Share by which it grows.
    """
    height, width = x.shape[:2]
    angle = np.deg2rad(turn)
    rows = np.arange(height, dtype=np.float32)[:, None] - height / 2 - np.float32(down)
    columns = np.arange(width, dtype=np.float32)[None] - width / 2 - np.float32(across)
    cosine, sine = np.float32(np.cos(angle) / (1 + scale)), np.float32(np.sin(angle) / (1 + scale))
    y = cosine * rows - sine * columns + np.float32(height / 2)
    z = sine * rows + cosine * columns + np.float32(width / 2)
    return sample(x, y, z)
