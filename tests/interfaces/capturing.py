"""Everything that a real device and a collector say to each other over a real broker.

traffic = capture(tmp_path)
traffic.topics["…/state"][-1]       # payloads, in order
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from brokers import Listener, Mosquitto, free_port
from devices import TOPICS, wait_until
from pretend import ACCEPTED, BROKEN, FLAGGED, FROZEN, TIMING, Pretender, device, write_pictures
from running import Running

from edge_guard import daemon as daemon_module
from edge_guard.config import DeviceConfig
from edge_guard.daemon import Daemon
from edge_guard.publish.messages import Acknowledge, Command, encode
from edge_guard.types import Frame, Result

QUOTA = 1_000_000
"""The smallest that a configuration may have."""
COMMAND = Command(
    id="1",
    device="device",
    by="somebody",
    issued_wall_time="2026-01-01T00:00:00Z",
    expires_wall_time="2126-01-01T00:00:00Z",
    action=Acknowledge(stream="s", alarm="frozen"),
)


@dataclass
class Traffic:
    """Payloads by topic, in order of arrival; what is retained once the device has gone."""

    topics: dict[str, list[bytes]] = field(default_factory=dict)
    retained: dict[str, bytes] = field(default_factory=dict)

    def payloads(self, kind: str) -> list[bytes]:
        """Return what came on the topics of one kind of message."""
        start = f"{TOPICS.base}/{kind}"
        return [
            payload
            for topic, payloads in self.topics.items()
            if topic == start or topic.startswith(f"{start}/")
            for payload in payloads
        ]


class Wordy(Pretender):
    """Its events are so large that a hundred are more than the quota."""

    def inspect(self, frame: Frame) -> Result:
        result = super().inspect(frame)
        return replace(result, scores={f"{n:0200}": 0.5 for n in range(250)})


@contextmanager
def running(config: DeviceConfig, **keywords: Any) -> Iterator[Daemon]:
    """A daemon at work until the block ends."""
    daemon = Daemon(config, **{"open_inspector": Pretender, "timing": TIMING} | keywords)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(30)
    assert not thread.is_alive()


def capture(folder: Path) -> Traffic:
    """Return the traffic of a device that has lost messages, flags, freezes and recovers."""
    lose_messages(folder)
    pictures = write_pictures(folder / "in", ACCEPTED, FLAGGED, BROKEN, FROZEN)
    with (
        Mosquitto(folder) as broker,
        Listener(broker.port) as listener,
        Running(folder, broker.port),
    ):
        config = device(folder, broker.port, pictures, publish="all", watch=True)
        with running(config) as daemon:
            wait_until(lambda: b'"frozen"' in b"".join(listener.on("state")))
            write_pictures(pictures, ACCEPTED)
            (pictures / "0005.png").write_bytes(b"no picture")
            wait_until(lambda: daemon.describe().streams[0].frames == 6)
            listener.publish(TOPICS.command(), encode(COMMAND))
            listener.wait(lambda _: bool(listener.on("reply")))
        assert daemon.final_counts[1] == 0, "the collector has not stored all"
        with Listener(broker.port) as late:
            late.publish("other/end", b"")  # comes after all that is retained
            late.wait(lambda messages: messages[-1:] == [("other/end", b"", False)])
            traffic = Traffic(retained={topic: p for topic, p, kept in late.messages if kept})
        listener.wait(lambda messages: messages[-1][0] == "other/end")
    for topic, payload, _ in listener.messages:
        if topic.startswith(f"{TOPICS.base}/"):
            traffic.topics.setdefault(topic, []).append(payload)
    return traffic


def lose_messages(folder: Path) -> None:
    """Let a device without a broker produce more than its spool takes."""
    pictures = write_pictures(folder / "earlier", *[FLAGGED] * 60)
    config = device(folder, free_port(), pictures)
    config = msgspec.structs.replace(
        config, spool=msgspec.structs.replace(config.spool, max_bytes=QUOTA)
    )
    drain, daemon_module.DRAIN_SECONDS = daemon_module.DRAIN_SECONDS, 0.1
    try:
        Daemon(config, open_inspector=Wordy, timing=TIMING).run()
    finally:
        daemon_module.DRAIN_SECONDS = drain
