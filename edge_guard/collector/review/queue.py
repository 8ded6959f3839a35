"""Who looks at which frame: the queue's next frames are lent to one reviewer at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from edge_guard.collector.review.looks import LEASE_MS
from edge_guard.collector.review.waiting import Only, choices, count, waiting, within
from edge_guard.collector.schema import judgements, review_items, stands, stands_blindly
from edge_guard.collector.store import Store

MOST_TAKEN = 12
"""Frames that are lent at once."""
REST_MS = 600_000
"""So long nobody is offered what somebody has skipped."""
UNDERWAY_MS = 30_000
"""So long a frame is passed over whose picture has not arrived yet."""
HOUR_MS = 3_600_000
_FURTHER = (0, 200, 5000)
"""So many frames more than wanted are looked at, turn by turn, for some that have their picture.

A broker's backlog may bring thousands of events before their pictures. One call passes over a
bounded number, as nothing else can be written meanwhile; the calls after it pass over the others.
"""
_ALL = Only()
_item = review_items.c


@dataclass(frozen=True, slots=True)
class Lent:
    """A frame that was lent for a look.

    Attributes
    ----------
    item : int
        Its place in the queue's table.
    event_id : int
    look : int
        1, or 2 for a blind second one.
    together : int
        How many frames of the same trouble had come when it came.
    """

    item: int
    event_id: int
    look: int
    together: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the queue is.

    Attributes
    ----------
    left : int
        Frames that wait, at most `MOST_COUNTED`.
    lent : int
        Of these, those that others look at now.
    hour : int
        Words of this person in the last hour that still stand.
    """

    left: int
    lent: int
    hour: int


class ReviewQueue:
    """Lends frames in the order of their worth; thread-safe, over any number of collectors.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(
        self,
        who: str,
        holder: str,
        most: int = 1,
        only: Only = _ALL,
        now: int | None = None,
    ) -> list[Lent]:
        """Return the next frames, lent to the holder for `LEASE_MS`; nobody else gets them.

        Parameters
        ----------
        who : str
            Gets no second look at frames that they had the first look at.
        holder : str
            Of the lease: one tab of one person.
        most : int
            At most so many new ones.
        only : Only
        now : int, optional
            ms since the Unix epoch.
        """
        now = _now() if now is None else now
        lent: list[Lent] = []
        with self._store.writing() as connection:
            for further in _FURTHER:
                wanted = most - len(lent)
                rows = _next(connection, who, only, now, wanted + further)
                fit = [row for row in rows if row.picture is not None][:wanted]
                _lend(connection, [row.id for row in fit], now + LEASE_MS, holder)
                _pass_over(connection, [row for row in rows if row.picture is None], now)
                lent += [Lent(row.id, row.event_id, row.look, row.place) for row in fit]
                if len(lent) == most or len(rows) < wanted + further:
                    break
        return lent

    def keep(self, items: Sequence[int], holder: str, now: int | None = None) -> list[int]:
        """Return which of the frames the holder still has; these stay lent as long again."""
        now = _now() if now is None else now
        with self._store.writing() as connection:
            return _lend(connection, items, now + LEASE_MS, holder, _held(holder))

    def look(self, item: int) -> tuple[int, int] | None:
        """Return a frame's event and which look at it is asked for; None: no such frame."""
        query = select(_item.event_id, _item.look).where(_item.id == item)
        with self._store.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.event_id, row.look)

    def skip(self, item: int, holder: str, now: int | None = None) -> None:
        """Let a frame rest, then wait on without its head start; of the holder's only."""
        now = _now() if now is None else now
        last = func.max if self._store.engine.dialect.name == "sqlite" else func.greatest
        resting = {"holder": None, "lease_until_ms": now + REST_MS, "rank": last(_item.rank, now)}
        with self._store.writing() as connection:
            connection.execute(
                update(review_items).where(_item.id == item, _held(holder)).values(**resting)
            )

    def take_back(self, item: int, holder: str, now: int | None = None) -> None:
        """Lend a frame that rests since it was skipped to the holder again."""
        now = _now() if now is None else now
        with self._store.writing() as connection:
            _lend(connection, [item], now + LEASE_MS, holder, _item.holder.is_(None))

    def give_back(self, holder: str) -> None:
        """End all leases of a holder."""
        free = {"holder": None, "lease_until_ms": 0}
        with self._store.writing() as connection:
            connection.execute(update(review_items).where(_held(holder)).values(**free))

    def progress(
        self, who: str, only: Only = _ALL, holder: str = "", now: int | None = None
    ) -> Progress:
        """Return how far this part of the queue is."""
        now = _now() if now is None else now
        waiting = and_(_item.done_ms.is_(None), *within(only))  # told by an index alone
        own = and_(waiting, _item.not_who == who)
        lent = and_(_item.holder > "", _item.holder != holder)  # the former for the index
        others = and_(waiting, _item.lease_until_ms > now, lent)
        hour = (
            select(func.count())
            .select_from(judgements)
            .where(judgements.c.who == who, judgements.c.judged_ms > now - HOUR_MS)
            .where(or_(stands, stands_blindly))
        )
        with self._store.engine.connect() as connection:
            return Progress(
                left=count(connection, waiting) - count(connection, own),
                lent=count(connection, others),
                hour=connection.scalar(hour) or 0,
            )

    def reasons(self, most: int = 100) -> list[str]:
        """Return the leading guards of what waits, in alphabetical order."""
        with self._store.engine.connect() as connection:
            return choices(connection, _item.reason.name, most)

    def lines(self, most: int = 500) -> list[str]:
        """Return the lines of what waits as ``site/line``, in alphabetical order."""
        with self._store.engine.connect() as connection:
            return choices(connection, _item.line.name, most)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _held(holder: str) -> ColumnElement[bool]:
    return and_(_item.holder == holder, _item.done_ms.is_(None))


def _next(connection: Connection, who: str, only: Only, now: int, most: int) -> Sequence[Any]:
    """Return the next free frames; rows that another collector is lending now are passed over."""
    query = waiting(who, only, now).limit(most).with_for_update(skip_locked=True, of=review_items)
    return connection.execute(query).all()


def _lend(
    connection: Connection,
    items: Sequence[int],
    until: int,
    holder: str,
    *conditions: ColumnElement[bool],
) -> list[int]:
    """Return which of the frames are now lent to the holder."""
    if not items:
        return []
    lease = update(review_items).where(_item.id.in_(items), _item.done_ms.is_(None), *conditions)
    lease = lease.values(holder=holder, lease_until_ms=until)
    return list(connection.scalars(lease.returning(_item.id)))


def _pass_over(connection: Connection, rows: list[Any], now: int) -> None:
    """Wait for pictures on their way; frames whose picture is gone need no look any more."""
    gone = [row.id for row in rows if row.complete]
    late = [row.id for row in rows if not row.complete]
    for items, values in ((gone, {"done_ms": now}), (late, {"lease_until_ms": now + UNDERWAY_MS})):
        if items:
            connection.execute(update(review_items).where(_item.id.in_(items)).values(values))
