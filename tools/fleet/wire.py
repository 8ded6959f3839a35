"""MQTT 3.1.1 for a sender of thousands of messages a second: one socket, no thread."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import NamedTuple

from edge_guard.errors import BrokerError

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
_QOS1, _RETAIN = 0x02, 0x01
_MOST_BUFFERS = 64
"""Handed to the kernel at once."""
_READ_BYTES = 1 << 16
_KEEPALIVE_S = 120


class Arrived(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes


class Wire:
    """One connection of a gateway that speaks for many devices.

    Parameters
    ----------
    host, port : str, int
    client_id : str
    filters : str
        What to listen to, QoS 1.

    Attributes
    ----------
    unacknowledged : int
        Messages that the broker has not taken yet.

    Raises
    ------
    BrokerError
        The broker refuses the connection, or nobody listens.
    """

    def __init__(self, host: str, port: int, client_id: str, filters: str) -> None:
        self.unacknowledged = 0
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self._mid = 0
        try:
            self.socket = socket.create_connection((host, port), timeout=10)
        except OSError as error:
            raise BrokerError(f"no broker at {host}:{port} ({error})", "start it first") from error
        flags = b"\x04\x02" + _KEEPALIVE_S.to_bytes(2)  # protocol level 4, clean session
        self._packet(_CONNECT, _text("MQTT") + flags + _text(client_id))
        self._packet(_SUBSCRIBE, self._next_mid() + _text(filters) + b"\x01")
        self.socket.setblocking(False)

    @property
    def waiting(self) -> bool:
        """Whether there is something that the kernel has not taken yet."""
        return bool(self._out)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Queue a message with QoS 1."""
        head = _text(topic) + self._next_mid()
        kind = _PUBLISH | _QOS1 | (_RETAIN if retain else 0)
        length = _length(len(head) + len(payload))
        self._out.append(memoryview(bytes((kind,)) + length + head))
        self._out.append(memoryview(payload))
        self.unacknowledged += 1

    def ping(self) -> None:
        """Show that this end lives."""
        self._packet(0xC0, b"")

    def write(self) -> None:
        """Hand over what the kernel takes now."""
        while self._out:
            batch = [self._out[i] for i in range(min(_MOST_BUFFERS, len(self._out)))]
            try:
                taken = self.socket.sendmsg(batch)
            except BlockingIOError:
                return
            while taken:
                first = self._out[0]
                if taken < len(first):
                    self._out[0] = first[taken:]
                    break
                taken -= len(first)
                self._out.popleft()

    def read(self) -> list[Arrived]:
        """Return what has arrived.

        Raises
        ------
        BrokerError
            The broker has ended the connection or refused it.
        """
        with contextlib.suppress(BlockingIOError):
            while chunk := self.socket.recv(_READ_BYTES):
                self._in += chunk
                if len(chunk) < _READ_BYTES:
                    break
            else:
                raise BrokerError("the broker has ended the connection", "see its log")
        return self._messages()

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def _messages(self) -> list[Arrived]:
        found = []
        at = 0
        while (packet := _whole_packet(self._in, at)) is not None:
            start, end = packet
            kind, body = self._in[at] & 0xF0, bytes(self._in[start:end])
            at = end
            if kind == _PUBACK:
                self.unacknowledged -= 1
            elif kind == _PUBLISH:
                found.append(self._arrived(body))
            elif (kind == _CONNACK and body[1]) or (kind == _SUBACK and body[2] == 0x80):
                raise BrokerError("the broker refuses the fleet", "see its log")
        del self._in[:at]
        return found

    def _arrived(self, body: bytes) -> Arrived:
        end = 2 + int.from_bytes(body[:2])
        self._packet(_PUBACK, body[end : end + 2])
        return Arrived(body[2:end].decode(), body[end + 2 :])

    def _packet(self, kind: int, body: bytes) -> None:
        self._out.append(memoryview(bytes((kind,)) + _length(len(body)) + body))

    def _next_mid(self) -> bytes:
        self._mid = self._mid % 65_535 + 1
        return self._mid.to_bytes(2)


def _text(words: str) -> bytes:
    raw = words.encode()
    return len(raw).to_bytes(2) + raw


def _length(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _whole_packet(data: bytearray, at: int) -> tuple[int, int] | None:
    """Return where the body of the packet at ``at`` begins and ends; None where it is cut off."""
    length, shift, here = 0, 0, at + 1
    while here < len(data):
        byte = data[here]
        length |= (byte & 127) << shift
        here += 1
        if byte < 128:
            return (here, here + length) if here + length <= len(data) else None
        shift += 7
    return None
