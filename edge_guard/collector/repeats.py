"""Requests that may be repeated: the first answer under a key is kept for a day and given again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import ColumnElement, delete, update

from edge_guard.collector.rows import insertion
from edge_guard.collector.schema import answers
from edge_guard.collector.store import Store

KEPT_MS = 86_400_000
UNFINISHED_MS = 30 * KEPT_MS
"""Nobody asks for so old an answer; until then a request without one is not done again."""


class OtherBodyError(ValueError):
    """The key was used for another body."""


class UnderWayError(RuntimeError):
    """The same request was begun and has no answer: it is slow, its collector was killed, or the
    answer could not be kept.

    Nobody can tell which, so it is not done a second time for `UNFINISHED_MS`.
    """


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that is to be answered now, and by nobody else."""

    request: str
    begun_ms: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given before."""

    status: int
    content: bytes


class Repeats:
    """Remembers answers; thread-safe, and common to all collectors of one database.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, request: str, body: bytes) -> Kept | Attempt:
        """Return the answer to this request, or the attempt where it is to be answered now.

        Parameters
        ----------
        request : str
            Who asks, what for, and the key.
        body : bytes

        Raises
        ------
        OtherBodyError, UnderWayError
        """
        now, digest = time.time_ns() // 1_000_000, sha256(body).hexdigest()
        attempt = Attempt(request, now)
        row = {"request": _name(request), "body_sha256": digest, "begun_ms": now}
        with self._store.writing() as connection:
            connection.execute(delete(answers).where(_old(now)))
            known = answers.c.request == _name(request)
            new = insertion(connection, answers).returning(answers.c.request)
            if connection.scalar(new, row) is not None:
                return attempt
            there = connection.execute(answers.select().where(known)).one()
            if there.body_sha256 != digest:
                raise OtherBodyError("the key was used for another body")
            if there.status is not None:
                return Kept(there.status, there.content)
        seconds = max(0, now - there.begun_ms) // 1000
        raise UnderWayError(f"the same request is in progress; it was begun {seconds} s ago")

    def keep(self, attempt: Attempt, status: int, content: bytes) -> None:
        """Keep the answer to an attempt."""
        values = {"status": status, "content": content}
        with self._store.writing() as connection:
            connection.execute(update(answers).where(_this(attempt)).values(values))

    def forget(self, attempt: Attempt) -> None:
        """Let a request be made again whose attempt was refused, so that nothing was done."""
        with self._store.writing() as connection:
            connection.execute(delete(answers).where(_this(attempt)))


def _name(request: str) -> str:
    return sha256(request.encode("utf-8", "surrogatepass")).hexdigest()


def _old(now_ms: int) -> ColumnElement[bool]:
    begun, answered = answers.c.begun_ms, answers.c.status.isnot(None)
    return (begun < now_ms - KEPT_MS) & (answered | (begun < now_ms - UNFINISHED_MS))


def _this(attempt: Attempt) -> ColumnElement[bool]:
    same = answers.c.request == _name(attempt.request)
    return same & (answers.c.begun_ms == attempt.begun_ms)
