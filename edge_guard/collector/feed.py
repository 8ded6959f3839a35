"""The newest of everything in memory, so that open pages follow each commit at little cost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge_guard.collector.changes import Applied
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.queries import AlarmRow, DeviceRow, EventRow, Queries
from edge_guard.publish.messages import Reply
from edge_guard.types import Verdict

NEWEST_EVENTS = 240
NEWEST_REPLIES = 100


@dataclass(frozen=True, slots=True)
class Totals:
    """The plant in numbers."""

    devices: int
    online: int
    events: int
    stored: int
    dropped: int
    missing: int
    backlog: int
    refused: int


@dataclass(frozen=True, slots=True)
class News:
    """What changed since a version."""

    version: int
    devices: list[DeviceRow]
    events: list[EventRow]
    """Oldest first."""
    alarms: list[AlarmRow]
    """All that are not normal now."""
    replies: list[Reply]
    """What devices answered, oldest first."""
    totals: Totals
    link: LinkStatus
    trouble: str
    """The store's trouble, and that of what looks after it, in words; empty = none."""


class Feed:
    """Follows the commits; thread-safe.

    Parameters
    ----------
    queries : Queries
    link : LinkStatus
    """

    def __init__(self, queries: Queries, link: LinkStatus) -> None:
        self._queries = queries
        self._lock = threading.Lock()
        self._version = 1
        self._link = link
        self._trouble: dict[str, str] = {}
        self._devices: dict[int, tuple[int, DeviceRow]] = {}
        self._events: dict[int, tuple[int, EventRow]] = {}
        self._alarms = queries.standing_alarms()
        self._replies: deque[tuple[int, Reply]] = deque(maxlen=NEWEST_REPLIES)
        self._refused = queries.refusals()
        self._keep(queries.devices(), queries.events(NEWEST_EVENTS))

    def commit(self, applied: Applied) -> None:
        """Take up what a commit changed."""
        devices = self._queries.devices(list(applied.devices))
        newest = self._queries.events_by_id(sorted(applied.events)[-NEWEST_EVENTS:])
        events = [row for row in newest if row.event.verdict != Verdict.ACCEPT]
        alarms = self._queries.standing_alarms() if applied.alarms else self._alarms
        refused = self._queries.refusals() if applied.refused else self._refused
        with self._lock:
            self._version += 1
            self._alarms = alarms
            self._refused = refused
            self._replies.extend((self._version, reply) for reply in applied.replies)
            self._keep(devices, events)

    def status(self, link: LinkStatus) -> None:
        """Take up a change of the connection to the broker."""
        with self._lock:
            self._version += 1
            self._link = link

    def trouble(self, words: str, of: str = "store") -> None:
        """Take up a change of the health of the store, or of another part that has trouble."""
        with self._lock:
            if words != self._trouble.get(of, ""):
                self._version += 1
                self._trouble[of] = words

    def since(self, version: int) -> News | None:
        """Return what changed after ``version`` (0 = everything), or None for nothing."""
        with self._lock:
            if version >= self._version:
                return None
            return News(
                version=self._version,
                devices=[row for at, row in self._devices.values() if at > version],
                events=[row for _, (at, row) in sorted(self._events.items()) if at > version],
                alarms=self._alarms,
                replies=[reply for at, reply in self._replies if at > version],
                totals=self._totals(),
                link=self._link,
                trouble="; ".join(words for words in self._trouble.values() if words),
            )

    def _keep(self, devices: Iterable[DeviceRow], events: Iterable[EventRow]) -> None:
        for device in devices:
            self._devices[device.id] = (self._version, device)
        for event in events:
            self._events[event.id] = (self._version, event)
        for number in sorted(self._events)[:-NEWEST_EVENTS]:
            del self._events[number]

    def _totals(self) -> Totals:
        rows = [row for _, row in self._devices.values()]
        states = [row.state for row in rows if row.state is not None]
        return Totals(
            devices=len(rows),
            online=sum(state.state != "offline" for state in states),
            events=sum(row.events for row in rows),
            stored=sum(row.stored for row in rows),
            dropped=sum(row.dropped for row in rows),
            missing=sum(row.missing for row in rows),
            backlog=sum(state.backlog for state in states),
            refused=sum(self._refused.values()),
        )
