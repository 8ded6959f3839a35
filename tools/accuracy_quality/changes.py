"""What production may become: mild to strong changes of real images that leave their labels true.

Written with OpenCV and apart from what calibration tries, which does not mark its own work.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edge_guard.types import Array, Image

Change = Callable[[Image, np.random.Generator], Array]


def _blur(sigma: float) -> Change:
    return lambda x, _: cv2.GaussianBlur(x, (0, 0), sigma)


def _noise(sigma: float) -> Change:
    return lambda x, rng: x + rng.normal(0.0, sigma, x.shape)


def _levels(shift: float) -> Change:
    return lambda x, _: x + shift


def _contrast(factor: float) -> Change:
    return lambda x, _: (x - 128.0) * factor + 128.0


def _gamma(exponent: float) -> Change:
    return lambda x, _: 255.0 * (x / 255.0) ** exponent


def _vignette(depth: float) -> Change:
    def change(x: Image, _: np.random.Generator) -> Array:
        rows, columns = (np.linspace(-1.0, 1.0, n) for n in x.shape[:2])
        shade = 1.0 - depth * (rows[:, None] ** 2 + columns**2) / 2.0
        return x * (shade if x.ndim == 2 else shade[..., None])

    return change


def _jpeg(quality: int) -> Change:
    def change(x: Image, _: np.random.Generator) -> Array:
        _, coded = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)

    return change


def _turned(degrees: float) -> Change:
    def change(x: Image, _: np.random.Generator) -> Array:
        size = (x.shape[1], x.shape[0])
        turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1.0)
        return cv2.warpAffine(
            x, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )

    return change


def _small(factor: float) -> Change:
    def change(x: Image, _: np.random.Generator) -> Array:
        less = cv2.resize(x, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        return cv2.resize(less, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_LINEAR)

    return change


CHANGES: dict[str, Change] = {
    "as it is": lambda x, _: x,
    "blur .45": _blur(0.45),
    "blur 2": _blur(2.0),
    "noise 2.5": _noise(2.5),
    "noise 6": _noise(6.0),
    "noise 15": _noise(15.0),
    "+2 levels": _levels(2.0),
    "+6 levels": _levels(6.0),
    "+20 levels": _levels(20.0),
    "-6 levels": _levels(-6.0),
    "-20 levels": _levels(-20.0),
    "contrast .85": _contrast(0.85),
    "contrast 1.2": _contrast(1.2),
    "gamma .8": _gamma(0.8),
    "gamma 1.3": _gamma(1.3),
    "vignette .1": _vignette(0.1),
    "jpeg 90": _jpeg(90),
    "jpeg 60": _jpeg(60),
    "turned 1": _turned(1.0),
    "coarser .9": _small(0.9),
}


def changed(name: str, image: Image, rng: np.random.Generator) -> Image:
    """Return the changed picture, uint8, in the shape of the image."""
    made = CHANGES[name](image, rng)
    return np.ascontiguousarray(np.clip(np.rint(made), 0, 255).astype(np.uint8))
