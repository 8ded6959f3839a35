"""What kind of source an address names, and how it may be shown."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from edge_guard.errors import SourceError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}
)
GENICAM = "genicam:"
"""Before the path of a GenTL producer, a file ending in .cti, and ``#`` with the camera's name."""
SCHEMES = ("rtsp", "rtsps", "http", "https")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_PASSWORD = re.compile(r"(://[^:@/]*):.*@")
_SECRET_QUERY = re.compile(r"([?&][^=&]*(?:pass|pwd|token|secret|key|auth)[^=&]*=)[^&#]*", re.I)


class Kind(StrEnum):
    """The kinds of source."""

    CAMERA = "camera"
    URL = "url"
    IMAGE = "image"
    FOLDER = "folder"
    VIDEO = "video"
    GENICAM = "genicam"


def kind_of(address: str) -> Kind:
    """Return what ``address`` names.

    Parameters
    ----------
    address : str
        Camera index or path under /dev, ``genicam:PRODUCER.cti#CAMERA``, address with a scheme, or
        path of an existing file or folder.

    Raises
    ------
    SourceError
        Unknown scheme, or nothing is there.
    """
    if address.startswith(GENICAM):
        return Kind.GENICAM
    if local_camera(address):
        return Kind.CAMERA
    if scheme := _SCHEME.match(address):
        if scheme[1].lower() in SCHEMES:
            return Kind.URL
        raise SourceError(
            f"source {masked(address)!r} has an unknown scheme",
            f"use {', '.join(SCHEMES)}, a camera index, or a path",
        )
    path = Path(address)
    if address and path.is_dir():
        return Kind.FOLDER
    if not path.is_file():
        raise SourceError(
            f"source {address!r} does not exist", "check the path, or give a camera index or URL"
        )
    return Kind.IMAGE if path.suffix.lower() in IMAGE_SUFFIXES else Kind.VIDEO


def local_camera(address: str) -> bool:
    """Return whether ``address`` names a camera of the machine itself: an index, or under /dev."""
    return (address.isascii() and address.isdigit()) or address.startswith("/dev/")


def masked(address: str) -> str:
    """Return ``address`` with every password in it replaced by ``***``, for logs and messages."""
    if not _SCHEME.match(address):
        return address
    authority, mark, rest = address.partition("?")
    return _SECRET_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", authority) + mark + rest)
