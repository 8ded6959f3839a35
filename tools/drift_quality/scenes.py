"""Real frames in the order of a stream: a board under a camera, solar cells, bottles on a belt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from real_data import data_dir, images

from edge_guard.types import Image

SIDE_PX, MARGIN_PX = 256, 16
"""Frames are larger than what the camera sees by a margin, so that it can move over real content.
"""
_HEADROOM, _FLOOR = 0.9, 8.0
"""Boards are black and white: a camera leaves room at both ends for light to change."""

REFERENCES, _WAYS = 300, 4


def view(frame: Image) -> Image:
    """Return what the camera sees of a frame with its margin."""
    return np.ascontiguousarray(frame[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX])


def board(index: int, n: int, rng: np.random.Generator) -> list[Image]:
    """Return what a fixed camera sees of one board: moved σ .3 px, light ±.5 %, noise σ 2."""
    template = images("deeppcb_boards").images[2 * index]
    return [_seen(template, rng) for _ in range(n)]


def _seen(template: Image, rng: np.random.Generator) -> Image:
    move = np.array([[1, 0, rng.normal(0, 0.3)], [0, 1, rng.normal(0, 0.3)]])
    moved = cv2.warpAffine(template, move, template.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    size = SIDE_PX + 2 * MARGIN_PX
    top, left = ((side - size) // 2 for side in template.shape[:2])
    x = moved[top : top + size, left : left + size].astype(np.float32) * _HEADROOM + _FLOOR
    lit = x * rng.normal(1.0, 0.005) + rng.normal(0.0, 2.0, x.shape)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def solar_cells(part: int, n: int, rng: np.random.Generator) -> list[Image]:
    """Return solar cells of one half of the set, each laid in four ways, with noise σ 1.

    The first `REFERENCES` frames show no cell twice in one way; later ones show what is left.
    """
    half = images("elpv_a").images[part::2]
    ways = rng.permutation(_WAYS * len(half))
    known = min(n, REFERENCES)
    drawn = (*ways[:known], *rng.choice(ways[known:], n - known))
    return [_laid(half[i // _WAYS], int(i % _WAYS), rng) for i in drawn]


def _laid(cell: Image, way: int, rng: np.random.Generator) -> Image:
    laid = np.rot90(cell, 2 * (way // 2))[:, :: 1 - 2 * (way % 2)].astype(np.float32)
    return np.clip(np.rint(laid + rng.normal(0, 1, cell.shape)), 0, 255).astype(np.uint8)


def bottles(_: int, n: int, __: np.random.Generator) -> list[Image]:
    """Return the first ``n`` frames of the bottle video at half its size."""
    root = data_dir()
    assert root is not None
    capture = cv2.VideoCapture(str(root / "video" / "bottle-detection.mp4"))
    frames: list[Image] = []
    while len(frames) < n:
        there, frame = capture.read()
        if not there:
            break
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        frames.append(np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.uint8))
    return frames


@dataclass(frozen=True, slots=True)
class Scene:
    """A stream of real frames.

    Attributes
    ----------
    name : str
    index : int
        Which board.
    make : callable
        (index, n, rng) → frames with their margin, in order.
    references, clean : int
        How many of the frames are references, and how many come after them.
    other : int or None
        Index of another product on the same line.
    """

    name: str
    index: int
    make: Callable[[int, int, np.random.Generator], list[Image]]
    references: int
    clean: int
    other: int | None = None


SCENES = (
    *(Scene(f"board {i}", i, board, REFERENCES, 600, (i + 5) % 12) for i in (0, 2, 4, 7)),
    Scene("solar cells", 0, solar_cells, REFERENCES, 600),
    Scene("bottles", 0, bottles, 594, 595),
)
"""What is reported."""

DEVELOPMENT = (
    *(Scene(f"board {i}", i, board, REFERENCES, 600, (i + 5) % 12) for i in (1, 3, 6, 8, 10)),
    Scene("solar cells", 1, solar_cells, REFERENCES, 600),
)
"""Other boards, other cells: what causes are worked on with, and never reported."""
