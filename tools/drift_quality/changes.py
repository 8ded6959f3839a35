"""What befalls real frames, and the causes that name it rightly.

Written with OpenCV and apart from what calibration imagines, which does not mark its own work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge_guard.types import Array, Image

Befall = Callable[[Image, int, np.random.Generator], Array]
"""(frame, frames since the change, rng that starts alike in each frame) → changed frame."""


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of change.

    Attributes
    ----------
    name : str
    befall : callable
    right : tuple of str
        Families that name it rightly.
    """

    name: str
    befall: Befall
    right: tuple[str, ...]


def changed(image: Image, befall: Befall, t: int, seed: int) -> Image:
    """Return the frame after a change; the same seed changes each frame alike."""
    made: Array = np.asarray(befall(image, t, np.random.default_rng(seed)))
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def _light(levels: float) -> Befall:
    return lambda x, _, __: x + levels


def _gain(factor: float) -> Befall:
    return lambda x, _, __: x * factor


def _ramp(x: Image, t: int, _: np.random.Generator) -> Array:
    return x + 0.01 * t


def _side_light(x: Image, _: int, rng: np.random.Generator) -> Array:
    ramp = np.linspace(-1, 1, x.shape[1]) * rng.choice([-1, 1]) * rng.uniform(4, 12)
    return x + ramp.reshape((1, -1) if x.ndim == 2 else (1, -1, 1))


def _blurred(sigma: float) -> Befall:
    return lambda x, _, __: cv2.GaussianBlur(x, (0, 0), sigma)


def _noisy(x: Image, t: int, rng: np.random.Generator) -> Array:
    return x + np.random.default_rng([int(rng.integers(1 << 30)), t]).normal(0, 5, x.shape)


def _tinted(x: Image, _: int, rng: np.random.Generator) -> Array:
    return x * rng.permutation([0.96, 1.0, 1.04])


def _warped(x: Image, across: float, down: float, turn: float, scale: float) -> Array:
    matrix = cv2.getRotationMatrix2D((x.shape[1] / 2, x.shape[0] / 2), -turn, scale)
    matrix[:, 2] += across, down
    return cv2.warpAffine(x, matrix, x.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def _shifted(x: Image, _: int, rng: np.random.Generator) -> Array:
    angle = rng.uniform(0, 2 * np.pi)
    return _warped(x, 3 * np.cos(angle), 3 * np.sin(angle), 0, 1)


def _turned(x: Image, _: int, rng: np.random.Generator) -> Array:
    return _warped(x, 0, 0, rng.choice([-1, 1]) * rng.uniform(1, 4), 1)


def _nearer(x: Image, _: int, rng: np.random.Generator) -> Array:
    return _warped(x, 0, 0, 0, 1 + rng.choice([-1, 1]) * rng.uniform(0.02, 0.05))


def _dirt(x: Image, _: int, rng: np.random.Generator) -> Array:
    cover = np.zeros(x.shape[:2], np.float32)
    side = min(x.shape[:2])
    for _blob in range(int(rng.integers(2, 6))):
        at = (int(rng.uniform(0.1, 0.9) * x.shape[1]), int(rng.uniform(0.1, 0.9) * x.shape[0]))
        cv2.circle(cover, at, int(rng.uniform(0.04, 0.1) * side), 1.0, -1)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.03 * side) * rng.uniform(0.5, 0.9)
    film = rng.uniform(20, 80)
    return x + (film - x.astype(np.float32)) * (cover if x.ndim == 2 else cover[..., None])


def _object(x: Image, _: int, rng: np.random.Generator) -> Array:
    """A nut-like thing with an edge and a hole lies in every picture."""
    image, side = x.copy(), min(x.shape[:2])
    at = np.array([rng.uniform(0.25, 0.75) * x.shape[1], rng.uniform(0.25, 0.75) * x.shape[0]])
    corners = np.arange(6) * np.pi / 3 + rng.uniform(0, 1)
    radius, shade = rng.uniform(0.08, 0.16) * side, float(rng.uniform(40, 220))
    points = at + radius * np.stack([np.cos(corners), np.sin(corners)], 1)
    cv2.fillPoly(image, [np.rint(points).astype(np.int32)], (shade,) * 3)
    cv2.circle(image, (int(at[0]), int(at[1])), int(radius * 0.5), (255 - shade,) * 3, -1)
    return image


def _striped(x: Image, _: int, rng: np.random.Generator) -> Array:
    period = rng.uniform(6, 20)
    wave = 8 * np.sin(2 * np.pi * np.arange(x.shape[0]) / period)
    return x + wave.reshape((-1, 1) if x.ndim == 2 else (-1, 1, 1))


def _negative(x: Image, _: int, __: np.random.Generator) -> Array:
    return 255 - x


def _mosaic(x: Image, _: int, rng: np.random.Generator) -> Array:
    parts = int(rng.integers(2, 4))
    height, width = x.shape[0] // parts, x.shape[1] // parts
    places = [(r * height, c * width) for r in range(parts) for c in range(parts)]
    image = x.copy()
    for (r, c), k in zip(places, rng.permutation(len(places)), strict=True):
        p, q = places[k]
        image[r : r + height, c : c + width] = x[p : p + height, q : q + width]
    return image


def _interlaced(x: Image, _: int, rng: np.random.Generator) -> Array:
    image = x.copy()
    image[1::2] = np.roll(x[1::2], int(rng.integers(3, 9)), axis=1)
    return image


def _posterised(x: Image, _: int, __: np.random.Generator) -> Array:
    return (x.astype(np.float32) // 64) * 64 + 32


def _mirrored(x: Image, _: int, __: np.random.Generator) -> Array:
    return x[:, ::-1]


def _torn(x: Image, _: int, rng: np.random.Generator) -> Array:
    image, row = x.copy(), int(rng.uniform(0.3, 0.7) * x.shape[0])
    image[row:] = np.roll(x[row:], x.shape[1] // 3, axis=1)
    return image


def _dead_pixels(x: Image, _: int, rng: np.random.Generator) -> Array:
    image = x.copy()
    image[rng.random(x.shape[:2]) < 0.01] = 255
    return image


CHANGES = (
    Change("+2 levels", _light(2.0), ("illumination",)),
    Change("-4 levels", _light(-4.0), ("illumination",)),
    Change("gain 1.04", _gain(1.04), ("illumination",)),
    Change("light from the side", _side_light, ("illumination",)),
    Change("+0.01 level a frame", _ramp, ("illumination",)),
    Change("defocus σ 1 px", _blurred(1.0), ("focus",)),
    Change("defocus σ 2 px", _blurred(2.0), ("focus",)),
    Change("noise σ 5", _noisy, ("noise",)),
    Change("colour cast 4 %", _tinted, ("colour",)),
    Change("shift by 3 px", _shifted, ("translation",)),
    Change("turn by 1 to 4°", _turned, ("rotation",)),
    Change("scale by 2 to 5 %", _nearer, ("scale",)),
    Change("dirt", _dirt, ("dirt",)),
    Change("new object", _object, ("object",)),
)
"""Changes with a cause that edge-guard names."""

UNKNOWN = (
    Change("stripes", _striped, ("other",)),
    Change("negative", _negative, ("other",)),
    Change("mosaic", _mosaic, ("other", "object")),
    Change("interlaced", _interlaced, ("other",)),
    Change("mirrored", _mirrored, ("other", "object")),
    Change("torn", _torn, ("other", "object")),
    Change("dead pixels", _dead_pixels, ("other", "noise")),
    Change("four grey levels", _posterised, ("other",)),
)
"""Changes with none."""
