"""Deleting in small transactions, each counted in the very transaction that deletes.

A picture goes in two steps. Its row and a note that the picture is to be discarded change in one
transaction; the picture itself goes in a later one, unless its row is back by then. So a kill at
any moment leaves no picture without its row for good, and no row without its picture. Ingest is
kept out of both steps: it may be about to refer to a picture that it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
)

from edge_guard.collector.rows import add, insertion
from edge_guard.collector.schema import (
    alarms,
    deletions,
    discarded,
    events,
    judgements,
    metadata,
    pictures,
    results,
    summaries,
)
from edge_guard.collector.store import Store
from edge_guard.types import Verdict

BATCH = 200
"""Rows in one transaction: some ms, so that ingest never waits long."""

_unused = ~exists().where(events.c.sha256 == pictures.c.sha256)
_followed = alarms.alias()


def forgettable(unreviewed_before_ms: int | None) -> ColumnElement[bool]:
    """Return the condition on a frame that may be deleted.

    Whatever people have said of a frame, and anything else that refers to it, keeps it. So does
    being flagged with nobody having judged it, unless it arrived before the time given.

    Parameters
    ----------
    unreviewed_before_ms : int or None
        None: such frames are kept for ever.
    """
    references = [key for table in metadata.tables.values() for key in table.foreign_keys]
    needed = [
        exists().where(key.parent == events.c.id).correlate(events)
        for key in references
        if key.column is events.c.id and key.ondelete != "CASCADE"
    ]
    unflagged = events.c.verdict != Verdict.REVIEW.value
    old = [] if unreviewed_before_ms is None else [events.c.received_ms < unreviewed_before_ms]
    # Without its picture it is still awaited: the device would send that for ever.
    return and_(events.c.complete, or_(unflagged, *old), *(~one for one in needed))


def oldest(
    store: Store, may_go: ColumnElement[bool], verdicts: Sequence[Verdict], before_ms: int
) -> list[tuple[int, int]]:
    """Return id and picture bytes of the oldest frames that may go, of those before a time."""
    found: list[tuple[int, int, int]] = []
    with store.engine.connect() as connection:
        for verdict in verdicts:
            query = (
                select(events.c.received_ms, events.c.id, func.coalesce(pictures.c.size_bytes, 0))
                .outerjoin(pictures, pictures.c.sha256 == events.c.sha256)
                .where(events.c.verdict == verdict.value, events.c.received_ms < before_ms, may_go)
                .order_by(events.c.received_ms, events.c.id)
                .limit(BATCH)
            )
            found += [tuple(row) for row in connection.execute(query)]
    return [(number, size) for _, number, size in sorted(found)[:BATCH]]


class Deleted(NamedTuple):
    """How much one transaction has deleted."""

    frames: int
    picture_bytes: int


def delete_frames(
    store: Store, numbers: Sequence[int], may_go: ColumnElement[bool], why: str
) -> Deleted:
    """Return what was deleted; a frame goes with its picture where no other shows it."""
    with store.deleting() as connection:
        gone = connection.scalars(
            delete(events).where(events.c.id.in_(numbers), may_go).returning(events.c.sha256)
        ).all()
        _count(connection, "frames", why, len(gone))
        size = _delete_pictures(connection, {one for one in gone if one is not None}, why)
    return Deleted(len(gone), size)


def oldest_unreviewed_ms(store: Store) -> int | None:
    """Return when the oldest flagged frame that nobody has judged arrived; None: there is none."""
    judged = exists().where(judgements.c.event_id == events.c.id)
    query = (
        select(events.c.received_ms)
        .where(events.c.verdict == Verdict.REVIEW.value, ~judged)
        .order_by(events.c.received_ms)
        .limit(1)
    )
    with store.engine.connect() as connection:
        found: int | None = connection.scalar(query)
    return found


def deleted(store: Store) -> dict[str, int]:
    """Return how much was ever deleted, by kind and cause."""
    with store.engine.connect() as connection:
        rows = connection.execute(select(deletions).order_by(deletions.c.kind, deletions.c.cause))
        return {f"{row.kind} ({row.cause})": row.amount for row in rows}


def delete_unused_pictures(store: Store, digests: Iterable[str]) -> None:
    """Delete the pictures, as far as no frame shows them."""
    with store.deleting() as connection:
        _delete_pictures(connection, set(digests), "orphaned")


def unused_pictures(store: Store, before_ms: int, after: str) -> list[str]:
    """Return some of the pictures that no frame shows, in order, beginning after a digest."""
    query = (
        select(pictures.c.sha256)
        .where(pictures.c.sha256 > after, pictures.c.received_ms < before_ms, _unused)
        .order_by(pictures.c.sha256)
        .limit(BATCH)
    )
    with store.engine.connect() as connection:
        return list(connection.scalars(query))


def without_row(store: Store, digests: Sequence[str]) -> list[str]:
    """Return the pictures that the database does not know."""
    known = select(pictures.c.sha256).where(pictures.c.sha256.in_(digests))
    with store.engine.connect() as connection:
        return sorted(set(digests) - set(connection.scalars(known)))


def discard_orphans(store: Store, digests: Sequence[str]) -> None:
    """Have pictures without a row discarded."""
    with store.deleting() as connection:
        _discard(connection, digests)
        _count(connection, "pictures", "without a row", len(digests))


def discard_pictures(store: Store) -> int:
    """Return how many pictures were taken out of their store, of those that wait for it.

    Raises
    ------
    OSError
        The picture store fails; they wait on.
    """
    with store.deleting() as connection:
        waiting = list(connection.scalars(select(discarded.c.sha256).limit(BATCH)))
        back = set(
            connection.scalars(select(pictures.c.sha256).where(pictures.c.sha256.in_(waiting)))
        )
        store.pictures.remove([digest for digest in waiting if digest not in back])
        connection.execute(delete(discarded).where(discarded.c.sha256.in_(waiting)))
    return len(waiting)


def delete_reports(store: Store, before_ms: int) -> int:
    """Return how many old summaries, alarms and minutes were deleted: at most a batch of each.

    The newest word on an alarm is kept however old it is: it says how things are.
    """
    newer = exists().where(
        _followed.c.device_id == alarms.c.device_id,
        _followed.c.stream == alarms.c.stream,
        _followed.c.alarm == alarms.c.alarm,
        or_(
            _followed.c.boot_id > alarms.c.boot_id,
            and_(_followed.c.boot_id == alarms.c.boot_id, _followed.c.sequence > alarms.c.sequence),
        ),
    )
    return (
        _delete_old(store, summaries, summaries.c.occurred_ms < before_ms)
        + _delete_old(store, alarms, and_(alarms.c.occurred_ms < before_ms, newer))
        + _delete_old(store, results, results.c.minute < before_ms // 60_000)
    )


def _delete_old(store: Store, table: Table, old: ColumnElement[bool]) -> int:
    minute = results.c.minute
    with store.deleting() as connection:
        if table is results:  # has no id: whole minutes at a time
            first = select(minute).where(old).order_by(minute).limit(1).scalar_subquery()
            chosen = minute == first
        else:
            chosen = table.c.id.in_(select(table.c.id).where(old).limit(BATCH))
        n = connection.execute(delete(table).where(chosen)).rowcount
        _count(connection, table.name, "age", n)
    return n


def _delete_pictures(connection: Connection, digests: set[str], why: str) -> int:
    gone = connection.execute(
        delete(pictures)
        .where(pictures.c.sha256.in_(digests), _unused)
        .returning(pictures.c.sha256, pictures.c.size_bytes)
    ).all()
    _discard(connection, [row.sha256 for row in gone])
    _count(connection, "pictures", why, len(gone))
    size = sum(int(row.size_bytes) for row in gone)
    _count(connection, "picture bytes", why, size)
    return size


def _count(connection: Connection, kind: str, cause: str, n: int) -> None:
    if n:
        add(connection, deletions, {"kind": kind, "cause": cause}, "amount", n)


def _discard(connection: Connection, digests: Sequence[str]) -> None:
    if digests:
        rows = [{"sha256": digest} for digest in digests]
        connection.execute(insertion(connection, discarded), rows)
