"""An edge node's sessions with its host: births, data, deaths, and how they are numbered.

No I/O and no clock: methods return what is to be published, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edge_guard.publish.sparkplug.metrics import Metrics, Reading
from edge_guard.publish.sparkplug.payload import DataType, Metric, Value, encode_payload

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
BIRTH_DEATH = "bdSeq"
MOST_HISTORY = 5000
"""Changes kept while nobody listens; older ones go first. The spool keeps every event anyway."""
HISTORY_STEP_MS = 60_000
"""Numbers change with each frame: of each, history keeps one a minute; states and alarms all."""
_STATES = (DataType.BOOLEAN, DataType.STRING)
_MOST_IN_ONE = 200
_ROUND = 256


class Outgoing(NamedTuple):
    """A message of an edge node."""

    topic: str
    payload: bytes


class Change(NamedTuple):
    """A metric that changed while nobody listened; ``device`` is "" for the edge node's own."""

    device: str
    name: str
    value: Value
    timestamp_ms: int


class Session:
    """Numbers and builds an edge node's messages.

    Parameters
    ----------
    group, node : str
        Ids of the group and of the edge node.
    """

    def __init__(self, group: str, node: str) -> None:
        self._group, self._node = group, node
        self._birth_death = -1
        self._sequence = 0
        self._aliases: dict[tuple[str, str], int] = {}
        self._history: deque[Change] = deque(maxlen=MOST_HISTORY)
        self._kept_at: dict[tuple[str, str], int] = {}
        self._last: Reading | None = None
        self.born = False

    @property
    def commands(self) -> str:
        """Topic of commands to the edge node."""
        return f"{NAMESPACE}/{self._group}/NCMD/{self._node}"

    def connecting(self, now_ms: int) -> Outgoing:
        """Return the will of the next connection: a death with the next bdSeq."""
        self.born = False
        return self._death((self._birth_death + 1) % _ROUND, now_ms)

    def connected(self) -> None:
        """Count a connection: its CONNECT has been sent, with the will of ``connecting``."""
        self._birth_death = (self._birth_death + 1) % _ROUND

    def death(self, now_ms: int) -> Outgoing:
        """Return the edge node's death before a goodbye."""
        self.born = False
        return self._death(self._birth_death, now_ms)

    def births(self, reading: Reading, now_ms: int) -> Iterator[Outgoing]:
        """Yield a complete birth, then what happened while nobody listened."""
        self._sequence = _ROUND - 1
        self.born, self._last = True, reading
        own = {BIRTH_DEATH: Value(DataType.INT64, self._birth_death), **reading.node}
        metrics = [*self._whole("", own, now_ms), _rebirth(now_ms)]
        yield self._numbered("NBIRTH", "", metrics, now_ms)
        for device, values in reading.devices.items():
            if device not in reading.absent:
                yield self._birth_of(device, values, now_ms)
        yield from self._told_late(reading, now_ms)

    def data(self, reading: Reading, now_ms: int) -> Iterator[Outgoing]:
        """Yield what has changed since the last births or data, or births where that is needed."""
        last = self._last
        if last is None or _names(last) != _names(reading):
            yield from self.births(reading, now_ms)
            return
        self._last = reading
        if changed := _changed(last.node, reading.node):
            yield self._numbered("NDATA", "", self._known("", changed, now_ms), now_ms)
        for device, values in reading.devices.items():
            was_there, is_there = device not in last.absent, device not in reading.absent
            if is_there and not was_there:
                yield self._birth_of(device, values, now_ms)
            elif was_there and not is_there:
                yield self._numbered("DDEATH", device, [], now_ms)
            elif is_there and (changed := _changed(last.devices[device], values)):
                yield self._numbered("DDATA", device, self._known(device, changed, now_ms), now_ms)

    def keep(self, reading: Reading, now_ms: int) -> None:
        """Remember what has changed, to be told as history with the next births."""
        last, self._last = self._last, reading
        if last is None:
            return
        before = {"": last.node, **last.devices}
        for device, values in {"": reading.node, **reading.devices}.items():
            for name, value in _changed(before.get(device, {}), values).items():
                kept_at = self._kept_at.get((device, name), now_ms - HISTORY_STEP_MS)
                if value.type in _STATES or now_ms - kept_at >= HISTORY_STEP_MS:
                    self._kept_at[device, name] = now_ms
                    self._history.append(Change(device, name, value, now_ms))

    def _told_late(self, reading: Reading, now_ms: int) -> Iterator[Outgoing]:
        """Yield the history of what is there now; of absent streams it is kept."""
        told: dict[str, list[Metric]] = {}
        kept = [change for change in self._history if change.device in reading.absent]
        for device, name, value, then in self._history:
            if (device, name) in self._aliases and device not in reading.absent:
                alias = self._aliases[device, name]
                metric = Metric(value, then, alias=alias, historical=True)
                told.setdefault(device, []).append(metric)
        self._history = deque(kept, MOST_HISTORY)
        for device, metrics in told.items():
            verb = "DDATA" if device else "NDATA"
            for first in range(0, len(metrics), _MOST_IN_ONE):
                part = metrics[first : first + _MOST_IN_ONE]
                yield self._numbered(verb, device, part, now_ms)

    def _birth_of(self, device: str, values: Metrics, now_ms: int) -> Outgoing:
        return self._numbered("DBIRTH", device, self._whole(device, values, now_ms), now_ms)

    def _whole(self, device: str, values: Metrics, now_ms: int) -> list[Metric]:
        return [
            Metric(value, now_ms, name=name, alias=self._alias(device, name), with_type=True)
            for name, value in values.items()
        ]

    def _known(self, device: str, values: Metrics, now_ms: int) -> list[Metric]:
        return [
            Metric(value, now_ms, alias=self._alias(device, name)) for name, value in values.items()
        ]

    def _alias(self, device: str, name: str) -> int:
        return self._aliases.setdefault((device, name), len(self._aliases) + 1)

    def _death(self, birth_death: int, now_ms: int) -> Outgoing:
        value = Value(DataType.INT64, birth_death)
        metric = Metric(value, now_ms, name=BIRTH_DEATH, with_type=True)
        return Outgoing(self._topic("NDEATH"), encode_payload([metric], now_ms, None))

    def _numbered(self, verb: str, device: str, metrics: Iterable[Metric], now_ms: int) -> Outgoing:
        self._sequence = (self._sequence + 1) % _ROUND
        return Outgoing(self._topic(verb, device), encode_payload(metrics, now_ms, self._sequence))

    def _topic(self, verb: str, device: str = "") -> str:
        below = f"/{device}" if device else ""
        return f"{NAMESPACE}/{self._group}/{verb}/{self._node}{below}"


def _rebirth(now_ms: int) -> Metric:
    """Return the metric that hosts write to; the specification wants it without an alias."""
    return Metric(Value(DataType.BOOLEAN, False), now_ms, name=REBIRTH, with_type=True)


def _names(reading: Reading) -> tuple[list[str], dict[str, list[str]]]:
    return list(reading.node), {device: list(values) for device, values in reading.devices.items()}


def _changed(before: Metrics, after: Metrics) -> Metrics:
    return {name: value for name, value in after.items() if before.get(name) != value}
