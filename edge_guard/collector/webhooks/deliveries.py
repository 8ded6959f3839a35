"""Notices on their way to webhooks: claimed, taken or put off, given up after a day.

A collector claims a notice before it sends it. Claims of its own that it finds at its start are of
a run that was killed: they are sent again, so that each notice arrives at least once, always under
the same id. Another collector's claim ends after `CLAIM_MS`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from edge_guard.collector.schema import outbox
from edge_guard.collector.store import Store

CLAIM_MS = 60_000
LONGEST_MS = 24 * 3_600_000
"""A notice that nobody took for so long is given up."""
KEPT_MS = 30 * 24 * 3_600_000
"""Notices given up are kept for so long."""
MOST_WAITING = 100_000
"""Of all webhooks together; beyond, the oldest are given up."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the deliveries to one webhook stand.

    Attributes
    ----------
    name : str
        Scheme, host and place among the webhooks; the rest of an address may be a secret.
    waiting, dead : int
        Notices that nobody has taken yet, and those given up.
    oldest_ms : int or None
        Since when the oldest waits.
    trouble : str
        Of one that was tried in vain; empty: there is none.
    """

    name: str
    waiting: int
    dead: int
    oldest_ms: int | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that is being delivered; ``attempts`` counts this one."""

    id: int
    message: str
    body: str
    attempts: int


class Deliveries:
    """Gives notices out and hears what became of them; thread-safe.

    Parameters
    ----------
    store : Store
    collector : str
        Its name, by which it knows its own claims.
    """

    def __init__(self, store: Store, collector: str) -> None:
        self._store = store
        self._collector = collector

    def begin(self) -> None:
        """Take up what a run of this collector that was killed had claimed."""
        mine = outbox.c.claimed == self._collector
        with self._store.writing() as connection:
            connection.execute(
                update(outbox).where(mine, outbox.c.due_ms.isnot(None)).values(due_ms=_now())
            )

    def claim(self, url: str) -> Claimed | None:
        """Return the oldest notice for a webhook that is due, None where there is none."""
        due = select(outbox).where(outbox.c.url == url, outbox.c.due_ms <= _now())
        with self._store.engine.connect() as connection:
            row = connection.execute(due.order_by(outbox.c.id).limit(1)).one_or_none()
        if row is None:
            return None
        values = {"due_ms": _now() + CLAIM_MS, "claimed": self._collector}
        unclaimed = update(outbox).where(outbox.c.id == row.id, outbox.c.due_ms == row.due_ms)
        with self._store.writing() as connection:
            statement = unclaimed.values(values | {"attempts": row.attempts + 1})
            if not connection.execute(statement).rowcount:
                return None  # another collector was faster
        return Claimed(row.id, row.message, row.body, row.attempts + 1)

    def delivered(self, notice: Claimed) -> None:
        """Forget a notice that was taken."""
        with self._store.writing() as connection:
            connection.execute(delete(outbox).where(outbox.c.id == notice.id))

    def failed(self, notice: Claimed, trouble: str, wait_s: float) -> None:
        """Put a notice off."""
        values = {"due_ms": _now() + int(wait_s * 1000), "claimed": None, "trouble": trouble[:256]}
        with self._store.writing() as connection:
            connection.execute(update(outbox).where(outbox.c.id == notice.id).values(values))

    def tidy(self) -> int:
        """Give up what has waited too long, forget what was given up long ago; return how many."""
        now = _now()
        waits = outbox.c.due_ms.isnot(None)
        with self._store.writing() as connection:
            connection.execute(delete(outbox).where(~waits, outbox.c.told_ms < now - KEPT_MS))
            old = outbox.c.told_ms < now - LONGEST_MS
            return connection.execute(
                update(outbox).where(waits, old | _beyond(connection)).values(due_ms=None)
            ).rowcount

    def revive(self, url: str) -> int:
        """Send what was given up once more, as if it had just happened; return how many."""
        dead = (outbox.c.url == url) & outbox.c.due_ms.is_(None)
        with self._store.writing() as connection:
            values = {"due_ms": _now(), "told_ms": _now(), "claimed": None}
            return connection.execute(update(outbox).where(dead).values(values)).rowcount

    def forget(self, url: str) -> int:
        """Forget what was given up; return how many."""
        dead = (outbox.c.url == url) & outbox.c.due_ms.is_(None)
        with self._store.writing() as connection:
            return connection.execute(delete(outbox).where(dead)).rowcount

    def standing(self, url: str, name: str) -> Standing:
        """Return how it stands with one webhook."""
        waiting = func.count(outbox.c.due_ms)
        oldest = func.min(outbox.c.told_ms).filter(outbox.c.due_ms.isnot(None))
        query = select(
            waiting.label("waiting"),
            (func.count() - waiting).label("dead"),
            oldest.label("oldest"),
            func.max(outbox.c.trouble).label("trouble"),
        ).where(outbox.c.url == url)
        with self._store.engine.connect() as connection:
            row = connection.execute(query).one()
        return Standing(name, row.waiting, row.dead, row.oldest, row.trouble or "")


def _beyond(connection: Connection) -> ColumnElement[bool]:
    """Return what picks the oldest of too many."""
    waiting = select(outbox.c.id).where(outbox.c.due_ms.isnot(None))
    first = connection.scalar(waiting.order_by(outbox.c.id.desc()).offset(MOST_WAITING).limit(1))
    return outbox.c.id <= (first or 0)


def _now() -> int:
    return time.time_ns() // 1_000_000
