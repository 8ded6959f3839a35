"""A bad network between a device and its broker, on the loopback.

with Proxy(broker.port) as proxy:
    proxy.cut()                     # connections are reset
    proxy.silence()                 # half open: nothing passes, nothing is said
    proxy.bytes_per_second = 2000   # drip by drip
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections on ``port`` to another port of the loopback, as badly as it is told.

    Attributes
    ----------
    port : int
    bytes_per_second : float
        Of each direction, all connections together.
    refusing : bool
        Whether new connections are closed at once.
    forwarded : int
        Bytes so far.
    """

    def __init__(self, target: int) -> None:
        self.bytes_per_second = float("inf")
        self.refusing = False
        self.forwarded = 0
        self.accepted = 0
        self._silent: set[socket.socket] = set()
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            for one in list(self._peers):
                _reset(one)
            self._peers.clear()

    def silence(self) -> None:
        """From now on nothing passes on the connections that there are."""
        with self._lock:
            self._silent.update(self._peers)

    @property
    def connections(self) -> int:
        with self._lock:
            return len([one for one in self._peers if one not in self._silent]) // 2

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                if self.refusing:
                    raise OSError
                broker = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._peers |= {client: broker, broker: client}
            for one, other in ((client, broker), (broker, client)):
                thread = threading.Thread(target=self._forward, args=(one, other), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not self._ending.is_set():
                chunk = one.recv(int(min(65_536, max(1, self.bytes_per_second / 20))))
                if one in self._silent:
                    if not chunk:
                        return
                    continue
                if not chunk:
                    break
                other.sendall(chunk)
                self.forwarded += len(chunk)
                if self.bytes_per_second < float("inf"):
                    time.sleep(len(chunk) / self.bytes_per_second)
        with self._lock:
            self._peers.pop(one, None)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
            other.close()

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            ends = [*self._peers, *self._silent]
        for one in ends:
            _reset(one)
        for thread in self._threads:
            thread.join(5)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
