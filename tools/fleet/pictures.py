"""Pictures of a line, no two alike, at next to no cost."""

from __future__ import annotations

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 640, 480
_COMMENT = b"\xff\xfe"
_KINDS = 24


class Pictures:
    """JPEGs of about one size: a few scenes, each made unique by a comment segment.

    Parameters
    ----------
    size_bytes : int
        Of each picture, nearly.
    seed : int
    """

    def __init__(self, size_bytes: int, seed: int = 0) -> None:
        chance = np.random.default_rng(seed)
        self._scenes = [_scene(chance, size_bytes) for _ in range(_KINDS)]

    def make(self, name: str) -> bytes:
        """Return the picture of this name; another name gives other bytes."""
        comment = name.encode()
        scene = self._scenes[hash(name) % _KINDS]
        length = (2 + len(comment)).to_bytes(2)
        return b"".join((scene[:2], _COMMENT, length, comment, scene[2:]))


def _scene(chance: np.random.Generator, size_bytes: int) -> bytes:
    """Return a part on a belt, with as much texture as fills the size."""
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), chance.integers(90, 150), np.uint8)
    x, y = (int(n) for n in chance.integers((120, 100), (260, 180)))
    cv2.rectangle(image, (x, y), (x + 240, y + 180), (190, 200, 205), -1)
    for _ in range(12):
        centre = (x + int(chance.integers(10, 230)), y + int(chance.integers(10, 170)))
        cv2.circle(image, centre, int(chance.integers(3, 14)), (60, 70, 80), -1)
    texture = chance.normal(0.0, 1.0, image.shape)
    least, most, best = 0.0, 60.0, b""
    for _ in range(10):
        strength = (least + most) / 2
        noisy = np.clip(image + strength * texture, 0, 255).astype(np.uint8)
        best = cv2.imencode(".jpg", noisy, (cv2.IMWRITE_JPEG_QUALITY, 80))[1].tobytes()
        least, most = (strength, most) if len(best) < size_bytes else (least, strength)
    return best
