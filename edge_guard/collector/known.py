"""What the database holds of a batch's subjects: one statement a kind, however many there are."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, select

from edge_guard.collector import schema
from edge_guard.collector.parse import Origin
from edge_guard.collector.rows import insertion


class Awaiting(NamedTuple):
    """A stored event whose picture is still to come."""

    id: int
    stream: str
    sha256: str | None


def find_devices(
    connection: Connection, origins: Collection[Origin], now: int
) -> dict[Origin, int]:
    """Return the devices' ids; those never heard of are inserted, seen ``now`` (ms)."""
    found = _devices(connection, origins)
    missing = sorted(origin for origin in origins if origin not in found)
    if not missing:
        return found
    rest = {"last_seen_ms": now, "events": 0}
    rows = [{"site": o.site, "line": o.line, "device": o.device} | rest for o in missing]
    connection.execute(insertion(connection, schema.devices), rows)
    return found | _devices(connection, missing)


def _devices(connection: Connection, origins: Collection[Origin]) -> dict[Origin, int]:
    devices = schema.devices.c
    names = {origin.device for origin in origins}
    query = select(devices.id, devices.site, devices.line, devices.device)
    rows = connection.execute(query.where(devices.device.in_(names)))
    found = {Origin(row.site, row.line, row.device): row.id for row in rows}
    return {origin: found[origin] for origin in origins if origin in found}


def find_pictures(connection: Connection, digests: Collection[str]) -> set[str]:
    """Return which of the pictures are stored."""
    if not digests:
        return set()
    stored = schema.pictures.c.sha256
    return set(connection.scalars(select(stored).where(stored.in_(digests))))


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
        .where(event.boot_id.in_({boot for boot, _ in wanted}))
        .where(event.sequence.in_({sequence for _, sequence in wanted}))
    )
    return {
        (row.boot_id, row.sequence): Awaiting(row.id, row.stream, row.sha256)
        for row in connection.execute(query)
    }
