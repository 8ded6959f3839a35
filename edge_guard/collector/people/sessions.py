"""Who is signed in: random tokens in browsers, of which the database keeps only the hash."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time

from sqlalchemy import Update, or_, select
from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.people.person import Person
from edge_guard.collector.schema import people, sessions
from edge_guard.collector.store import Store

log = logging.getLogger(__name__)

_TOUCH_MS = 60_000
"""How often it is written down that a session is used."""


class Sessions:
    """Opens, finds and ends sessions; thread-safe.

    Parameters
    ----------
    store : Store
    idle_ms : int
        A session that is not used for so long has ended.
    longest_ms : int
        So has one that is older.
    """

    def __init__(self, store: Store, idle_ms: int, longest_ms: int) -> None:
        self._store = store
        self._idle_ms, self._longest_ms = idle_ms, longest_ms

    def open(self, person_id: int, address: str, instead_of: str = "") -> str | None:
        """Return the token of a new session; None: the person has been removed.

        Parameters
        ----------
        person_id : int
        address : str
            From where.
        instead_of : str, optional
            SHA-256 of the session that the browser had: it ends.
        """
        token, now = secrets.token_urlsafe(32), _now()
        row = {"sha256": digest(token), "person_id": person_id, "address": address[:64]}
        ended = or_(
            sessions.c.sha256 == instead_of,
            sessions.c.used_ms <= now - self._idle_ms,
            sessions.c.opened_ms <= now - self._longest_ms,
        )
        there = select(people.c.id).where(people.c.id == person_id).with_for_update(read=True)
        with self._store.writing() as connection:
            if connection.scalar(there) is None:
                return None
            connection.execute(sessions.delete().where(ended))
            connection.execute(sessions.insert().values(row | {"opened_ms": now, "used_ms": now}))
        return token

    def find(self, sha256: str, used: bool) -> Person | None:
        """Return who is signed in by a session; None: it has ended.

        Parameters
        ----------
        sha256 : str
        used : bool
            Its person does something: it does not become idle.
        """
        now = _now()
        query = (
            select(sessions.c.used_ms, people.c.name, people.c.role)
            .join(people, people.c.id == sessions.c.person_id)
            .where(sessions.c.sha256 == sha256)
            .where(sessions.c.used_ms > now - self._idle_ms)
            .where(sessions.c.opened_ms > now - self._longest_ms)
        )
        with self._store.engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if used and row.used_ms < now - _TOUCH_MS:
            touched = sessions.update().where(sessions.c.sha256 == sha256).values(used_ms=now)
            note_use(self._store, touched)
        return Person(row.name, row.role)

    def end(self, sha256: str) -> None:
        """Sign out."""
        with self._store.writing() as connection:
            connection.execute(sessions.delete().where(sessions.c.sha256 == sha256))


def note_use(store: Store, touched: Update) -> None:
    """Write down that something is used; a store that cannot be written to locks nobody out."""
    try:
        with store.writing() as connection:
            connection.execute(touched)
    except SQLAlchemyError as error:
        log.warning("the last use of a session or token cannot be written down (%s)", error)


def digest(token: str) -> str:
    """Return what the database keeps of a token: random ones need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
