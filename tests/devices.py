"""The two ends of the line without the line: a device's outbox, and a collector that only counts.

outbox = open_outbox(tmp_path)
post_event(outbox, picture=b"jpeg")
with Counter(broker.port) as collector:
    collector.wait_for(outbox.spool.boot_id, 1)
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter as Counts
from pathlib import Path
from typing import Any

import msgspec
from brokers import Listener

from edge_guard.publish.messages import (
    Alarm,
    BootReceipt,
    Event,
    ImageReference,
    Receipt,
    State,
    Summary,
    Topics,
    encode,
)
from edge_guard.publish.outbox import Numbered, Outbox
from edge_guard.types import Timing, Verdict

TOPICS = Topics("site", "line", "device")


def open_outbox(folder: Path, max_bytes: int = 100_000_000) -> Outbox:
    return Outbox(folder / "spool", max_bytes, "device", TOPICS)


def post_event(outbox: Outbox, picture: bytes | None = None, stream: str = "s") -> int | None:
    image = picture and ImageReference(hashlib.sha256(picture).hexdigest(), len(picture), 4, 3)

    def make(numbered: Numbered) -> Event:
        return Event(
            **numbered,
            event_id=f"{numbered['boot_id']}-{numbered['sequence']}",
            stream=stream,
            frame_sequence=0,
            captured_wall_time="2026-01-01T00:00:00.000Z",
            source="test",
            verdict=Verdict.REVIEW,
            label=None,
            confidence=None,
            p_value=None,
            scores={},
            reasons=(),
            timing_us=Timing(),
            bundle="bundle",
            image=image or None,
        )

    return outbox.post("event", TOPICS.event(stream), make, picture and (stream, picture))


def post_summary(outbox: Outbox, window: int = 0) -> int | None:
    def make(numbered: Numbered) -> Summary:
        return Summary(
            **numbered,
            stream="s",
            bundle="bundle",
            window=window,
            frames=0,
            verdicts={},
            labels={},
            reasons={},
            statistics={},
            dropped_at_capture={},
            dropped_from_spool={},
        )

    return outbox.post("summary", TOPICS.summary("s"), make)


def post_alarm(outbox: Outbox, state: Any = "raised") -> int | None:
    def make(numbered: Numbered) -> Alarm:
        return Alarm(
            **numbered,
            stream="s",
            alarm="source",
            state=state,
            cause="test",
            message="test",
            since_wall_time="2026-01-01T00:00:00.000Z",
            evidence={},
        )

    return outbox.post("alarm", TOPICS.alarm("s", "source"), make)


def describe(outbox: Outbox) -> State:
    numbered: dict[str, Any] = dict(outbox.numbered(0))
    del numbered["sequence"]
    return State(**numbered, state="online", causes=(), version="0")


class Counter:
    """Stores the identities of what arrives, counts what comes again, and sends receipts.

    Attributes
    ----------
    stored : dict of boot id to {sequence: payload}
        Complete: with their pictures.
    dropped : dict of boot id to set of sequence
    arrivals : Counts of (boot id, sequence)
    receipts : bool
        Whether it answers.
    """

    def __init__(
        self, port: int, *, receipts: bool = True, client_id: str = "counter", **login: Any
    ) -> None:
        self.stored: dict[str, dict[int, dict[str, Any]]] = {}
        self.dropped: dict[str, set[int]] = {}
        self.pictures: dict[str, bytes] = {}
        self.arrivals: Counts[tuple[str, int]] = Counts()
        self.receipts = receipts
        self._waiting: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self.listener = Listener(port, "#", on_message=self._received, client_id=client_id, **login)

    def __enter__(self) -> Counter:
        self.listener.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.__exit__()

    def done(self, boot_id: str) -> set[int]:
        """Return the sequences that are stored or reported dropped."""
        return set(self.stored.get(boot_id, {})) | self.dropped.get(boot_id, set())

    def wait_for(self, boot_id: str, highest: int, seconds: float = 20.0) -> None:
        """Return once 1..highest of the boot are done."""
        wanted = set(range(1, highest + 1))
        with self._changed:
            if not self._changed.wait_for(lambda: wanted <= self.done(boot_id), seconds):
                missing = sorted(wanted - self.done(boot_id))
                raise TimeoutError(f"{len(missing)} of {highest} missing: {missing[:20]}")

    def receipt(self, boot_id: str) -> BootReceipt:
        """Return what it would tell the device about a boot."""
        done = self.done(boot_id)
        contiguous = next(n for n in range(len(done) + 1) if n + 1 not in done)
        highest = max(done, default=0)
        gaps = [n for n in range(contiguous + 1, highest) if n not in done]
        return BootReceipt(boot_id, contiguous, highest, tuple((n, n) for n in gaps))

    def _received(self, listener: Listener, topic: str, payload: bytes) -> None:
        kind = topic.removeprefix(TOPICS.base).split("/")[1]
        if kind not in ("event", "image", "result", "summary", "alarm", "reply", "dropped"):
            return
        with self._changed:
            boot_id = self._take_in(kind, topic, payload)
            self._changed.notify_all()
            answer = Receipt("counter", (self.receipt(boot_id),))
        if self.receipts:
            base = topic[: topic.index(f"/{kind}")]
            listener.publish(f"{base}/receipt", encode(answer))

    def _take_in(self, kind: str, topic: str, payload: bytes) -> str:
        if kind == "image":
            event_id = topic.rsplit("/", 1)[1]
            self.pictures[event_id] = payload
            if event_id in self._waiting:
                self._store(self._waiting.pop(event_id))
            return event_id.rsplit("-", 1)[0]
        message = msgspec.json.decode(payload)
        self.arrivals[message["boot_id"], message["sequence"]] += 1
        if message.get("image") and message["event_id"] not in self.pictures:
            self._waiting[message["event_id"]] = message
        else:
            self._store(message)
        if kind == "dropped":
            lost = self.dropped.setdefault(message["of_boot"], set())
            for first, last in message["sequences"]:
                lost.update(range(first, last + 1))
        return str(message["boot_id"])

    def _store(self, message: dict[str, Any]) -> None:
        self.stored.setdefault(message["boot_id"], {})[message["sequence"]] = message


def wait_until(true: Any, seconds: float = 15.0) -> None:
    """Return once ``true()`` holds; for what tells nobody that it changed."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {seconds} s")
        time.sleep(0.02)
