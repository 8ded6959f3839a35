"""Reads one image file completely, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_guard.types import Array, Image

MAX_FILE_BYTES = 1 << 28

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # what is wrong with an image is said by UndecodableError


class UndecodableError(Exception):
    """The file does not hold a whole image; the message says why, without the file's name."""


def read_image(path: Path) -> Image:
    """Return the image in a file: uint8, (H, W, 3) BGR or (H, W) gray, turned as its EXIF says.

    16-bit pixels keep their upper 8 bits, whatever range they use, so that equal files of a camera
    stay comparable. Alpha is left out.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UndecodableError
        The file cannot be read, is cut short, larger than 256 MiB, or not an image with integer
        pixels of 8 or 16 bits.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UndecodableError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise UndecodableError(error.strerror or str(error)) from error
    if not data:
        raise UndecodableError("empty file")
    if is_cut_short(data):
        raise UndecodableError("cut short")
    return _eight_bit(_decode(data))


def is_cut_short(data: bytes) -> bool:
    """Return True when the end of an image file is missing: decoders fill the rest with gray.

    Known for JPEG, PNG, BMP and WebP; False for other formats.
    """
    if data.startswith(b"\xff\xd8"):
        # A thumbnail in the header has an end of its own: the last scan must have one too.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" not in data[-4096:]
    if data.startswith(b"BM"):
        return int.from_bytes(data[2:6], "little") > len(data)
    if data.startswith(b"RIFF"):
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return False


def _decode(data: bytes) -> Array:
    # Without these flags' "unchanged" sibling, EXIF turns the image and alpha is dropped.
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    try:
        image: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UndecodableError(f"refused by the decoder ({error.err})") from error
    if image is None or image.size == 0:
        raise UndecodableError("not an image")
    return image


def _eight_bit(image: Array) -> Image:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    raise UndecodableError(f"pixels are {image.dtype}, expected 8 or 16 bits")
