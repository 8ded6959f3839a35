"""A frame's first and second look: closed by answers, drawn by chance, opened by undoing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from edge_guard.collector.rows import insertion
from edge_guard.collector.schema import review_items

LEASE_MS = 120_000
"""So long a frame of the queue is held for whoever got it."""
SECOND_HEAD_START_MS = 24 * 3_600_000
_item = review_items.c


class OwnLookError(ValueError):
    """The second look is for somebody else than who had the first."""


class TakenLookError(ValueError):
    """The second look is over, or is not asked for any more."""


def check_second(connection: Connection, event: int, who: str) -> None:
    """Find out whether somebody may answer the blind second look at a frame.

    Parameters
    ----------
    connection : Connection
        In a transaction; what was found holds until it ends.
    event : int
    who : str

    Raises
    ------
    OwnLookError
        They had the first look.
    TakenLookError
        It has its answer, or the first word was taken back.
    """
    query = select(_item.not_who, _item.done_ms).where(_item.event_id == event, _item.look == 2)
    found = connection.execute(query.with_for_update()).one_or_none()
    if found is not None and found.not_who == who:
        raise OwnLookError(f"the second look at event {event} is for somebody else")
    if found is None or found.done_ms is not None:
        raise TakenLookError(f"event {event} waits for no second look any more")


def close(connection: Connection, event: int, look: int, now: int) -> Any | None:
    """Take the frame out of the queue; return the row where it was still in."""
    done = (
        update(review_items)
        .where(_item.event_id == event, _item.look == look, _item.done_ms.is_(None))
        .values(done_ms=now, holder=None, lease_until_ms=0)
        .returning(review_items)
    )
    return connection.execute(done).one_or_none()


def draw_second(connection: Connection, first: Any, who: str, now: int) -> None:
    """Queue the frame for a second look by somebody else."""
    row = dict(first._mapping) | {"look": 2, "not_who": who, "done_ms": None}
    row |= {"rank": now - SECOND_HEAD_START_MS, "holder": None, "lease_until_ms": 0}
    del row["id"]
    connection.execute(insertion(connection, review_items), row)


def reopen(connection: Connection, event: int, blind: bool, holder: str, now: int) -> None:
    """Put the frame back into the queue, lent to the holder where there is one."""
    if not blind:  # the second look was for the word that is gone
        waits = and_(_item.event_id == event, _item.look == 2, _item.done_ms.is_(None))
        connection.execute(delete(review_items).where(waits))
    held = {"holder": holder, "lease_until_ms": now + LEASE_MS} if holder else {}
    again = update(review_items).where(_item.event_id == event)
    again = again.where(_item.look == (2 if blind else 1))
    connection.execute(again.values(done_ms=None, **held))
