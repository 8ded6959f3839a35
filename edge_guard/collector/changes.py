"""What a batch of messages changes: gathered in memory, written at once and in one order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update

from edge_guard.collector import schema
from edge_guard.collector.parse import Origin
from edge_guard.collector.review.intake import Intake
from edge_guard.collector.rows import add, insertion
from edge_guard.publish.messages import BootReceipt, Event, Reply
from edge_guard.types import Verdict


@dataclass(slots=True)
class Applied:
    """What a committed batch changed."""

    events: list[int] = field(default_factory=list)
    """Ids of events that are new or got their picture."""
    devices: dict[int, Origin] = field(default_factory=dict)
    receipts: dict[int, dict[str, BootReceipt]] = field(default_factory=dict)
    """By device and boot: what to tell the device now."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Position in the batch, and cause."""
    alarms: bool = False
    """Whether one has changed."""
    replies: list[Reply] = field(default_factory=list)
    """What devices answered to commands."""


@dataclass(slots=True)
class NewEvent:
    """An event to be inserted, and its row."""

    event: Event
    row: dict[str, Any]


_EVENT_IDS = insert(schema.events).returning(
    schema.events.c.id, schema.events.c.boot_id, schema.events.c.sequence
)
_COMPLETE = (
    update(schema.events).where(schema.events.c.id == bindparam("number")).values(complete=True)
)
_REWRITE = _COMPLETE.values(sha256=bindparam("picture"), body=bindparam("words"))
_SEEN = (
    update(schema.devices)
    .where(schema.devices.c.id == bindparam("number"))
    .values(last_seen_ms=bindparam("now"), events=schema.devices.c.events + bindparam("more"))
)
_TOLD = (
    update(schema.devices)
    .where(schema.devices.c.id == bindparam("number"))
    .values(state=bindparam("words"))
)


@dataclass(slots=True)
class Changes:
    """What is to be written.

    Attributes
    ----------
    pictures : dict of str to bytes
        By digest.
    events : dict of (int, int) to NewEvent
        New ones, by boot and sequence.
    completed : list of int
        Ids of stored events whose picture has come.
    rewritten : list of dict
        Stored events whose picture will never come: id, digest, body.
    rows : dict of Table to list of dict
        New summaries, alarms and replies.
    states : dict of int to str
        What devices say of themselves.
    frames, losses : Counter
        Results by device, stream, minute and verdict; losses by device, kind and cause.
    """

    pictures: dict[str, bytes] = field(default_factory=dict)
    events: dict[tuple[int, int], NewEvent] = field(default_factory=dict)
    completed: list[int] = field(default_factory=list)
    rewritten: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    frames: Counter[tuple[int, str, int, str]] = field(default_factory=Counter)
    losses: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def add(self, table: Table, row: dict[str, Any]) -> None:
        """Take a row to be inserted."""
        self.rows.setdefault(table, []).append(row)

    def write(self, connection: Connection, applied: Applied, now: int) -> None:
        """Write all of it, and ``applied.refused``; ``applied.events`` gets the ids.

        Tables and rows come in the same order, whoever writes: collectors that share a database
        wait for each other in a line, never in a circle.
        """
        self._write_pictures(connection, now)
        self._write_events(connection, applied, now)
        for table, rows in sorted(self.rows.items(), key=lambda item: item[0].name):
            connection.execute(insertion(connection, table), rows)
        self._write_devices(connection, sorted(applied.devices), now)
        self._count(connection)
        refused = Counter(cause for _, cause in applied.refused)
        for cause, n in sorted(refused.items()):
            add(connection, schema.refusals, {"cause": cause}, "messages", n)

    def _write_pictures(self, connection: Connection, now: int) -> None:
        rows = [
            {"sha256": digest, "size_bytes": len(content), "received_ms": now}
            for digest, content in sorted(self.pictures.items())
        ]
        if rows:
            connection.execute(insertion(connection, schema.pictures), rows)

    def _write_events(self, connection: Connection, applied: Applied, now: int) -> None:
        if self.events:
            reviews = Intake(connection)
            rows = connection.execute(_EVENT_IDS, [new.row for new in self.events.values()])
            for number, boot, sequence in sorted(tuple(row) for row in rows):
                new = self.events[boot, sequence]
                applied.events.append(number)
                reviews.add(number, new.row["device_id"], new.event, now)
            reviews.store(applied.devices)
        if self.completed:
            connection.execute(_COMPLETE, [{"number": one} for one in self.completed])
        if self.rewritten:
            connection.execute(_REWRITE, self.rewritten)
        applied.events += self.completed
        applied.events += [one["number"] for one in self.rewritten]

    def _write_devices(self, connection: Connection, numbers: list[int], now: int) -> None:
        news = self.events.values()
        flagged = Counter(
            one.row["device_id"] for one in news if one.event.verdict != Verdict.ACCEPT
        )
        if numbers:
            seen = [{"number": one, "now": now, "more": flagged[one]} for one in numbers]
            connection.execute(_SEEN, seen)
        if self.states:
            told = [{"number": one, "words": words} for one, words in sorted(self.states.items())]
            connection.execute(_TOLD, told)

    def _count(self, connection: Connection) -> None:
        for (device, stream, minute, verdict), frames in sorted(self.frames.items()):
            key = {"device_id": device, "stream": stream, "minute": minute, "verdict": verdict}
            add(connection, schema.results, key, "frames", frames)
        for (device, kind, cause), lost in sorted(self.losses.items()):
            at = {"device_id": device, "kind": kind, "cause": cause}
            add(connection, schema.losses, at, "messages", lost)
