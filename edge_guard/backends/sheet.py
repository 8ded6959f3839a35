"""Pictures side by side on one sheet for people, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import cv2
import numpy as np

from edge_guard.backends.preprocess import thumbnail
from edge_guard.types import Image

_LEAST_PX, _MOST_PX = 400, 1024
"""Longer side of a panel: smaller frames are enlarged by whole factors, larger ones shrunk."""
_SMALL_PX = 96
_COLUMN_PX = 200
_LINE_PX = 18
_GAP_PX = 10
_PAPER, _INK = 28, (225, 225, 225)
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


class Panel(NamedTuple):
    """A picture, uint8 (H, W, 3) BGR or (H, W), and the lines that go with it."""

    lines: tuple[str, ...]
    image: Image


def readable(image: Image) -> Image:
    """Return the image as BGR, enlarged or shrunk to a size at which people can read it."""
    colored = thumbnail(_colored(image), _MOST_PX)
    return _enlarged(colored, -(-_LEAST_PX // max(colored.shape[:2])))


def sheet(panels: Sequence[Panel], column: Sequence[Panel] = ()) -> Image:
    """Return panels of equal size side by side, and smaller pictures in a column beside them.

    Parameters
    ----------
    panels : sequence of Panel
        At least one, `readable`; captions above.
    column : sequence of Panel
        Captions above, too. The sheet grows where they need more height.
    """
    blocks = [_captioned(panel.lines, panel.image, 0) for panel in panels]
    if column:
        lines = sum(len(panel.lines) for panel in column)
        room = blocks[0].shape[0] - lines * _LINE_PX - (len(column) - 1) * _GAP_PX
        side = max(_SMALL_PX, room // len(column))
        small = [_captioned(p.lines, _fitted(p.image, side), _COLUMN_PX) for p in column]
        blocks.append(_stacked(small))
    return _beside(blocks)


def _fitted(image: Image, side: int) -> Image:
    """Return the image as BGR, its longer side ``side`` px."""
    colored = _colored(image)
    return thumbnail(_enlarged(colored, -(-side // max(colored.shape[:2]))), side)


def _enlarged(image: Image, factor: int) -> Image:
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _colored(image: Image) -> Image:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)


def _captioned(lines: Sequence[str], image: Image, least: int) -> Image:
    """Return the image under its caption, at least ``least`` px wide."""
    width = max(least, image.shape[1])
    return np.concatenate([*(_text(line, width) for line in lines), _widened(image, width)])


def _text(line: str, width: int) -> Image:
    """Return one line of text, cut where it is too long."""
    strip = np.full((_LINE_PX, width, 3), _PAPER, np.uint8)
    words = line.encode("ascii", "replace").decode()
    while words and cv2.getTextSize(words, _FONT, _SCALE, 1)[0][0] > width:
        words = words.removesuffix("...")[:-1] + "..." if len(words) > 4 else ""
    cv2.putText(strip, words, (0, _LINE_PX - 5), _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return strip


def _widened(image: Image, width: int) -> Image:
    right = width - image.shape[1]
    return cast(Image, np.pad(image, ((0, 0), (0, right), (0, 0)), constant_values=_PAPER))


def _stacked(blocks: Sequence[Image]) -> Image:
    width = max(block.shape[1] for block in blocks)
    gap = np.full((_GAP_PX, width, 3), _PAPER, np.uint8)
    rows = [part for block in blocks for part in (_widened(block, width), gap)]
    return np.concatenate(rows[:-1])


def _beside(blocks: Sequence[Image]) -> Image:
    height = max(block.shape[0] for block in blocks)
    gap = np.full((height, _GAP_PX, 3), _PAPER, np.uint8)
    columns = [gap]
    for block in blocks:
        below = ((0, height - block.shape[0]), (0, 0), (0, 0))
        columns += [np.pad(block, below, constant_values=_PAPER), gap]
    middle = np.concatenate(columns, axis=1)
    return np.pad(middle, ((_GAP_PX, _GAP_PX), (0, 0), (0, 0)), constant_values=_PAPER)
