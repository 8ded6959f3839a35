"""What a client really sends: a proxy before a broker that takes MQTT 3.1.1 packets apart.

with Wiretap(broker.port) as tap:
    ...                              # clients connect to tap.port
    tap.cut()                        # breaks every connection
    tap.packets                      # Connect, Subscribe, Publish, Disconnect, in order
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

CONNECT, PUBLISH, SUBSCRIBE, DISCONNECT = 1, 3, 8, 14


@dataclass(frozen=True)
class Connect:
    """A CONNECT packet."""

    level: int
    clean_session: bool
    will_topic: str | None
    will_payload: bytes
    will_qos: int
    will_retain: bool


@dataclass(frozen=True)
class Subscribe:
    """One topic of a SUBSCRIBE packet."""

    topic: str
    qos: int


@dataclass(frozen=True)
class Publish:
    """A PUBLISH packet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Disconnect:
    """A DISCONNECT packet."""


Packet = Connect | Subscribe | Publish | Disconnect


class Wiretap:
    """A TCP proxy on a port of its own."""

    def __init__(self, broker_port: int) -> None:
        self.packets: list[Packet] = []
        self._broker_port = broker_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Wiretap:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                self._connections += [client, broker]
                threading.Thread(target=self._listen, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._pass, args=(broker, client), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def _listen(self, client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            stream = client.makefile("rb")
            while first := stream.read(1):
                length, lengths = 0, b""
                while not lengths or lengths[-1] & 0x80:
                    lengths += stream.read(1)
                    length |= (lengths[-1] & 0x7F) << 7 * (len(lengths) - 1)
                body = stream.read(length)
                self.packets += taken_apart(first[0], body)
                broker.sendall(first + lengths + body)
            broker.shutdown(socket.SHUT_RDWR)


def taken_apart(first: int, body: bytes) -> list[Packet]:
    """Return what a packet of a client says (MQTT 3.1.1, chapter 3)."""
    kind = first >> 4
    if kind == CONNECT:
        return [_connect(body)]
    if kind == SUBSCRIBE:
        found: list[Packet] = []
        rest = body[2:]
        while rest:
            topic, rest = _string(rest)
            found.append(Subscribe(topic.decode(), rest[0]))
            rest = rest[1:]
        return found
    if kind == PUBLISH:
        topic, rest = _string(body)
        qos = first >> 1 & 3
        return [Publish(topic.decode(), rest[2:] if qos else rest, qos, bool(first & 1))]
    return [Disconnect()] if kind == DISCONNECT else []


def _connect(body: bytes) -> Connect:
    name, rest = _string(body)
    assert name == b"MQTT"
    level, flags, rest = rest[0], rest[1], rest[4:]
    _client_id, rest = _string(rest)
    topic, payload = None, b""
    if flags & 4:
        raw, rest = _string(rest)
        topic = raw.decode()
        payload, rest = _string(rest)
    return Connect(level, bool(flags & 2), topic, payload, flags >> 3 & 3, bool(flags & 32))


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">H", data[:2])
    return data[2 : 2 + length], data[2 + length :]
