"""New frames enter the review queue in the transaction that stores them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from edge_guard.collector.parse import Origin
from edge_guard.collector.review.worth import crowd, head_start_ms, leading
from edge_guard.collector.rows import among, insertion
from edge_guard.collector.schema import devices, events, judgements, review_items
from edge_guard.publish.messages import Event, decode

_CHUNK = 1000


class Intake:
    """Gathers the frames of one batch; ``store`` before the commit.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._new: list[tuple[int, int, Event, int]] = []

    def add(self, number: int, device: int, event: Event, arrived_ms: int) -> None:
        """Take a frame; those without an answer of the model or a picture need no judgement."""
        if event.label is not None and event.image is not None:
            self._new.append((number, device, event, arrived_ms))

    def store(self, lines: Mapping[int, Origin]) -> None:
        """Write the rows: two statements, however many there are.

        Parameters
        ----------
        lines : mapping of int to Origin
            By device.
        """
        if not self._new:
            return
        crowds = [crowd(device, event, at) for _, device, event, at in self._new]
        places = self._places(set(crowds))
        rows = []
        for (number, device, event, at), name in zip(self._new, crowds, strict=True):
            places[name] += 1
            origin = lines[device]
            rows.append(
                {
                    "event_id": number,
                    "look": 1,
                    "device_id": device,
                    "stream": event.stream,
                    "line": f"{origin.site}/{origin.line}",
                    "reason": leading(event)[:128],
                    "crowd": name,
                    "place": places[name],
                    "rank": at - head_start_ms(event, places[name]),
                    "lease_until_ms": 0,
                }
            )
        self._connection.execute(insertion(self._connection, review_items), rows)
        self._new.clear()

    def _places(self, crowds: set[str]) -> Counter[str]:
        item = review_items.c
        query = select(item.crowd, func.max(item.place).label("place")).where(
            among(self._connection, item.crowd, crowds)
        )
        found = self._connection.execute(query.group_by(item.crowd))
        return Counter({row.crowd: row.place for row in found})


def fill(connection: Connection) -> None:
    """Queue what was stored before there was a queue and that nobody has judged."""
    places = select(devices.c.id, devices.c.site, devices.c.line, devices.c.device)
    lines = {row.id: Origin(row.site, row.line, row.device) for row in connection.execute(places)}
    intake, last = Intake(connection), 0
    while rows := _unjudged(connection, last):
        for row in rows:
            intake.add(row.id, row.device_id, decode(row.body.encode(), Event), row.received_ms)
        intake.store(lines)
        last = rows[-1].id


def _unjudged(connection: Connection, after: int) -> Sequence[Row[Any, Any, Any, Any]]:
    query = (
        select(events.c.id, events.c.device_id, events.c.received_ms, events.c.body)
        .where(events.c.id > after, events.c.id.notin_(select(judgements.c.event_id)))
        .order_by(events.c.id)
        .limit(_CHUNK)
    )
    return connection.execute(query).all()
