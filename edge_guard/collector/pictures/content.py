"""What a picture is told by: its first bytes, and the name that its content gives it."""

from __future__ import annotations

import re

_NAME = re.compile(r"[0-9a-f]{64}")
_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def media_type(picture: bytes) -> str | None:
    """Return ``image/jpeg`` or ``image/png`` by the first bytes; None for anything else."""
    return next((kind for start, kind in _KINDS if picture.startswith(start)), None)


def is_digest(text: str) -> bool:
    """Return whether ``text`` is a sha-256 in lower-case hexadecimal."""
    return _NAME.fullmatch(text) is not None


def two_levels(digest: str) -> tuple[str, str, str]:
    """Return the two folders and the name under which the picture with this sha-256 is kept.

    Raises
    ------
    ValueError
        ``digest`` is not a sha-256 in lower-case hexadecimal.
    """
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a sha-256")
    return digest[:2], digest[2:4], digest
