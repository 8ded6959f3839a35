"""Test frames for a guard: a good picture, deliberately spoilt in ways that must never pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edge_guard.types import Floats, Image, Result, Verdict

_LEAST_CHANGE = 8.0
"""Grey levels, root of the mean square: a picture that is changed less is not spoilt; the dark
room of a picture that was nearly black is one."""
_DARK = 0.04
_BLURS = 8
"""Widths of the blur along the shorter side."""


class Trial(NamedTuple):
    """A picture that a guard must not accept."""

    name: str
    image: Image

    def trouble(self, result: Result) -> str:
        """Return what is wrong with the guard's word on it, empty when nothing is."""
        return "" if result.verdict != Verdict.ACCEPT else f"a {self.name} picture was accepted"


def spoilt(good: Image) -> Iterator[Trial]:
    """Yield the spoilt pictures made of a good one.

    Parameters
    ----------
    good : Image
        uint8, (H, W, 3) or (H, W).
    """
    noise = np.random.default_rng(0).integers(0, 256, good.shape, np.uint8)
    made = {
        "dead": np.zeros_like(good),
        "dark": (good * _DARK).astype(np.uint8),
        "blurred": _blurred(good),
        "foreign": noise,
    }
    for name, image in made.items():
        change = image.astype(np.float32) - good
        if float(np.sqrt(np.mean(change * change))) >= _LEAST_CHANGE:
            yield Trial(name, image)


def frozen_trouble(result: Result) -> str:
    """Return what is wrong with the word on a picture shown again and again."""
    if any(reason.guard == "gate.frozen" for reason in result.reasons):
        return ""
    return "a frozen picture was not noticed"


def _blurred(good: Image) -> Image:
    """Return the picture as seen far out of focus: a wide running mean along both axes, twice."""
    side = max(2, min(good.shape[:2]) // _BLURS)
    blurred: Floats = good.astype(np.float32)
    for axis in (0, 1, 0, 1):
        blurred = _running_mean(blurred, axis, side)
    return np.rint(blurred).astype(np.uint8)


def _running_mean(picture: Floats, axis: int, side: int) -> Floats:
    """Return the mean of ``side`` neighbours along an axis, edges repeated."""
    widths = [(0, 0)] * picture.ndim
    widths[axis] = (side // 2 + 1, side - side // 2 - 1)
    sums = np.cumsum(np.pad(picture, widths, mode="edge"), axis=axis, dtype=np.float64)
    first = np.arange(picture.shape[axis])
    total = np.take(sums, first + side, axis=axis) - np.take(sums, first, axis=axis)
    return (total / side).astype(np.float32)
