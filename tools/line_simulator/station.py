"""The station: belt, rails, lamp and camera; one call renders one triggered frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from line_simulator.part import SCALE, SIZE, Floats, Maps

WIDTH, HEIGHT = 320, 240
MARGIN = 24
"""The world around the image that a shifted camera gets to see, px."""
WORLD = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
CENTRE = (WORLD[0] / 2, WORLD[1] / 2 - 2)
"""Where the trigger stops the part."""
_LAMP = np.array([-0.42, -0.55, 0.72], np.float32)
_RAIL = 26
_FILM = np.float32(0.16)
"""What dirt on the front glass scatters into the camera where it hides the scene."""
_BELT_LENGTH = 1600


@dataclass(frozen=True)
class Pose:
    """Where a part lies when the trigger fires: px from the nominal place, degrees."""

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0


@dataclass(frozen=True)
class Conditions:
    """The state of lamp, lens and camera for one frame.

    Attributes
    ----------
    gain : tuple of float
        BGR factor of the lamp's light; 1 = the lamp that was installed.
    level : float
        Grey levels of stray light over the whole image.
    defocus_px : float
        Standard deviation of the lens blur.
    dirt : Floats or None
        (240, 320) transmission of the front glass, 1 = clean.
    shift : Pose
        How the camera has moved on its mount.
    """

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    level: float = 0.0
    defocus_px: float = 0.0
    dirt: Floats | None = None
    shift: Pose = field(default_factory=Pose)


NORMAL = Conditions()


class Station:
    """Belt, rails and lamp as they were installed.

    Parameters
    ----------
    seed : int
        Draws the belt's wear and the rails' finish.
    """

    def __init__(self, seed: int = 204) -> None:
        rng = np.random.default_rng(seed)
        self._belt = _belt(rng)
        self._rails, self._rail_mask = _rails(rng)
        self._light = _light()
        self._vignette = _vignette()

    def capture(
        self,
        objects: list[tuple[Maps, Pose]],
        rng: np.random.Generator,
        conditions: Conditions = NORMAL,
    ) -> npt.NDArray[np.uint8]:
        """Return the camera's image of ``objects``, first lowest: uint8 (240, 320, 3) BGR."""
        world = self._belt_now(rng)
        for maps, pose in objects:
            _place(world, maps, pose)
        streak = int(rng.integers(3, 5))
        world = np.asarray(cv2.blur(world, (streak, 1)), np.float32)
        world += (self._rails - world) * self._rail_mask
        world *= self._light * np.float32(1 + 0.004 * rng.standard_normal())
        return self._expose(_look(world, conditions.shift), conditions, rng)

    def _belt_now(self, rng: np.random.Generator) -> Floats:
        start = int(rng.integers(0, _BELT_LENGTH - WORLD[0]))
        return self._belt[:, start : start + WORLD[0]].copy()

    def _expose(
        self, scene: Floats, conditions: Conditions, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        blur = float(np.hypot(0.55, conditions.defocus_px))
        signal = np.asarray(cv2.GaussianBlur(scene, (0, 0), blur), np.float32)
        signal *= np.asarray(conditions.gain, np.float32) * self._vignette
        if conditions.dirt is not None:
            signal = _FILM + (signal - _FILM) * conditions.dirt[..., None]
        levels = 235 * np.power(np.clip(signal, 0, 1.2), 0.8) + conditions.level
        noise = rng.standard_normal(levels.shape, dtype=np.float32)
        levels += noise * np.sqrt(1.2 + 0.018 * levels)
        return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def dead_image(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return what a camera without light gives: black, noise of less than one grey level."""
    noise = 8 + 0.6 * rng.standard_normal((HEIGHT, WIDTH, 3), dtype=np.float32)
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)


def _belt(rng: np.random.Generator) -> Floats:
    """Return the (H, length, 3) reflectance of a ribbed rubber belt with wear marks."""
    height, length = WORLD[1], _BELT_LENGTH
    x = np.arange(length, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    ribs = np.sin(2 * np.pi * (x + y) / 11) * np.sin(2 * np.pi * (x - y) / 11)
    grain = cv2.GaussianBlur(rng.standard_normal((height, length), dtype=np.float32), (0, 0), 0.8)
    patches = rng.standard_normal((height // 24, length // 24), dtype=np.float32)
    wear = cv2.resize(patches, (length, height), interpolation=cv2.INTER_CUBIC)
    tracks = cv2.GaussianBlur(rng.standard_normal((height, 1), dtype=np.float32), (0, 0), 2)
    tone = 0.125 * (1 + 0.16 * ribs + 0.10 * grain + 0.05 * wear + 0.12 * tracks)
    tint = np.array([1.12, 1.03, 0.86], np.float32)
    return np.asarray(tone[..., None] * tint, np.float32)


def _rails(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return reflectance and mask of the guide rails above and below the belt."""
    rails = np.zeros((WORLD[1], WORLD[0], 3), np.float32)
    mask = np.zeros((WORLD[1], WORLD[0], 1), np.float32)
    finish = 0.40 * (1 + 0.03 * rng.standard_normal((WORLD[1], 1, 1), dtype=np.float32))
    rails[:] = finish * np.array([1.0, 1.0, 0.98], np.float32)
    edge = MARGIN + _RAIL
    mask[:edge] = mask[-edge:] = 1
    for row in (edge - 3, WORLD[1] - edge):
        rails[row : row + 3] *= 0.45
    for row in (edge - 6, WORLD[1] - edge + 4):
        rails[row : row + 2] *= 1.45
    for x in range(MARGIN + 20, WORLD[0], 70):
        for y in (MARGIN + 9, WORLD[1] - MARGIN - 9):
            _screw(rails, (x, y))
    return rails, mask


def _screw(rails: Floats, centre: tuple[int, int]) -> None:
    cv2.circle(rails, centre, 6, (0.22, 0.22, 0.22), -1)
    cv2.circle(rails, centre, 5, (0.52, 0.52, 0.51), -1)
    cv2.circle(rails, centre, 2, (0.1, 0.1, 0.1), -1)


def _light() -> Floats:
    """Return the (H, W, 3) light of a bar lamp up left, slightly warm."""
    x = np.linspace(-1, 1, WORLD[0], dtype=np.float32)
    y = np.linspace(-1, 1, WORLD[1], dtype=np.float32)[:, None]
    fall = 1.0 - 0.10 * x - 0.13 * y - 0.08 * (x * x + y * y)
    return np.asarray(fall[..., None] * np.array([0.97, 1.0, 1.03], np.float32), np.float32)


def _vignette() -> Floats:
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    y = np.linspace(-0.75, 0.75, HEIGHT, dtype=np.float32)[:, None]
    return np.asarray((1 - 0.16 * (x * x + y * y))[..., None], np.float32)


def _place(world: Floats, maps: Maps, pose: Pose) -> None:
    """Turn, light and lay one object on the belt, with its shadow."""
    size = (SIZE[0] * SCALE, SIZE[1] * SCALE)
    left, top = int(CENTRE[0] - SIZE[0] / 2 + pose.x), int(CENTRE[1] - SIZE[1] / 2 + pose.y)
    rest = CENTRE[0] - SIZE[0] / 2 + pose.x - left, CENTRE[1] - SIZE[1] / 2 + pose.y - top
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), pose.angle, 1.0)
    turn[:, 2] += np.array(rest) * SCALE
    height = np.asarray(cv2.warpAffine(maps.height, turn, size), np.float32)
    mask = _reduce(cv2.warpAffine(maps.mask, turn, size))[..., None]
    colour = cv2.warpAffine(maps.colour, turn, size, borderMode=cv2.BORDER_REPLICATE)
    lit = _reduce(colour * _shade(height)[..., None])
    window = world[top : top + SIZE[1], left : left + SIZE[0]]
    window *= 1 - 0.55 * _shadow(mask)
    window += (lit - window) * mask


