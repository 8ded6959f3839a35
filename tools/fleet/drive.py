"""All devices at work: one thread, few connections, a timetable."""

from __future__ import annotations

import heapq
import random
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_guard.publish.messages import Receipt, decode
from fleet.device import Device, Tally
from fleet.pictures import Pictures
from fleet.wire import Wire

TICK_S = 0.01
MOST_UNACKNOWLEDGED = 400
"""Messages that one connection leaves with the broker before it sends more."""
STATE_S = 30.0
_PING_S = 40.0


@dataclass(frozen=True)
class Load:
    """What the fleet does.

    Attributes
    ----------
    devices, connections : int
    rate : float
        Events a second and device, each with a picture.
    picture_bytes : int
    summary_s : float
        Length of a window.
    outages, drifting : float
        Shares of the devices that lose the broker once, and whose light changes.
    outage_s : float
        How long each outage lasts.
    again_s : float
        What brought no receipt is sent again after this time.
    """

    devices: int = 1000
    connections: int = 8
    rate: float = 1.0
    picture_bytes: int = 30_000
    summary_s: float = 60.0
    outages: float = 0.05
    outage_s: float = 20.0
    drifting: float = 0.05
    again_s: float = 10.0
    seed: int = 1


@dataclass(order=True)
class _Due:
    at: float
    order: int
    act: Callable[[float], None] = field(compare=False)


class Fleet:
    """Devices on a broker.

    Parameters
    ----------
    host, port : str, int
        The broker's address.
    load : Load

    Attributes
    ----------
    tally : Tally
    devices : list of Device
    """

    def __init__(self, host: str, port: int, load: Load) -> None:
        self.tally = Tally()
        self._load = load
        chance = random.Random(load.seed)
        pictures = Pictures(load.picture_bytes, load.seed)
        lines = [f"line-{n + 1}" for n in range(load.connections)]
        self._wires = [
            Wire(host, port, f"fleet-{line}", f"edge-guard/v1/fleet/{line}/+/receipt")
            for line in lines
        ]
        self.devices: list[Device] = []
        self._of: list[list[Device]] = [[] for _ in lines]
        self._by_topic: dict[str, Device] = {}
        for n in range(load.devices):
            at = n % load.connections
            drifts = chance.random() < load.drifting
            name, line = f"cam-{n:04d}", lines[at]
            device = Device(name, line, pictures, self.tally, chance, drifts, load.again_s)
            self.devices.append(device)
            self._of[at].append(device)
            self._by_topic[device.topics.receipt()] = device
        self._chance = chance
        self._due: list[_Due] = []
        self._selector = selectors.DefaultSelector()
        for at, wire in enumerate(self._wires):
            self._selector.register(wire.socket, selectors.EVENT_READ, at)

    def run(self, seconds: float, each_second: Callable[[float], None]) -> None:
        """Work for so long; ``each_second`` gets the seconds since the start."""
        begun = time.monotonic()
        for at, devices in enumerate(self._of):
            for device in devices:
                self._plan(device, self._wires[at], begun, seconds)
            self._every(begun + _PING_S, _PING_S, _pinging(self._wires[at]))
        self._work(lambda now: now >= begun + seconds, each_second)
        self._due.clear()

    def drain(self, seconds: float, each_second: Callable[[float], None]) -> bool:
        """Return whether every message has its receipt within so many seconds."""
        for device in self.devices:
            device.connected = True
        deadline = time.monotonic() + seconds
        begun = self.tally.produced

        def ended(now: float) -> bool:
            return now >= deadline or self.tally.receipted == begun

        for wire in self._wires:
            self._every(time.monotonic() + _PING_S, _PING_S, _pinging(wire))
        self._work(ended, each_second)
        return self.tally.receipted == begun

    def close(self) -> None:
        """Leave the broker."""
        for wire in self._wires:
            wire.close()

    def _plan(self, device: Device, wire: Wire, begun: float, seconds: float) -> None:
        load, chance = self._load, self._chance
        device.state(wire)
        period = 1.0 / load.rate
        self._every(begun + chance.random() * period, period, lambda _now: device.event())
        self._every(
            begun + chance.random() * load.summary_s,
            load.summary_s,
            lambda _now: device.summary(load.summary_s),
        )
        self._every(begun + chance.random() * STATE_S, STATE_S, lambda _now: device.state(wire))
        self._once(begun + chance.uniform(0.2, 0.6) * seconds, lambda _now: device.alarm())
        if chance.random() < load.outages:
            at = begun + chance.uniform(0.1, 0.6) * seconds
            self._once(at, lambda _now: _connect(device, wire, False))
            self._once(at + load.outage_s, lambda _now: _connect(device, wire, True))

    def _work(self, ended: Callable[[float], bool], each_second: Callable[[float], None]) -> None:
        begun = second = tick = time.monotonic()
        while not ended(now := time.monotonic()):
            while self._due and self._due[0].at <= now:
                heapq.heappop(self._due).act(now)
            if now >= tick:
                tick = now + TICK_S
                self._send(now)
            if now >= second + 1.0:
                second += 1.0
                each_second(now - begun)
            self._exchange(max(0.0, tick - time.monotonic()))

    def _send(self, now: float) -> None:
        for wire, devices in zip(self._wires, self._of, strict=True):
            for device in devices:
                if wire.unacknowledged >= MOST_UNACKNOWLEDGED:
                    break
                device.send(wire, now)
            devices.append(devices.pop(0))  # so that not always the same wait
            wire.write()

    def _exchange(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            wire = self._wires[key.data]
            now = time.monotonic()
            for topic, payload in wire.read():
                device = self._by_topic[topic]
                receipt = decode(payload, Receipt)
                self.tally.receipts[receipt.collector] += 1
                for boot in receipt.boots:
                    device.receipt(boot, now)
            wire.write()

    def _once(self, at: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._due, _Due(at, len(self._due), act))

    def _every(self, first: float, period: float, act: Callable[[float], None]) -> None:
        def again(now: float) -> None:
            act(now)
            self._every(first + period, period, act)

        self._once(first, again)


def _pinging(wire: Wire) -> Callable[[float], None]:
    return lambda _now: wire.ping()


def _connect(device: Device, wire: Wire, connected: bool) -> None:
    device.connected = connected
    device.state(wire)
