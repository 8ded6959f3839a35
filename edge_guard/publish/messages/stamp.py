"""What every message from a device carries, and how all of them are encoded."""

from __future__ import annotations

from typing import TypeVar

import msgspec

SCHEMA_VERSION = 1


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What every message from a device carries."""

    schema_version: int = SCHEMA_VERSION
    device: str
    boot_id: str
    wall_time: str
    """RFC 3339, UTC."""
    monotonic_ns: int
    clock_synchronised: bool


M = TypeVar("M", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Return the message as UTF-8 JSON."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[M]) -> M:
    """Return the message in ``payload``.

    Raises
    ------
    msgspec.ValidationError, msgspec.DecodeError
        It is not a message of this kind.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error
