"""One long conversation between an edge node and a host, through everything that can happen.

The edge node is the real one, the broker a real Mosquitto, the host a client that says what the
specification has a host say. What the edge node sent is taken off the wire.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from brokers import Listener, Mosquitto
from devices import wait_until
from payloads import decode
from wiretap import Connect, Disconnect, Packet, Publish, Subscribe, Wiretap

from edge_guard.config import MqttTable, SparkplugTable
from edge_guard.publish.messages import Alarm, State, StreamState, encode
from edge_guard.publish.sparkplug.node import EdgeNode
from edge_guard.publish.sparkplug.payload import (
    DataType,
    Metric,
    Value,
    encode_payload,
)

GROUP, NODE, HOST = "plant", "press-7", "scada"
NOW_MS = 1_800_000_000_000
STAMP: dict[str, Any] = {
    "device": NODE,
    "boot_id": "boot",
    "wall_time": "2027-01-15T08:00:00.000Z",
    "monotonic_ns": 0,
    "clock_synchronised": True,
}


def topic(verb: str, device: str = "") -> str:
    return f"spBv1.0/{GROUP}/{verb}/{NODE}" + (f"/{device}" if device else "")


class Machine:
    """A device that is as the test says."""

    def __init__(self) -> None:
        self._looked = threading.Condition()
        self._looks = 0
        self.state = State(
            **STAMP,
            state="online",
            causes=(),
            version="1",
            streams=tuple(
                StreamState(name, "running", "", "line.guard", STAMP["wall_time"], 0, 25.0, {}, {})
                for name in ("top", "side")
            ),
        )
        self.raised: tuple[Alarm, ...] = ()

    def describe(self) -> State:
        with self._looked:
            self._looks += 1
            self._looked.notify_all()
            return self.state

    def settle(self) -> None:
        """Return when what was set has been seen, and what was seen before has been told."""
        with self._looked:
            wanted = self._looks + 2
            assert self._looked.wait_for(lambda: self._looks >= wanted, 10)

    def alarms(self) -> list[bytes]:
        return [encode(alarm) for alarm in self.raised]

    def set(self, **changes: Any) -> None:
        with self._looked:
            self.state = msgspec.structs.replace(self.state, **changes)

    def set_stream(self, name: str, **changes: Any) -> None:
        streams = tuple(
            msgspec.structs.replace(stream, **changes) if stream.name == name else stream
            for stream in self.state.streams
        )
        self.set(streams=streams)

    def raise_alarm(self, name: str, stream: str) -> None:
        self.raised += (
            Alarm(
                **STAMP,
                sequence=1,
                stream=stream,
                alarm=name,
                state="raised",
                cause="test",
                message="a test",
                since_wall_time=STAMP["wall_time"],
                evidence={},
            ),
        )


@dataclass(frozen=True)
class Sent:
    """A Sparkplug message of the edge node, and the step of the conversation that it was in."""

    step: str
    verb: str
    device: str
    packet: Publish
    payload: Any

    @property
    def names(self) -> list[str]:
        return [metric.name for metric in self.payload.metrics]


@dataclass
class Conversation:
    """What was sent in which step, and what the host heard."""

    steps: list[tuple[str, int]] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def sent(self, *verbs: str, step: str | None = None) -> list[Sent]:
        """Return messages of these kinds (default all), in order."""
        found = []
        for position, packet in enumerate(self.packets):
            if not isinstance(packet, Publish):
                continue
            words = packet.topic.split("/")
            name = [name for name, start in self.steps if start <= position][-1]
            device = words[4] if len(words) > 4 else ""
            message = Sent(name, words[2], device, packet, decode(packet.payload))
            if (not verbs or message.verb in verbs) and step in (None, name):
                found.append(message)
        return found

    def connections(self) -> list[list[Packet]]:
        """Return the packets of each connection; the first is its CONNECT."""
        starts = [n for n, packet in enumerate(self.packets) if isinstance(packet, Connect)]
        ends = [*starts[1:], len(self.packets)]
        return [self.packets[start:end] for start, end in zip(starts, ends, strict=True)]


class Host:
    """A host application, as far as an edge node sees one."""

    def __init__(self, port: int) -> None:
        self.listener = Listener(port, "spBv1.0/#")

    def state(self, online: bool, timestamp: int) -> None:
        payload = json.dumps({"online": online, "timestamp": timestamp}).encode()
        self.listener.publish(f"spBv1.0/STATE/{HOST}", payload, retain=True)

    def command(self, payload: bytes) -> None:
        self.listener._client.publish(topic("NCMD"), payload, qos=0)

    def rebirth(self) -> None:
        metric = Metric(Value(DataType.BOOLEAN, True), NOW_MS, name="Node Control/Rebirth")
        self.command(encode_payload([replace(metric, with_type=True)], NOW_MS, None))


def hold(folder: Path) -> Conversation:
    """Hold the conversation."""
    held = Conversation()
    with Mosquitto(folder) as broker, Wiretap(broker.port) as tap:
        host = Host(broker.port)
        machine = Machine()
        node = EdgeNode(
            MqttTable(host="127.0.0.1", port=tap.port),
            SparkplugTable(group=GROUP, edge_node=NODE, primary_host=HOST),
            "unused",
            machine.describe,
            machine.alarms,
            read_seconds=0.004,
            reconnect_seconds=(0.05, 0.2),
        )
        held.packets = tap.packets
        with host.listener:
            host.state(online=False, timestamp=NOW_MS)
            try:
                for step in (start_offline, appear, change, lose_camera, wrap, rebirth, meet_alarm):
                    held.steps.append((step.__name__, len(tap.packets)))
                    step(held, node, machine, host)
                for name, act in host_goes_and_comes(held, host) + cut_and_stop(
                    held, node, tap, host
                ):
                    held.steps.append((name, len(tap.packets)))
                    act()
            finally:
                node.stop()
            held.packets = list(tap.packets)
            held.heard = list(host.listener.messages)
    return held


def await_sent(held: Conversation, verb: str, count: int, step: str) -> None:
    wait_until(lambda: len(held.sent(verb, step=step)) >= count)


def start_offline(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    """Connected, but the host is not there: nothing is said; what changes becomes history."""
    node.start()
    wait_until(lambda: sum(isinstance(p, Subscribe) for p in held.packets) == 2)
    wait_until(lambda: node.cause == "the primary host is not online")
    machine.set_stream("top", verdicts={"accept": 1})
    machine.settle()


def appear(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    host.state(online=True, timestamp=NOW_MS + 1)
    await_sent(held, "DDATA", 1, "appear")


def change(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    machine.settle()
    machine.set_stream("top", verdicts={"accept": 2, "review": 1})
    await_sent(held, "DDATA", 1, "change")
    machine.set(backlog=7)
    await_sent(held, "NDATA", 1, "change")
    machine.settle()


def lose_camera(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    machine.set_stream("side", state="retrying", cause="unplugged")
    await_sent(held, "DDEATH", 1, "lose_camera")
    machine.set_stream("side", frames_per_second=0.0)
    machine.settle()
    machine.set_stream("side", state="running", cause="")
    await_sent(held, "DBIRTH", 1, "lose_camera")


def wrap(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    for number in range(270):
        machine.set(produced=number + 1)
        machine.settle()


def rebirth(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    host.command(b"\xff no payload")
    host.command(b"")
    host.rebirth()
    await_sent(held, "DBIRTH", 2, "rebirth")


def meet_alarm(held: Conversation, node: EdgeNode, machine: Machine, host: Host) -> None:
    machine.raise_alarm("frozen", "top")
    await_sent(held, "DDATA", 1, "meet_alarm")
    machine.raise_alarm("never heard of", "top")
    await_sent(held, "DBIRTH", 2, "meet_alarm")


Step = tuple[str, Callable[[], None]]


def host_goes_and_comes(held: Conversation, host: Host) -> list[Step]:
    def hear_an_old_death() -> None:
        host.state(online=False, timestamp=NOW_MS)
        host.rebirth()
        await_sent(held, "DBIRTH", 2, "old_death")

    def lose_the_host() -> None:
        host.state(online=False, timestamp=NOW_MS + 2)
        connections = len(held.connections())
        wait_until(lambda: len(held.connections()) > connections)
        wait_until(lambda: isinstance(held.packets[-1], Subscribe))

    def find_the_host() -> None:
        host.state(online=True, timestamp=NOW_MS + 3)
        await_sent(held, "DBIRTH", 2, "host_back")

    return [
        ("old_death", hear_an_old_death),
        ("host_lost", lose_the_host),
        ("host_back", find_the_host),
    ]


def cut_and_stop(held: Conversation, node: EdgeNode, tap: Wiretap, host: Host) -> list[Step]:
    def cut() -> None:
        tap.cut()
        await_sent(held, "DBIRTH", 2, "cut")

    def stop() -> None:
        node.stop()
        wait_until(lambda: isinstance(held.packets[-1], Disconnect))
        host.listener.wait(lambda heard: [t for t, _, _ in heard].count(topic("NDEATH")) == 3)

    return [("cut", cut), ("stop", stop)]