def _reduce(image: npt.ArrayLike) -> Floats:
    return np.asarray(
        cv2.resize(np.asarray(image, np.float32), SIZE, interpolation=cv2.INTER_AREA), np.float32
    )


def _shade(height: Floats) -> Floats:
    """Return diffuse and specular light on a surface of this height, 1 on the flat."""
    soft = cv2.GaussianBlur(height, (0, 0), 0.9 * SCALE)
    slope_x = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=SCALE / 8)
    slope_y = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=SCALE / 8)
    norm = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    facing = (_LAMP[2] - slope_x * _LAMP[0] - slope_y * _LAMP[1]) * norm
    gloss = np.clip(facing, 0, 1) ** 8
    return np.asarray(
        0.3 + 0.7 * np.clip(facing, 0, 1) / _LAMP[2] + 0.5 * gloss - 0.036, np.float32
    )


def _shadow(mask: Floats) -> Floats:
    """Return how much the object darkens the belt down right of it."""
    moved = cv2.warpAffine(mask[..., 0], np.array([[1.0, 0, 4], [0, 1, 5]]), SIZE)
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 3.5)[..., None], np.float32)


def _look(world: Floats, shift: Pose) -> Floats:
    """Return the part of the world that the camera sees from its mount."""
    view = cv2.getRotationMatrix2D((WORLD[0] / 2, WORLD[1] / 2), shift.angle, 1.0)
    view[:, 2] += np.array([shift.x - MARGIN, shift.y - MARGIN])
    if shift == Pose():
        return world[MARGIN:-MARGIN, MARGIN:-MARGIN]
    # Lanczos, or the moved camera would also be a softer one
    seen = cv2.warpAffine(
        world, view, (WIDTH, HEIGHT), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(seen, np.float32)
