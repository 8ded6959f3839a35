"""When the latest frames were taken, and small pictures of some of them."""

from __future__ import annotations

from collections import deque

import numpy as np

from edge_guard.types import Frame, Image

THUMBNAIL_PX = 96
_EVERY = 64
_PICTURES = 24
_STAMPS = 4096


class Album:
    """Stamps of the last 4,096 frames, and 24 pictures of at most 96 px, 64 frames apart."""

    def __init__(self) -> None:
        self._stamps = np.zeros((_STAMPS, 2), np.int64)
        self._count = 0
        self._pictures: deque[tuple[int, Image]] = deque(maxlen=_PICTURES)

    def add(self, frame: Frame, count: int, *, keep: bool) -> None:
        """Note the frame, the ``count``-th that is used; take its picture where one is due.

        Parameters
        ----------
        frame : Frame
        count : int
        keep : bool
            The frame may stand for how it was before a change.
        """
        self._stamps[count % _STAMPS] = frame.sequence, frame.wall_ns
        self._count += 1
        if keep and (self._count - 1) % _EVERY == 0:
            self._pictures.append((count, small(frame.image)))

    def stamp(self, count: int, ago: int) -> tuple[int, int]:
        """Return sequence and capture time of the frame before ``ago`` others, or the oldest."""
        ago = min(ago, self._count - 1, _STAMPS - 1)
        sequence, wall_ns = self._stamps[(count - ago) % _STAMPS].tolist()
        return sequence, wall_ns

    def before(self, count: int) -> Image | None:
        """Return the newest picture among the first ``count`` frames; None where none is kept."""
        return next((image for at, image in reversed(self._pictures) if at <= count), None)


def small(image: Image) -> Image:
    """Return each k-th pixel of each k-th row, at most 96 a side."""
    step = max(1, -(-max(image.shape[:2]) // THUMBNAIL_PX))
    return image[::step, ::step].copy()
