"""The newest of everything in memory, so that open pages follow each commit at little cost.

Commits only leave a note here. A few times a second, and only while somebody looks, what changed is
read from the database: a thousand devices cost nothing while no page is open, and collectors that
share a database see each other's commits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.changes import Applied
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.queries import AlarmRow, DeviceRow, EventRow, Queries
from edge_guard.publish.messages import Reply

NEWEST_EVENTS = 240
NEWEST_REPLIES = 100
REFRESH_S = 0.25
"""Least time between two looks at the database."""
WATCHED_S = 5.0
"""So long after the last question, somebody looks."""


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
    """The store's trouble in words; empty = none."""
    overfull: str
    """Why it is older or larger than it may be; empty = it is not."""
    untold: str
    """Which webhooks have not been told what they should know, in words; empty = all have."""


class Feed:
    """Follows the commits; thread-safe.

    Parameters
    ----------
    queries : Queries
    link : LinkStatus
    shared : bool
        Whether other collectors write to the database, too.
    """

    def __init__(self, queries: Queries, link: LinkStatus, shared: bool = False) -> None:
        self._queries = queries
        self._shared = shared
        self._lock = threading.Lock()
        self._version = 1
        self._link = link
        self._trouble = ""
        self._overfull = ""
        self._untold = ""
        self._devices: dict[int, tuple[int, DeviceRow]] = {}
        self._marks: dict[int, tuple[int, int]] = {}
        self._events: dict[int, tuple[int, EventRow]] = {}
        self._whole: dict[int, bool] = {}
        self._alarms: list[AlarmRow] = []
        self._newest_alarm = -1
        self._replies: dict[int, tuple[int, Reply]] = {}
        self._old_replies = queries.newest_reply()
        self._refused: dict[str, int] = {}
        self._looking = threading.Lock()
        self._dirty = True
        self._asked = self._looked = time.monotonic()
        self._look()

    def commit(self, applied: Applied) -> None:
        """Note that a commit has changed something."""
        if applied.devices or applied.refused:
            self._dirty = True

    def refresh(self, now: float) -> None:
        """Take up what has changed in the database, if somebody looks and it is time.

        Parameters
        ----------
        now : float
            Monotonic seconds.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            The database cannot be read; the next call tries again.
        """
        wanted = self._dirty or self._shared
        if wanted and now - self._looked >= REFRESH_S and now - self._asked < WATCHED_S:
            self._look()

    def status(self, link: LinkStatus) -> None:
        """Take up a change of the connection to the broker."""
        with self._lock:
            self._version += 1
            self._link = link

    def trouble(self, words: str) -> None:
        """Take up a change of the store's health."""
        with self._lock:
            if words != self._trouble:
                self._version += 1
                self._trouble = words

    def overfull(self, words: str) -> None:
        """Take up why the store is older or larger than it may be; empty: it is not."""
        with self._lock:
            if words != self._overfull:
                self._version += 1
                self._overfull = words

    def untold(self, words: str) -> None:
        """Take up which webhooks take no notices; empty: all do."""
        with self._lock:
            if words != self._untold:
                self._version += 1
                self._untold = words

    def since(self, version: int) -> News | None:
        """Return what changed after ``version`` (0 = everything), or None for nothing."""
        self._be_watched(version)
        with self._lock:
            if version >= self._version:
                return None
            return News(
                version=self._version,
                devices=[row for at, row in self._devices.values() if at > version],
                events=[row for _, (at, row) in sorted(self._events.items()) if at > version],
                alarms=self._alarms,
                replies=[one for _, (at, one) in sorted(self._replies.items()) if at > version],
                totals=self._totals(),
                link=self._link,
                trouble=self._trouble,
                overfull=self._overfull,
                untold=self._untold,
            )

    def _be_watched(self, version: int) -> None:
        """Catch up for whoever asks for everything, and where nobody has looked for a while."""
        now = time.monotonic()
        asleep, self._asked = now - self._asked >= WATCHED_S, now
        if (asleep or version == 0) and (self._dirty or self._shared) and not self._trouble:
            with suppress(SQLAlchemyError):  # the next refresh says it
                self._look()

    def _look(self) -> None:
        """Read what differs from what is known here."""
        with self._looking:
            self._looked, self._dirty = time.monotonic(), False
            marks = self._queries.device_marks()
            moved = [one for one, mark in marks.items() if self._marks.get(one) != mark]
            devices = self._queries.devices(moved) if moved else []
            newest = self._queries.newest_events(NEWEST_EVENTS)
            new = [one for one, whole in newest.items() if self._whole.get(one) != whole]
            events = self._queries.events_by_id(new) if new else []
            alarm = self._queries.newest_alarm()
            standing = self._queries.standing_alarms() if alarm != self._newest_alarm else None
            # Of two that were numbered at once, the earlier may be committed later.
            last = max(self._replies, default=0) - NEWEST_REPLIES
            said = self._queries.replies_after(max(last, self._old_replies))
            replies = [one for one in said if one[0] not in self._replies]
            refused = self._queries.refusals()
            changed = moved or new or replies or refused != self._refused
            with self._lock:
                self._version += bool(changed or standing is not None)
                self._marks, self._whole = marks, newest
                self._newest_alarm, self._refused = alarm, refused
                self._alarms = self._alarms if standing is None else standing
                self._keep(devices, events, replies)

    def _keep(
        self,
        devices: Iterable[DeviceRow],
        events: Iterable[EventRow],
        replies: Iterable[tuple[int, Reply]],
    ) -> None:
        for device in devices:
            self._devices[device.id] = (self._version, device)
        for event in events:
            self._events[event.id] = (self._version, event)
        for number in sorted(self._events)[:-NEWEST_EVENTS]:
            del self._events[number]
        for number, reply in replies:
            self._replies[number] = (self._version, reply)
        for number in sorted(self._replies)[:-NEWEST_REPLIES]:
            del self._replies[number]

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
