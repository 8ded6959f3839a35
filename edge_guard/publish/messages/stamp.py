"""What every message from a device carries, and how all of them are encoded."""

from __future__ import annotations

from typing import Any, TypeVar

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
    """Return the message as UTF-8 JSON; a character that UTF-8 cannot say becomes ``?``."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:  # a surrogate: of a file name in another encoding
        return _encoder.encode(_sayable(msgspec.to_builtins(message)))


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


def _sayable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(item) for item in value]
    return value
