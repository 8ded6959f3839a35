"""Degradations with a known cause, and the reasons that name it rightly.

Written with OpenCV and apart from what calibration imagines, which does not mark its own work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge_guard.types import Array, Image

Change = Callable[[Image, np.random.Generator], Array]
LIGHT = ("gate.exposure", "gate.clipping")


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to spoil a picture.

    Attributes
    ----------
    name : str
    change : callable
        (image, rng) → changed picture, any number type, 0 to 255.
    right : tuple of str
        Guards whose word is a right leading reason.
    target : bool
        Counts towards the promise; the others are shown beside.
    needs : str
        ``color``: only for colour pictures; ``fixed``: only where the scene is fixed.
    """

    name: str
    change: Change
    right: tuple[str, ...]
    target: bool = True
    needs: str = ""


def _blur(x: Image, _: np.random.Generator) -> Array:
    return cv2.GaussianBlur(x, (0, 0), 2.0)


def _noise(x: Image, rng: np.random.Generator) -> Array:
    return x + rng.normal(0.0, 15.0, x.shape)


def _half_dark(x: Image, rng: np.random.Generator) -> Array:
    turns = int(rng.integers(4))
    turned = np.rot90(x, turns).astype(np.float32)
    turned[: turned.shape[0] // 2] *= 0.5
    return np.rot90(turned, -turns)


def _rotated(x: Image, rng: np.random.Generator) -> Array:
    size = (x.shape[1], x.shape[0])
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), float(rng.choice([-5, 5])), 1.0)
    return cv2.warpAffine(x, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _translated(x: Image, rng: np.random.Generator) -> Array:
    size = (x.shape[1], x.shape[0])
    angle = rng.uniform(0, 2 * np.pi)
    move = np.array([[1, 0, np.cos(angle)], [0, 1, np.sin(angle)]])
    move[:, 2] *= 0.05 * min(size)
    return cv2.warpAffine(x, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _occluded(x: Image, rng: np.random.Generator) -> Array:
    """A tenth of the picture behind a grey thing of any shade."""
    result = x.copy()
    share, aspect = np.sqrt(0.1), np.sqrt(rng.uniform(0.5, 2.0))
    height, width = round(x.shape[0] * share * aspect), round(x.shape[1] * share / aspect)
    top = int(rng.integers(x.shape[0] - height + 1))
    left = int(rng.integers(x.shape[1] - width + 1))
    result[top : top + height, left : left + width] = rng.integers(256)
    return result


def _jpeg(x: Image, _: np.random.Generator) -> Array:
    _, coded = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, 15])
    return cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)


def _gamma(x: Image, rng: np.random.Generator) -> Array:
    return 255.0 * (x / 255.0) ** float(rng.choice([0.5, 2.0]))


def _cast(x: Image, rng: np.random.Generator) -> Array:
    return x * rng.permutation([0.8, 1.0, 1.2])


KINDS = (
    Kind("blur 2", _blur, ("gate.focus",)),
    Kind("noise 15", _noise, ("gate.noise",)),
    Kind("+20 levels", lambda x, _: x + 20.0, LIGHT),
    Kind("-20 levels", lambda x, _: x - 20.0, LIGHT),
    Kind("half dark", _half_dark, LIGHT),
    Kind("rotation 5", _rotated, ("gate.alignment",)),
    Kind("occlusion 10%", _occluded, ("gate.occlusion", "fused")),
    Kind("jpeg 15", _jpeg, ("gate.compression",)),
    Kind("inverted", lambda x, _: 255.0 - x, LIGHT),
    Kind("gamma", _gamma, LIGHT, target=False),
    Kind("colour cast", _cast, ("gate.color",), target=False, needs="color"),
    Kind("translation 5%", _translated, ("gate.alignment",), target=False, needs="fixed"),
)


def changed(kind: Kind, image: Image, rng: np.random.Generator) -> Image:
    """Return the degraded picture, uint8, in the shape of the image."""
    result = np.clip(np.rint(kind.change(image, rng)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(result)
