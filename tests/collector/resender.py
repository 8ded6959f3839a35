"""A device that sends each message again until the collector's receipt covers it."""

from __future__ import annotations

import random
import threading
import time

import msgspec
from brokers import Listener
from reports import Reporter, Sent

from edge_guard.publish.messages import BootReceipt, Receipt, decode

AGAIN_S = 0.5


class Resender:
    """Sends in random order, each message several times, in a thread of its own.

    Parameters
    ----------
    port : int
        Of the broker.
    reporter : Reporter
    messages : dict of int to list
        By sequence: the message, and its picture where it has one.
    """

    def __init__(self, port: int, reporter: Reporter, messages: dict[int, list[Sent]]) -> None:
        self.pending = dict(messages)
        self.done = threading.Event()
        self._ending = threading.Event()
        self._boot = reporter.boot
        self._lock = threading.Lock()
        self._listener = Listener(
            port, reporter.topics.receipt(), on_message=lambda _l, _t, body: self._receive(body)
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Resender:
        self._listener.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(10)
        self._listener.__exit__()

    def _run(self) -> None:
        chance = random.Random(7)
        while not self._ending.is_set() and not self.done.is_set():
            with self._lock:
                sent = [one for parts in self.pending.values() for one in parts]
            chance.shuffle(sent)
            for topic, payload in sent[:100]:
                self._listener.publish(topic, payload)
                if self._ending.wait(0.002):
                    return
            self._ending.wait(AGAIN_S)

    def _receive(self, payload: bytes) -> None:
        for boot in decode(payload, Receipt).boots:
            if boot.boot_id == self._boot:
                self._forget(boot)

    def _forget(self, boot: BootReceipt) -> None:
        with self._lock:
            for sequence in list(self.pending):
                gap = any(first <= sequence <= last for first, last in boot.gaps)
                if sequence <= boot.highest and not gap:
                    del self.pending[sequence]
            if not self.pending:
                self.done.set()


def wait_until(condition: object, seconds: float = 15.0) -> None:
    """Return when ``condition()`` is true; TimeoutError otherwise."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.01)


def receipts(listener: Listener) -> list[Receipt]:
    """Return the receipts that a listener has seen."""
    return [msgspec.json.decode(body, type=Receipt) for body in listener.on("receipt")]
