"""Tokens with which programs use the interface instead of a password."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from edge_guard.collector.people.person import NEEDS, ROLES, SCOPES, Person, Role, Scope
from edge_guard.collector.people.roster import MOST_LETTERS
from edge_guard.collector.people.sessions import digest, note_use
from edge_guard.collector.schema import tokens
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import ConfigError

MARK = "egt_"
"""Begins every token, so that scanners for leaked secrets find them."""
MOST_DAYS = 3650
_DAY_MS = 86_400_000
_TOUCH_MS = 60_000


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token.

    Attributes
    ----------
    name : str
    scopes : tuple of str
    added_ms, expires_ms : int
        Since the Unix epoch.
    used_ms : int or None
        Last use, to a minute.
    """

    name: str
    scopes: tuple[Scope, ...]
    added_ms: int
    expires_ms: int
    used_ms: int | None


class Tokens:
    """Makes, finds and revokes tokens; changes are noted in the trail. Thread-safe.

    Parameters
    ----------
    store : Store
    trail : Trail
    """

    def __init__(self, store: Store, trail: Trail) -> None:
        self._store, self._trail = store, trail

    def create(self, name: str, scopes: Iterable[str], days: float, by: Person | str) -> str:
        """Return a new token; it is not stored and cannot be shown again.

        Parameters
        ----------
        name : str
            Of the program; what it does is noted under it.
        scopes : iterable of str
        days : float
            After these it expires; at most 3650.
        by : Person or str

        Raises
        ------
        ConfigError
            The name is taken or none, or there is no such scope, or none is wanted.
        """
        wanted, now = _scopes(scopes), time.time_ns() // 1_000_000
        if not wanted:
            raise ConfigError("a token without scopes would be for nothing", "choose one or more")
        if not 1 <= len(name) <= MOST_LETTERS or not name.isprintable() or name != name.strip():
            reason = f"use 1 to {MOST_LETTERS} letters that can be printed"
            raise ConfigError(f"{name[:80]!r} cannot be the name of a token", reason)
        if not 0 < days <= MOST_DAYS:
            raise ConfigError(f"a token cannot last {days:g} days", f"at most {MOST_DAYS}")
        token = MARK + secrets.token_urlsafe(32)
        row = {"name": name, "sha256": digest(token), "scopes": ",".join(wanted)}
        row |= {"added_ms": now, "expires_ms": now + int(days * _DAY_MS)}  # type: ignore[dict-item]
        with self._store.writing() as connection:
            if connection.scalar(select(tokens.c.id).where(tokens.c.name == name)):
                remedy = "choose another name, or revoke that one first"
                raise ConfigError(f"there is a token {name} already", remedy)
            connection.execute(tokens.insert().values(row))
            details = {"scopes": wanted, "days": days}
            self._trail.note(by, "token.create", name, details, connection)
        return token

    def revoke(self, name: str, by: Person | str) -> None:
        """Make a token worthless at once.

        Raises
        ------
        ConfigError
            There is none.
        """
        with self._store.writing() as connection:
            if not connection.execute(tokens.delete().where(tokens.c.name == name)).rowcount:
                remedy = "see 'edge-guard people token list'"
                raise ConfigError(f"there is no token {name!r}", remedy)
            self._trail.note(by, "token.revoke", name, None, connection)

    def listed(self) -> list[Token]:
        """Return all tokens by name, also expired ones."""
        query = select(tokens).order_by(tokens.c.name)
        with self._store.engine.connect() as connection:
            return [
                Token(
                    row.name,
                    _kept(row.scopes),
                    row.added_ms,
                    row.expires_ms,
                    row.used_ms,
                )
                for row in connection.execute(query)
            ]

    def find(self, token: str) -> Person | None:
        """Return the program that a token stands for; None: it has expired, or is none."""
        now = time.time_ns() // 1_000_000
        here = tokens.c.sha256 == digest(token)
        with self._store.engine.connect() as connection:
            row = connection.execute(select(tokens).where(here)).first()
        if row is None or row.expires_ms <= now or not (scopes := _kept(row.scopes)):
            return None
        if (row.used_ms or 0) < now - _TOUCH_MS:
            note_use(self._store, tokens.update().where(here).values(used_ms=now))
        return Person(row.name, _role(scopes), frozenset(scopes))


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    wanted = {name.strip() for name in names}
    if unknown := sorted(wanted - set(SCOPES)):
        raise ConfigError(f"there is no scope {unknown[0]!r}", f"known are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def _kept(words: str) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in words.split(","))


def _role(scopes: tuple[Scope, ...]) -> Role:
    return max((NEEDS[scope] for scope in scopes), key=ROLES.index)
