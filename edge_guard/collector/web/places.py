"""Where something lies in a picture, as CSS."""

from __future__ import annotations

from edge_guard.publish.messages import ImageReference
from edge_guard.types import Box


def frame_size(image: ImageReference) -> str:
    """Return the CSS that fits a picture into its column and three quarters of the window."""
    width, height = max(1, image.width_px), max(1, image.height_px)
    return f"aspect-ratio: {width} / {height}; width: min(100%, {75 * width / height:.4g}vh)"


def outline(place: Box, image: ImageReference) -> str:
    """Return the CSS that lays a box over its picture; empty where it lies outside.

    Parameters
    ----------
    place : (int, int, int, int)
        x, y, width, height in px of the frame.
    image : ImageReference
        With the frame's size.
    """
    if image.width_px <= 0 or image.height_px <= 0:
        return ""
    x, y, width, height = place
    left, right = (min(max(edge / image.width_px, 0.0), 1.0) for edge in (x, x + width))
    top, bottom = (min(max(edge / image.height_px, 0.0), 1.0) for edge in (y, y + height))
    if right <= left or bottom <= top:
        return ""
    return (
        f"left: {left:.3%}; top: {top:.3%}; width: {right - left:.3%}; height: {bottom - top:.3%}"
    )
