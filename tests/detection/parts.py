"""Pictures of red and blue parts on a belt, with the boxes of what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

LABELS = ("bolt", "nut")
SIDE = 64
SIZE = 14
"""Side of a part's box, px."""


FRAME = (96, 64)
"""Width and height of frames, px: the model's input is square."""


class Scene(NamedTuple):
    """A picture, uint8 (64, 64, 3) BGR, and its parts: index of the label, left, top."""

    image: np.ndarray
    parts: list[tuple[int, int, int]]


def scene(rng: np.random.Generator, faint: float = 0.0) -> Scene:
    """Return a scene of one to three parts; each is faint with probability ``faint``."""
    image = np.full((SIDE, SIDE, 3), 60.0) + 0.3 * np.arange(SIDE)[None, :, None]
    rows, columns = np.indices((SIDE, SIDE))
    parts = []
    for corner in rng.permutation(4)[: rng.integers(1, 4)]:
        kind = int(rng.integers(2))
        left = int(2 + 32 * (corner % 2) + rng.integers(0, 14))
        top = int(2 + 32 * (corner // 2) + rng.integers(0, 14))
        inside = np.hypot(rows - top - SIZE / 2 + 0.5, columns - left - SIZE / 2 + 0.5) < SIZE / 2
        strength = rng.uniform(0.68, 0.82) if rng.random() < faint else 1.0
        image[inside, 2 if kind == 0 else 0] += 130.0 * strength
        parts.append((kind, left, top))
    image += rng.normal(size=image.shape) * 4
    return Scene(np.clip(image, 0, 255).astype(np.uint8), parts)


def scenes(n: int, seed: int, faint: float = 0.0) -> list[Scene]:
    """Return n scenes."""
    rng = np.random.default_rng(seed)
    return [scene(rng, faint) for _ in range(n)]


def framed(image: np.ndarray) -> np.ndarray:
    """Return a picture as the camera gives it."""
    return cv2.resize(image, FRAME, interpolation=cv2.INTER_LINEAR)


def save(folder: Path, n: int, seed: int, faint: float = 0.0) -> None:
    """Write scenes as folders of images and labels, as YOLO's tools have them."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number, (image, parts) in enumerate(scenes(n, seed, faint)):
        cv2.imwrite(str(folder / "images" / f"{number:04d}.png"), framed(image))
        lines = [
            f"{kind} {(left + SIZE / 2) / SIDE} {(top + SIZE / 2) / SIDE} {SIZE / SIDE} "
            f"{SIZE / SIDE}\n"
            for kind, left, top in parts
        ]
        (folder / "labels" / f"{number:04d}.txt").write_text("".join(lines))
