"""The audit trail: who did what, when; rows are only added, each sealed by a chain of hashes.

The database refuses to change or delete a row. Whoever owns the database file can still do both;
the chain then shows it: each row carries the SHA-256 of itself and of the chain before it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text

from edge_guard.collector.people import Person
from edge_guard.collector.schema import trail
from edge_guard.collector.store import Store

_MOST = {"who": 128, "action": 64, "subject": 256}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done.

    Attributes
    ----------
    id : int
        Higher = later.
    at_ms : int
        Since the Unix epoch.
    who, action, subject : str
    details : dict
    """

    id: int
    at_ms: int
    who: str
    action: str
    subject: str
    details: dict[str, Any]


class Trail:
    """Writes and reads the trail; thread-safe.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(
        self,
        who: Person | str,
        action: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Write down what was done.

        Parameters
        ----------
        who : Person or str
        action : str
            In words with a dot: ``rollout.start``, ``judgement.add``, ``person.role``.
        subject : str
            What it was done to: ``event 12``, ``device 3``, a name.
        details : mapping, optional
            Anything JSON can say; never a password or token.
        connection : Connection, optional
            A transaction of ``Store.writing`` that does the thing itself: both happen or neither.
        """
        row = {
            "at_ms": time.time_ns() // 1_000_000,
            "who": who if isinstance(who, str) else who.name,
            "action": action,
            "subject": subject,
        }
        row |= {name: _storable(str(row[name]))[:most] for name, most in _MOST.items()}
        row["details"] = _storable(json.dumps(dict(details or {}), sort_keys=True, default=str))
        with nullcontext(connection) if connection else self._store.writing() as writing:
            row["chain"] = _link(_last(writing), row)
            writing.execute(trail.insert().values(row))

    def entries(self, limit: int, before: int | None = None) -> list[Entry]:
        """Return what was done, newest first.

        Parameters
        ----------
        limit : int
        before : int, optional
            Only entries with a lower id.
        """
        query = select(trail).order_by(trail.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(trail.c.id < before)
        with self._store.engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def broken(self) -> int | None:
        """Return the id of the first row that does not fit the chain; None: all do.

        Rows cut off at the end leave no mark: keep copies of the newest chain value elsewhere.
        """
        chain = ""
        query = select(trail).order_by(trail.c.id)
        with self._store.engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                chain = _link(chain, dict(row._mapping))
                if chain != row.chain:
                    return int(row.id)
        return None


def _last(connection: Connection) -> str:
    """Return the chain's end; nobody else may add to it until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE trail IN EXCLUSIVE MODE"))
    newest = select(trail.c.chain).order_by(trail.c.id.desc()).limit(1)
    return connection.scalar(newest) or ""


def _link(before: str, row: Mapping[str, Any]) -> str:
    said = [before, *(row[name] for name in ("at_ms", "who", "action", "subject", "details"))]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _storable(words: str) -> str:
    return words.replace("\0", "\\0").encode("utf-8", "replace").decode()


def _entry(row: Row[Any]) -> Entry:
    values = dict(row._mapping)
    del values["chain"]
    return Entry(**values | {"details": json.loads(row.details)})
