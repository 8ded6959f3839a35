"""The wire format of Protocol Buffers: numbered fields, as far as Sparkplug payloads need it.

Source: Protocol Buffers documentation, "Encoding". A field is a varint key, ``number << 3 | type``,
and a value: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
_LAST_BYTE_OF_VARINT = 10
_64_BITS = (1 << 64) - 1


def varint_field(number: int, value: int) -> bytes:
    """Return a field of type uint32, uint64 or bool; negative values as two's complement."""
    return _varint(number << 3 | VARINT) + _varint(value & _64_BITS)


def double_field(number: int, value: float) -> bytes:
    """Return a field of type double."""
    return _varint(number << 3 | EIGHT_BYTES) + struct.pack("<d", value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field of type string, bytes or message."""
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field; four and eight bytes come as they are.

    Raises
    ------
    ValueError
        ``data`` is no such message.
    """
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if kind == VARINT:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if kind == BYTES:
            length, position = _read_varint(data, position)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"field {number} has the unknown type {kind}")
        if position + length > len(data):
            raise ValueError(f"field {number} ends beyond the message")
        yield number, data[position : position + length]
        position += length


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the value, and where what follows begins."""
    value = 0
    for count in range(_LAST_BYTE_OF_VARINT):
        if position + count >= len(data):
            raise ValueError("ends inside a number")
        byte = data[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value & _64_BITS, position + count + 1
    raise ValueError("a number has more than 64 bits")
