"""The product: a machined aluminium bracket, drawn as maps of height and colour.

Lengths are px of the camera's image. Maps are drawn at ``SCALE`` times that size around the part's
own centre, so that edges stay smooth when the part is turned and reduced to the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from line_simulator.dot_font import dots

Floats = npt.NDArray[np.float32]
Point = tuple[float, float]

SCALE = 2
SIZE = (232, 164)
"""Width and height of the maps in image px; the bracket is smaller by the margin of its turn."""
HOLES: tuple[Point, ...] = ((-80, -44), (80, -44), (-80, 44), (80, 44))
HOLE_RADIUS = 8.5
BORE: Point = (-22, 2)
ALUMINIUM = (0.585, 0.60, 0.605)
BRASS = (0.24, 0.47, 0.62)


@dataclass
class Maps:
    """What the lamp sees of one part, before it is placed and lit.

    Attributes
    ----------
    height : Floats
        (H, W), px above the belt, drawn sharp; the renderer rounds the edges.
    colour : Floats
        (H, W, 3) BGR reflectance, 0 to 1.
    mask : Floats
        (H, W), 1 where there is a part.
    """

    height: Floats
    colour: Floats
    mask: Floats


def blank() -> Maps:
    """Return maps of nothing."""
    shape = (SIZE[1] * SCALE, SIZE[0] * SCALE)
    return Maps(
        np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    )


def at(x: float, y: float) -> tuple[int, int]:
    """Return the pixel of the maps that lies at (x, y) px from the part's centre."""
    return round((x + SIZE[0] / 2) * SCALE), round((y + SIZE[1] / 2) * SCALE)


def disc(image: Floats, centre: Point, radius: float, *value: float) -> None:
    """Fill a circle with one value, or with one a channel."""
    paint = value if len(value) == 3 else value * 3
    cv2.circle(image, at(*centre), round(radius * SCALE), paint, -1)


def brushed(rng: np.random.Generator, shape: tuple[int, int], depth: float) -> Floats:
    """Return the (H, W) gain of a surface brushed along x, mean 1, deviation ``depth``."""
    coarse = rng.standard_normal((shape[0], shape[1] // 16 + 2), dtype=np.float32)
    lines = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 + depth * lines, np.float32)


def plate(rng: np.random.Generator) -> Maps:
    """Return the bracket's body: a rounded plate with a raised rim, brushed."""
    maps = blank()
    _rounded(maps.mask, (101, 66), 15, 1.0)
    _rounded(maps.height, (101, 66), 15, 7.0)
    _rounded(maps.height, (94, 59), 11, 5.5)
    gain = brushed(rng, maps.mask.shape, 0.035) * (1 + 0.012 * rng.standard_normal())
    tint = np.asarray(ALUMINIUM, np.float32) * (1 + 0.003 * rng.standard_normal(3))
    maps.colour[:] = gain[..., None] * tint.astype(np.float32)
    return maps


def _rounded(image: Floats, half: Point, radius: float, value: float) -> None:
    width, height = half
    cv2.rectangle(image, at(-width + radius, -height), at(width - radius, height), value, -1)
    cv2.rectangle(image, at(-width, -height + radius), at(width, height - radius), value, -1)
    for sign_x in (-1, 1):
        for sign_y in (-1, 1):
            disc(image, (sign_x * (width - radius), sign_y * (height - radius)), radius, value)


def drill(maps: Maps, centre: Point, radius: float) -> None:
    """Cut a countersunk hole through the plate."""
    disc(maps.height, centre, radius + 2.5, 4.2)
    disc(maps.height, centre, radius, 0.0)
    disc(maps.colour, centre, radius, 0.03)


def bore(maps: Maps, rng: np.random.Generator) -> None:
    """Turn the boss, press in the brass bushing, cut the bore."""
    disc(maps.height, BORE, 37, 8.5)
    for radius in range(27, 37, 2):
        tone = 0.5 + 0.02 * rng.standard_normal()
        cv2.circle(maps.colour, at(*BORE), radius * SCALE, (tone,) * 3, 1)
    warmth = 1 + 0.02 * rng.standard_normal()
    disc(maps.colour, BORE, 25, *(channel * warmth for channel in BRASS))
    disc(maps.height, BORE, 25, 9.5)
    disc(maps.height, BORE, 17, 0.0)
    disc(maps.colour, BORE, 17, 0.025)


def slot(maps: Maps) -> None:
    """Mill the adjusting slot."""
    for image, half, value in ((maps.height, 7.0, 0.0), (maps.colour, 6.0, 0.03)):
        ends = at(40, -15), at(40, 19)
        cv2.line(image, *ends, (value,) * 3, round(2 * half * SCALE))


def marking(maps: Maps, rng: np.random.Generator) -> None:
    """Peen the type and the serial number, print the data matrix."""
    for text, left, dark in (("EG-204", -64, 0.33), (f"{rng.integers(1000, 10000)}", 16, 0.2)):
        for column, row in dots(text):
            place = (left + 2.0 * column, -54 + 2.0 * row)
            disc(maps.height, place, 0.9, 4.4)
            disc(maps.colour, place, 0.7, dark)
    cells = rng.integers(0, 2, (9, 9)).astype(np.float32)
    cells[:, 0] = cells[-1] = 0
    code = cv2.resize(cells, None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)
    x, y = at(60, -12)
    patch = maps.colour[y : y + 45, x : x + 45]
    patch *= np.where(code[..., None] > 0, 1.0, 0.25).astype(np.float32)


def bracket(rng: np.random.Generator, *, missing: int | None = None) -> Maps:
    """Return one bracket with its natural variation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the part.
    missing : int, optional
        The corner hole that was never drilled.
    """
    maps = plate(rng)
    bore(maps, rng)
    slot(maps)
    marking(maps, rng)
    for number, centre in enumerate(HOLES):
        radius = HOLE_RADIUS * (1 + 0.02 * rng.standard_normal())
        if number == missing:
            disc(maps.height, centre, 1.6, 4.6)
        else:
            drill(maps, centre, radius)
    return maps
