"""What waits for a look: the order it is asked in, the parts it has, and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from edge_guard.collector.schema import events, pictures, review_items

MOST_COUNTED = 10_000
_item = review_items.c


@dataclass(frozen=True, slots=True)
class Only:
    """Which part of the queue somebody works on; None: all of it.

    Attributes
    ----------
    line : str or None
        ``site/line``.
    device : int or None
    stream : str or None
    reason : str or None
        Leading guard; empty: frames without a reason.
    """

    line: str | None = None
    device: int | None = None
    stream: str | None = None
    reason: str | None = None


def waiting(who: str, only: Only, now: int) -> Select[Any]:
    """Return the query for what can be lent, the next one first; an index has it in this order."""
    return (
        select(
            _item.id,
            _item.event_id,
            _item.look,
            _item.place,
            events.c.complete,
            pictures.c.sha256.label("picture"),
        )
        .join(events, events.c.id == _item.event_id)
        .outerjoin(pictures, pictures.c.sha256 == events.c.sha256)
        .where(_item.done_ms.is_(None), _item.lease_until_ms <= now, _for(who))
        .where(*within(only))
        .order_by(_item.rank, _item.id)
    )


def within(only: Only) -> list[ColumnElement[bool]]:
    """Return the conditions of a part of the queue."""
    wanted = {
        "line": only.line,
        "device_id": only.device,
        "stream": only.stream,
        "reason": only.reason,
    }
    return [_item[name] == value for name, value in wanted.items() if value is not None]


def choices(connection: Connection, name: str, most: int) -> list[str]:
    """Return the values of a column in what waits, hopping through its index, in their order."""
    found: list[str] = []
    column, waits = _item[name], _item.done_ms.is_(None)
    while len(found) < most:
        query = select(func.min(column)).where(waits)
        query = query.where(column > found[-1]) if found else query
        following = connection.scalar(query)
        if following is None:
            break
        found.append(following)
    return found


def count(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Return how many frames there are, at most `MOST_COUNTED`."""
    some = select(_item.id).where(condition).limit(MOST_COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _for(who: str) -> ColumnElement[bool]:
    return or_(_item.not_who.is_(None), _item.not_who != who)
