"""What does not belong on the belt: a bottle cap, a hex key, a work glove."""

from __future__ import annotations

import cv2
import numpy as np

from line_simulator.part import SCALE, Maps, at, blank, disc

KINDS = ("bottle_cap", "hex_key", "glove")


def make(kind: str, rng: np.random.Generator) -> Maps:
    """Return the maps of one foreign object.

    Raises
    ------
    KeyError
        There is no such kind.
    """
    maps = _MAKERS[kind]()
    grain = 1 + 0.03 * rng.standard_normal(maps.mask.shape, dtype=np.float32)
    maps.colour *= grain[..., None]
    return maps


def _bottle_cap() -> Maps:
    """A red crown cap with its printed ring, lying face up."""
    maps = blank()
    disc(maps.mask, (0, 0), 24, 1.0)
    disc(maps.height, (0, 0), 24, 7.0)
    disc(maps.colour, (0, 0), 25, 0.12, 0.10, 0.62)
    for tooth in np.arange(0, 2 * np.pi, 2 * np.pi / 21):
        place = (24 * float(np.cos(tooth)), 24 * float(np.sin(tooth)))
        disc(maps.mask, place, 2.6, 1.0)
        disc(maps.height, place, 2.6, 4.0)
        disc(maps.colour, place, 3.0, 0.12, 0.10, 0.62)
    disc(maps.height, (0, 0), 19, 9.0)
    disc(maps.colour, (0, 0), 15, 0.78, 0.80, 0.82)
    disc(maps.colour, (0, 0), 11, 0.12, 0.10, 0.62)
    return maps


def _hex_key() -> Maps:
    """A black L-shaped hex key with a bright chamfer."""
    maps = blank()
    track = np.array([at(-62, 26), at(40, 26), at(52, 18), at(54, -24)], np.int32)
    for image, value, width in ((maps.mask, 1.0, 9.0), (maps.height, 6.0, 9.0)):
        cv2.polylines(image, [track], False, (value,), round(width * SCALE))
    cv2.polylines(maps.height, [track], False, (8.0,), round(4 * SCALE))
    cv2.polylines(maps.colour, [track], False, (0.10, 0.09, 0.09), round(12 * SCALE))
    cv2.polylines(maps.colour, [track - SCALE], False, (0.34, 0.34, 0.35), round(3 * SCALE))
    return maps


def _glove() -> Maps:
    """A yellow work glove with a blue cuff, palm down."""
    maps = blank()
    fingers = [
        ((-34, -6), (-6, -10)),
        ((-38, -24), (-2, -18)),
        ((-28, -42), (6, -26)),
        ((-2, -54), (14, -28)),
        ((34, 40), (14, 12)),
    ]
    for tip, root in fingers:
        for image, paint, width in (
            (maps.mask, (1.0,), 15),
            (maps.height, (7.0,), 15),
            (maps.colour, (0.12, 0.55, 0.70), 18),
        ):
            cv2.line(image, at(*tip), at(*root), paint, width * SCALE)
    for image, paint in (
        (maps.mask, (1.0,)),
        (maps.height, (8.0,)),
        (maps.colour, (0.12, 0.55, 0.70)),
    ):
        cv2.ellipse(image, at(16, -6), (32 * SCALE, 26 * SCALE), 0, 0, 360, paint, -1)
    cv2.rectangle(maps.mask, at(40, -26), at(66, 16), (1.0,), -1)
    cv2.rectangle(maps.height, at(40, -26), at(66, 16), (6.0,), -1)
    cv2.rectangle(maps.colour, at(40, -28), at(68, 18), (0.42, 0.22, 0.12), -1)
    return maps


_MAKERS = {"bottle_cap": _bottle_cap, "hex_key": _hex_key, "glove": _glove}
