"""The two ends of the path, and what is measured between them."""

from __future__ import annotations

import hashlib
import multiprocessing
import statistics
import time
from contextlib import contextmanager
from multiprocessing.synchronize import Event as Flag
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.config import MqttTable
from edge_guard.publish.messages import Event, ImageReference, State, Topics
from edge_guard.publish.outbox import Numbered, Outbox, event_id
from edge_guard.publish.publisher import Publisher
from edge_guard.publish.stamp import rfc3339, stamp
from edge_guard.types import Reason, Timing, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from path_bench.brokers import Broker

TOPICS = Topics("site", "line", "bench")
_JPEG = b"\xff\xd8\xff"
_GIVE_UP_SECONDS = 600.0


def spool_cost(folder: Path, n: int, picture_bytes: int) -> dict[str, object]:
    """Return what one flagged frame costs at the spool: event and picture, both synced."""
    outbox = _outbox(folder)
    took = []
    for number in range(n):
        begun = time.perf_counter()
        _post(outbox, number, picture_bytes)
        took.append(time.perf_counter() - begun)
    return {"measure": "spool", "picture_bytes": picture_bytes, **_milliseconds(took)}


def throughput(folder: Path, broker: Broker, n: int, picture_bytes: int) -> dict[str, object]:
    """Return how fast a backlog is stored and receipted."""
    outbox = _outbox(folder)
    for number in range(n):
        _post(outbox, number, picture_bytes)
    with _collector(folder, broker.config) as told:
        publisher = _publisher(outbox, broker.config)
        begun = time.perf_counter()
        publisher.start()
        while outbox.spool.backlog() and time.perf_counter() - begun < _GIVE_UP_SECONDS:
            if told.poll(0.005):  # else the collector would wait for somebody to read
                told.recv()
        seconds = time.perf_counter() - begun
        publisher.stop(0.0)
    rate = round(n / seconds, 1)
    return {"measure": "throughput", "picture_bytes": picture_bytes, "events_per_second": rate}


def latency(
    folder: Path, broker: Broker, seconds: float, rate: float, picture_bytes: int
) -> dict[str, object]:
    """Return how long after it was posted an event is committed in the collector's database."""
    outbox = _outbox(folder)
    with _collector(folder, broker.config) as told:
        publisher = _publisher(outbox, broker.config)
        publisher.start()
        n = int(seconds * rate)
        begun = time.perf_counter()
        for number in range(n):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            _post(outbox, number, picture_bytes)
        delays = []
        while len(delays) < n and told.poll(30):
            delays += told.recv()
        publisher.stop(5.0)
    values = {"picture_bytes": picture_bytes, "events_per_second": rate}
    return {"measure": "frame to stored", **values, **_milliseconds(delays)}


def _milliseconds(seconds: Sequence[float]) -> dict[str, object]:
    ordered = sorted(seconds)
    return {
        "n": len(ordered),
        "median_ms": round(1000 * statistics.median(ordered), 2),
        "p99_ms": round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 2),
    }


def _outbox(folder: Path) -> Outbox:
    return Outbox(folder / "spool", 10_000_000_000, "bench", TOPICS)


def _publisher(outbox: Outbox, config: MqttTable) -> Publisher:
    def describe() -> State:
        return State(**stamp("bench", outbox.spool.boot_id), state="online", causes=(), version="0")

    return Publisher(config, outbox, "edge-guard-bench", describe)


def _post(outbox: Outbox, number: int, picture_bytes: int) -> None:
    jpeg = _JPEG + number.to_bytes(8) + bytes(picture_bytes) if picture_bytes else None
    image = jpeg and ImageReference(hashlib.sha256(jpeg).hexdigest(), len(jpeg), 640, 480)
    reason = Reason("fused", "The frame looks unlike every reference image.", 4.2, (None, 3.1))

    def make(numbered: Numbered) -> Event:
        return Event(
            **numbered,
            event_id=event_id(numbered["boot_id"], numbered["sequence"]),
            stream="camera",
            frame_sequence=number,
            captured_wall_time=rfc3339(time.time_ns()),
            source="bench",
            verdict=Verdict.REVIEW,
            label="ok",
            confidence=0.6,
            p_value=0.004,
            scores={"fused": 4.2, "nearest": 0.3, "energy": -3.5},
            reasons=(reason,),
            timing_us=Timing(),
            bundle="bench",
            image=image or None,
        )

    outbox.post("event", TOPICS.event("camera"), make, jpeg and ("camera", jpeg))


@contextmanager
def _collector(folder: Path, config: MqttTable) -> Iterator[Connection]:
    """Give a pipe that tells the delay of each event committed by a collector."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    ready, ending = context.Event(), context.Event()
    process = context.Process(target=_collect, args=(folder, config, there, ready, ending))
    process.start()
    ready.wait(30)
    try:
        yield here
    finally:
        ending.set()
        process.join(20)


def _collect(folder: Path, config: MqttTable, told: Connection, ready: Flag, ending: Flag) -> None:
    from edge_guard.collector.changes import Applied
    from edge_guard.collector.feed import Feed
    from edge_guard.collector.ingest import Ingest
    from edge_guard.collector.link import Link, LinkStatus
    from edge_guard.collector.parse import Message
    from edge_guard.collector.pictures import PictureStore
    from edge_guard.collector.queries import Queries
    from edge_guard.collector.receipts import Receipts
    from edge_guard.collector.store import Store

    class Timed(Store):
        def apply(self, batch: Sequence[Message | str]) -> Applied:
            applied = super().apply(batch)
            now = time.monotonic_ns()
            bodies = [one.body for one in batch if isinstance(one, Message)]
            events = [body for body in bodies if isinstance(body, Event)]
            told.send([(now - event.monotonic_ns) / 1e9 for event in events])
            return applied

    store = Timed(f"sqlite:///{folder / 'c.sqlite'}", PictureStore(folder / "frames"))
    feed = Feed(Queries(store.engine), LinkStatus("connecting", ""))
    link = Link(config, "edge-guard-collector-bench", lambda status: _noted(status.state, ready))
    ingest = Ingest(store, feed, Receipts(config.prefix, "bench", link.publish), config.prefix)
    ingest.start()
    link.start(ingest.offer)
    ending.wait()
    ingest.stop()
    link.stop()


def _noted(state: str, ready: Flag) -> None:
    if state == "connected":
        ready.set()
