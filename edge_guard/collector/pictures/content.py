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


def check_digest(text: str) -> None:
    """Pass a sha-256 in lower-case hexadecimal.

    Raises
    ------
    ValueError
        ``text`` is none.
    """
    if not is_digest(text):
        raise ValueError(f"{text!r} is not a sha-256")
