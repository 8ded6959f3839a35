"""Whether a device finds the boxes that were found when its bundle was made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_guard.detection.decode import intersection_over_union
from edge_guard.manifest import Golden
from edge_guard.types import Detection, Doubles

OVERLAP = 0.8
"""Least intersection over union of a box here and there."""
_ROUNDED_PX = 2
"""Rounding moves edges so far; in small boxes that is much of them."""
_MARGIN = 0.05
"""Scores that far above the threshold cannot fall below it for rounding."""


def lost_boxes(golden: Golden, found: Sequence[Detection], threshold: float) -> str:
    """Return what a golden frame's boxes lack, or have too many, here; "" when nothing.

    Boxes that score next to the threshold may come and go with the last digit; they are not asked
    for.

    Parameters
    ----------
    golden : Golden
        With boxes.
    found : sequence of Detection
        What is found on this device.
    threshold : float
        From which on a score makes a box.
    """
    told = golden.boxes or ()
    sure = threshold + _MARGIN
    said = [f"{one.label} at {one.box} is not found" for one in _without_match(told, found, sure)]
    said += [f"{one.label} at {one.box} is new" for one in _without_match(found, told, sure)]
    return f"{golden.entry} shows other boxes on this device: {said[0]}" if said else ""


def _without_match(
    boxes: Sequence[Detection], others: Sequence[Detection], sure: float
) -> list[Detection]:
    """Return the sure ones of some boxes that are none of the others of their label."""
    return [
        one
        for one in boxes
        if one.score >= sure
        and not any(other.label == one.label and _same_place(one, other) for other in others)
    ]


def _same_place(one: Detection, other: Detection) -> bool:
    here, there = _corners(one), _corners(other)
    if np.abs(here - there).max() <= _ROUNDED_PX:
        return True
    return bool(intersection_over_union(here, there[None])[0] >= OVERLAP)


def _corners(box: Detection) -> Doubles:
    x, y, width, height = box.box
    return np.array([x, y, x + width, y + height], np.float64)
