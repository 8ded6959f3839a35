"""Image statistics, beside OpenCV and NumPy computing the same values, of large pictures of every
row and of as many rows as edge-guard measures."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bench.opencv_statistics import statistics
from bench.race import OURS, Race
from edge_guard import _kernels
from edge_guard.types import Floats

NAMES = (*_kernels.STATISTICS, *_kernels.LEVELS)
SAMPLED_FROM = 256
"""Rows from which on edge-guard measures samples of them."""

Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
SIZES = ((1080, 1920, 3), (480, 640, 3), (240, 320, 3), (480, 640, 1))


def races() -> Iterator[Race]:
    """Yield one race a picture size; OpenCV on one thread like everybody."""
    cv2.setNumThreads(1)
    for height, width, channels in SIZES:
        image = picture(height, width, channels)
        values = np.zeros(len(NAMES), np.float32)
        cells = np.zeros((2, _kernels.CELLS, _kernels.CELLS), np.float32)
        calls = {
            OURS: lambda _, i=image, v=values, c=cells: _kernels.image_statistics(i, v, c),
            "opencv": lambda _, i=image: statistics(i),
        }
        notes = {}
        if height >= SAMPLED_FROM:  # about the rows that edge-guard measures: other values
            part = np.ascontiguousarray(image[::4])
            calls["opencv, a quarter of rows"] = lambda _, i=part: statistics(i)
        else:
            notes = {"largest_difference": _difference(image, values, cells)}
        name = f"image statistics {width}x{height}, {'BGR' if channels == 3 else 'gray'}"
        yield Race(name, calls, image.nbytes, notes)


def _difference(image: Picture, values: Floats, cells: Floats) -> float:
    """Return the largest difference to OpenCV's statistics, relative where they exceed 1."""
    theirs = statistics(image)
    _kernels.image_statistics(image, values, cells)
    ours = dict(zip(NAMES, values.tolist(), strict=True))
    return max(abs(theirs[name] - v) / max(1.0, abs(v)) for name, v in ours.items())


def picture(height: int, width: int, channels: int) -> Picture:
    """Return a picture with edges, slopes and noise, as a camera's has."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    scene = 90 + 60 * np.sin(x / 37) * np.cos(y / 53) + 50 * ((x // 64 + y // 48) % 2)
    planes = [scene * share + rng.normal(0, 3, scene.shape) for share in (0.8, 1.0, 0.9)][:channels]
    image = np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
    return image if channels == 3 else np.ascontiguousarray(image[..., 0])
