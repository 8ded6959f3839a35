"""What the database holds of a batch's subjects: one statement a kind, however many there are."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, select

from edge_guard.collector import schema
from edge_guard.collector.parse import Origin
from edge_guard.collector.rows import among, insertion


class Awaiting(NamedTuple):
    """A stored event whose picture is still to come."""

    id: int
    stream: str
    sha256: str | None


class KnownDevice(NamedTuple):
    """A device's row, as far as a batch asks for it."""

    id: int
    state: str | None


def lock_devices(
    connection: Connection, origins: Collection[Origin], now: int
) -> dict[Origin, KnownDevice]:
    """Return the devices; those never heard of are inserted, seen ``now`` (ms).

    Their rows stay locked until the transaction ends, and with them, by agreement, their boots,
    events and all else that comes from them. All are inserted before any is locked, and each in one
    order, so that two collectors cannot each hold what the other one waits for.
    """
    if missing := sorted(set(origins) - _known(connection, origins).keys()):
        rest = {"last_seen_ms": now, "events": 0}
        rows = [{"site": o.site, "line": o.line, "device": o.device} | rest for o in missing]
        connection.execute(insertion(connection, schema.devices), rows)
    return _known(connection, origins, locked=True)


def _known(
    connection: Connection, origins: Collection[Origin], *, locked: bool = False
) -> dict[Origin, KnownDevice]:
    devices = schema.devices.c
    path = devices.site + "/" + devices.line + "/" + devices.device  # no name has a slash
    query = (
        select(devices.id, devices.site, devices.line, devices.device, devices.state)
        .where(among(connection, devices.device, {origin.device for origin in origins}))
        .where(among(connection, path, {f"{o.site}/{o.line}/{o.device}" for o in origins}))
        .order_by(devices.id)
    )
    if locked:
        query = query.with_for_update(key_share=True)
    return {
        Origin(row.site, row.line, row.device): KnownDevice(row.id, row.state)
        for row in connection.execute(query)
    }


def find_pictures(connection: Connection, digests: Collection[str]) -> set[str]:
    """Return which of the pictures are stored."""
    if not digests:
        return set()
    stored = schema.pictures.c.sha256
    return set(connection.scalars(select(stored).where(among(connection, stored, digests))))


def find_awaiting(
    connection: Connection, wanted: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Awaiting]:
    """Return the events with these boots' ids and sequences that wait for their picture."""
    if not wanted:
        return {}
    event = schema.events.c
    query = (
        select(event.boot_id, event.sequence, event.id, event.stream, event.sha256)
        .where(schema.INCOMPLETE)
        .where(among(connection, event.boot_id, {boot for boot, _ in wanted}))
        .where(among(connection, event.sequence, {sequence for _, sequence in wanted}))
    )
    return {
        (row.boot_id, row.sequence): Awaiting(row.id, row.stream, row.sha256)
        for row in connection.execute(query)
    }
