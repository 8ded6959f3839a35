"""Which of the devices' words on their alarms are asked for: queries that hop through an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, Select, select, tuple_

from edge_guard.collector.schema import alarms, devices

_OVER = ("normal", "cleared")


def standing() -> Select[Any]:
    """Return the query for each alarm that is not normal in its newest message, newest first."""
    return (
        _words()
        .where(alarms.c.id.in_(_newest()), alarms.c.state.notin_(_OVER))
        .order_by(alarms.c.occurred_ms.desc())
    )


def drift(device: int, stream: str, most: int) -> Select[Any]:
    """Return the query for the newest words on a stream's drift, newest first."""
    return (
        _words()
        .where(alarms.c.device_id == device, alarms.c.stream == stream)
        .where(alarms.c.alarm == "drift")
        .order_by(alarms.c.boot_id.desc(), alarms.c.sequence.desc())
        .limit(most)
    )


def _words() -> Select[Any]:
    return select(alarms, devices.c.device).join(devices, devices.c.id == alarms.c.device_id)


def _newest() -> Select[Any]:
    """Return the ids of each alarm's newest message, from the last alarm of the index back."""
    last = select(alarms.c.id).order_by(*_backwards(alarms)).limit(1)
    newest = select(last.scalar_subquery().label("id")).cte("newest", recursive=True)
    this, before = alarms.alias(), alarms.alias()
    # SQLite seeks by several columns only where they are compared with values, not with columns.
    key = tuple_(this.c.device_id, this.c.stream.concat(""), this.c.alarm.concat(""))
    hop = (
        select(before.c.id)
        .where(tuple_(before.c.device_id, before.c.stream, before.c.alarm) < key)
        .order_by(*_backwards(before))
        .limit(1)
        .correlate(this)
        .scalar_subquery()
    )
    newest = newest.union_all(select(hop).join_from(newest, this, this.c.id == newest.c.id))
    return select(newest.c.id)


def _backwards(table: FromClause) -> list[Any]:
    """Return the order of the index ``alarms_in_order``, last first."""
    names = ("device_id", "stream", "alarm", "boot_id", "sequence")
    return [table.c[name].desc() for name in names]
