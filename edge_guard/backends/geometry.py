"""How a frame of one size becomes the model's: stretch, center-crop or letterbox.

Shrinking averages whole blocks of pixels first (area interpolation by a whole factor), then goes
the last step below a factor of two linearly: as free of aliasing as area interpolation to the eye
of a model, at a fifth of its cost. Enlarging is linear.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mode = Literal["stretch", "center-crop", "letterbox"]
PADDING = 114
"""Gray level beside a letterboxed frame, as YOLO models are trained with."""


class Geometry(NamedTuple):
    """Which part of a frame goes where, in px.

    The part (top, left, height, width) is averaged over blocks of blocks_down × blocks_across px,
    then resized linearly to (out_height, out_width), in the middle of the model's input.
    """

    top: int
    left: int
    height: int
    width: int
    out_height: int
    out_width: int
    blocks_down: int
    blocks_across: int


def geometry(mode: Mode, frame: tuple[int, int], height: int, width: int) -> Geometry:
    """Return how a frame of (rows, columns) becomes a ``height`` × ``width`` input.

    The part's height and width are multiples of the blocks, so at most one block less one pixel
    is lost at the edges.
    """
    rows, columns = frame
    out_height, out_width = height, width
    if mode == "center-crop":
        factor = min(rows / height, columns / width)
        rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    elif mode == "letterbox":
        factor = min(height / rows, width / columns)
        out_height = min(height, max(1, round(rows * factor)))
        out_width = min(width, max(1, round(columns * factor)))
    down, across = max(1, rows // out_height), max(1, columns // out_width)
    rows, columns = rows - rows % down, columns - columns % across
    top, left = (frame[0] - rows) // 2, (frame[1] - columns) // 2
    return Geometry(top, left, rows, columns, out_height, out_width, down, across)


def covered(
    mode: Mode, frame: tuple[int, int], height: int, width: int
) -> tuple[float, float, float, float]:
    """Return x, y, width and height, in px of the frame, of what the model's input shows.

    A letterboxed input shows more than the frame: its padding.
    """
    plan = geometry(mode, frame, height, width)
    down, across = plan.height / plan.out_height, plan.width / plan.out_width
    top = plan.top - (height - plan.out_height) // 2 * down
    left = plan.left - (width - plan.out_width) // 2 * across
    return left, top, width * across, height * down
