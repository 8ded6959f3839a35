"""Product defects: what the model is there to find, no business of the guards."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from line_simulator.part import SCALE, Maps, at, bracket

LABELS = ("ok", "scratch", "missing_hole", "stain")
"""The model's classes, in index order."""


def make(label: str, rng: np.random.Generator) -> Maps:
    """Return the maps of a part of class ``label``.

    Raises
    ------
    KeyError
        There is no such class.
    """
    return _MAKERS[label](rng)


def _missing_hole(rng: np.random.Generator) -> Maps:
    return bracket(rng, missing=int(rng.integers(4)))


def _scratch(rng: np.random.Generator) -> Maps:
    maps = bracket(rng)
    centre = np.array([rng.uniform(-65, 65), rng.uniform(-42, 42)])
    turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, 9))
    steps = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(6, 11), 0)
    track = centre + steps - steps.mean(0)
    points = np.array([at(x, y) for x, y in track], np.int32)
    thickness = int(rng.integers(4, 7))
    bright = float(rng.uniform(0.8, 1.1))
    scratched = maps.colour.copy()
    cv2.polylines(scratched, [points + thickness - 1], False, (0.12, 0.12, 0.12), thickness)
    cv2.polylines(scratched, [points], False, (bright,) * 3, thickness)
    _on_metal(maps, scratched)
    return maps


def _stain(rng: np.random.Generator) -> Maps:
    maps = bracket(rng)
    shape = maps.mask.shape
    blob = np.zeros(shape, np.float32)
    centre = np.array([rng.uniform(-75, 75), rng.uniform(-45, 45)])
    for _ in range(6):
        x, y = centre + rng.normal(0, 6, 2)
        axes = (int(rng.uniform(5, 13) * SCALE), int(rng.uniform(4, 10) * SCALE))
        cv2.ellipse(blob, at(x, y), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(blob, (0, 0), 2.0 * SCALE)
    grain = cv2.resize(rng.random((24, 32), dtype=np.float32), shape[::-1])
    amount = soft * (0.75 + 0.4 * grain) * rng.uniform(0.25, 0.7)
    oil = np.array([0.95, 0.78, 0.60], np.float32)  # absorbs blue most: brown
    _on_metal(maps, maps.colour * (1 - np.clip(amount, 0, 0.9)[..., None] * oil))
    return maps


def _on_metal(maps: Maps, colour: npt.NDArray[np.floating]) -> None:
    """Take ``colour`` where there is a surface, not in the holes."""
    np.copyto(maps.colour, colour, where=maps.height[..., None] > 0)


_MAKERS = {"ok": bracket, "scratch": _scratch, "missing_hole": _missing_hole, "stain": _stain}
