"""Pictures made small for lists: a page of them is a tenth of the bytes, and scrolls smoothly."""

from __future__ import annotations

import threading
from collections import OrderedDict

import cv2
import numpy as np

from edge_guard.collector.pictures.content import media_type
from edge_guard.collector.pictures.interface import Pictures

LONGER_SIDE_PX = 400
"""A card is some 300 px wide."""
QUALITY = 75
MOST_PIXELS = {"image/jpeg": 32_000_000, "image/png": 16_000_000}
"""A few kilobytes may claim gigabytes; larger pictures are not made small. A PNG is always decoded
whole, 3 bytes a pixel; a JPEG as a rule in strips, but one made for it takes 6 bytes a pixel."""
AT_ONCE = 2
"""Pictures that are decoded at a time: together they need at most 400 MB."""
MOST_BYTES = 64 << 20
"""Of all that are kept in memory, the ones asked for last."""
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_SEGMENTS = frozenset(range(0xC0)) | frozenset(range(0xD0, 0xDB))
"""Markers without a length, where a decoder would read on elsewhere than we, and the scan."""


class Smaller:
    """Gives pictures in a small size and remembers them; thread-safe.

    Parameters
    ----------
    pictures : Pictures
    most_bytes : int
    """

    def __init__(self, pictures: Pictures, most_bytes: int = MOST_BYTES) -> None:
        self._pictures = pictures
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._turns = tuple(threading.Lock() for _ in range(AT_ONCE))
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, digest: str) -> bytes | None:
        """Return the small picture; None: there is none of this sha-256.

        Raises
        ------
        OSError
            The picture store fails.
        """
        made = self._recall(digest)
        if made is not None and not self._pictures.has(digest):  # deleted meanwhile
            self._remember(digest, b"")
            return None
        picture = self._pictures.get(digest) if made is None else None
        if picture is None:
            return made
        with self._turns[hash(digest) % AT_ONCE]:  # the same picture has the same turn
            made = self._recall(digest)
            if made is None:
                made = small(picture)
                self._remember(digest, made)
        return made

    def _recall(self, digest: str) -> bytes | None:
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return self._kept.get(digest)

    def _remember(self, digest: str, made: bytes) -> None:
        """Keep a small picture; an empty one is forgotten."""
        with self._lock:
            self._bytes += len(made) - len(self._kept.pop(digest, b""))
            if made:
                self._kept[digest] = made
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def small(picture: bytes) -> bytes:
    """Return a JPEG whose longer side has `LONGER_SIDE_PX`.

    The picture itself comes back where that would be no gain, or where it cannot be decoded.

    Parameters
    ----------
    picture : bytes
        Whatever a device has sent.
    """
    width, height = size_px(picture)
    longer = max(width, height)
    if longer <= LONGER_SIDE_PX or width * height > MOST_PIXELS[media_type(picture) or ""]:
        return picture
    flags = cv2.IMREAD_COLOR
    if longer >= 4 * LONGER_SIDE_PX:  # JPEG decodes to a fraction of the size in less time
        flags = cv2.IMREAD_REDUCED_COLOR_4
    elif longer >= 2 * LONGER_SIDE_PX:
        flags = cv2.IMREAD_REDUCED_COLOR_2
    try:
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), flags)
        if image is None or min(image.shape[:2]) < 1:
            return picture
        scale = min(1.0, LONGER_SIDE_PX / max(image.shape[:2]))
        size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        done, made = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    except cv2.error:
        return picture
    return made.tobytes() if done and len(made) < len(picture) else picture


def size_px(picture: bytes) -> tuple[int, int]:
    """Return width and height by the header of a JPEG or PNG; (0, 0): it has none."""
    kind = media_type(picture)
    if kind == "image/png" and picture[12:16] == b"IHDR":
        return int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
    return _jpeg_size(picture) if kind == "image/jpeg" else (0, 0)


def _jpeg_size(picture: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        if picture[at + 1] in _FRAME_HEADERS:
            height, width = picture[at + 5 : at + 7], picture[at + 7 : at + 9]
            return int.from_bytes(width), int.from_bytes(height)
        if picture[at + 1] == 0xFF:  # padding
            at += 1
            continue
        length = int.from_bytes(picture[at + 2 : at + 4])
        if picture[at + 1] in _NO_SEGMENTS or length < 2:
            break
        at += 2 + length
    return 0, 0
