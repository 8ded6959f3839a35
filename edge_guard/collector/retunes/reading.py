"""The labelled frames of one stream under one bundle, from the database."""

from __future__ import annotations

import math
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.engine import Row

from edge_guard.collector.pictures import open_pictures
from edge_guard.collector.schema import devices, events, judgements, newest_word
from edge_guard.collector.store import Store
from edge_guard.config import load_collector_config
from edge_guard.errors import ConfigError, ReferencesError
from edge_guard.publish.messages import Event, State, decode
from edge_guard.retune.frames import Frame, Frames, gathered, is_open

MOST_FRAMES = 200_000
"""Frames of one bundle that a retune reads; of more, none: to leave out the oldest would move the
ladder of thresholds with each look."""
_AT_ONCE = 1000


def frames_of(connection: Connection, device: int, stream: str, bundle: str) -> list[Frame]:
    """Return a stream's drawn or judged frames under a bundle, with people's newest word, in the
    order of judging.

    Parameters
    ----------
    connection : Connection
    device : int
    stream : str
    bundle : str
        Its id; frames of other bundles do not count.

    Raises
    ------
    ReferencesError
        There are more than `MOST_FRAMES`.
    """
    found: list[tuple[tuple[bool, int], Frame]] = []
    query = _query(device, stream, bundle).execution_options(yield_per=_AT_ONCE)
    with connection.execute(query) as rows:
        for row in rows:
            if (frame := _frame(row, bundle)) is None:
                continue
            if len(found) == MOST_FRAMES:
                raise ReferencesError(
                    f"more than {MOST_FRAMES:,} frames of {stream!r} under bundle {bundle} were "
                    "drawn or judged",
                    "roll out a newer bundle, whose frames are counted from the first one on",
                )
            found.append(((row.turn is None, row.turn or row.id), frame))
    return [frame for _, frame in sorted(found, key=itemgetter(0))]


def frames_of_config(config: Path, device: str, stream: str, bundle: str) -> Frames:
    """Return the same from a collector's configuration, by the device's name.

    Raises
    ------
    ConfigError
        The configuration cannot be used, or there is no such device, or more than one.
    StoreError
        The database cannot be opened.
    ReferencesError
        As `frames_of`.
    """
    table = load_collector_config(config).store
    store = Store(table.url, open_pictures(table))
    try:
        with store.engine.connect() as connection:
            query = select(devices.c.id).where(devices.c.device == device)
            found = connection.scalars(query).all()
            if len(found) != 1:
                raise ConfigError(
                    f"{len(found)} devices in this database are called {device!r}",
                    "name one with --device",
                )
            return gathered(frames_of(connection, found[0], stream, bundle))
    finally:
        store.close()


def bundle_of(connection: Connection, device: int, stream: str) -> str | None:
    """Return the id of the bundle that a stream runs: by its device's state, else by the newest
    event; None: nothing is known of the stream."""
    text = connection.scalar(select(devices.c.state).where(devices.c.id == device))
    if text:
        for one in decode(text.encode(), State).streams:
            if one.name == stream and one.bundle:
                return one.bundle
    newest = (
        select(events.c.body)
        .where(events.c.device_id == device, events.c.stream == stream)
        .order_by(events.c.id.desc())
        .limit(1)
    )
    body = connection.scalar(newest)
    return decode(body.encode(), Event).bundle if body else None


def _query(device: int, stream: str, bundle: str) -> Select[Any]:
    """Return its rows, and some of others: a body may name the bundle elsewhere."""
    answer = newest_word(judgements.c.answer)
    return (
        select(
            events.c.id,
            events.c.body,
            events.c.occurred_ms,
            answer.label("answer"),
            newest_word(judgements.c.id).label("turn"),
        )
        .where(events.c.device_id == device, events.c.stream == stream)
        .where(events.c.sampled.isnot(None) | answer.isnot(None))
        .where(events.c.body.contains(bundle.rpartition("@")[2], autoescape=True))
        .order_by(events.c.id)
    )


def _frame(row: Row[Any], bundle: str) -> Frame | None:
    event = decode(row.body.encode(), Event)
    if event.bundle != bundle:
        return None
    reason = event.reasons[0].guard if event.reasons else ""
    return Frame(
        event_id=event.event_id,
        occurred_ms=row.occurred_ms,
        confidence=math.nan if event.confidence is None else event.confidence,
        open=is_open(event.verdict.value, reason),
        accepted=event.verdict.value == "accept",
        sampled=event.sampled,
        answer=row.answer or "",
    )
