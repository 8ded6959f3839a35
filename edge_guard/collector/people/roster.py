"""The people of a collector: their names, roles and passwords."""

from __future__ import annotations

import secrets
import time
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, func, select

from edge_guard.collector.people.passwords import hashed, matches, weakness
from edge_guard.collector.people.person import ROLES, Person, Role
from edge_guard.collector.schema import people, sessions
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import ConfigError

MOST_LETTERS = 64


@dataclass(frozen=True, slots=True)
class Member:
    """A person as the roster knows them.

    Attributes
    ----------
    id : int
    name : str
    role : str
    added_ms : int
        Since the Unix epoch.
    sessions : int
        On how many browsers signed in.
    used_ms : int or None
        When they last did something.
    """

    id: int
    name: str
    role: Role
    added_ms: int
    sessions: int
    used_ms: int | None


class Roster:
    """Writes and reads the people; every change is noted in the trail. Thread-safe.

    Each change raises ConfigError for a name that is not there, or that cannot be done.

    Parameters
    ----------
    store : Store
    trail : Trail
    """

    def __init__(self, store: Store, trail: Trail) -> None:
        self._store, self._trail = store, trail

    def members(self) -> list[Member]:
        """Return everybody, by name."""
        query = (
            select(
                people.c.id,
                people.c.name,
                people.c.role,
                people.c.added_ms,
                func.count(sessions.c.sha256).label("sessions"),
                func.max(sessions.c.used_ms).label("used_ms"),
            )
            .outerjoin(sessions, sessions.c.person_id == people.c.id)
            .group_by(people.c.id)
            .order_by(people.c.folded)
        )
        with self._store.engine.connect() as connection:
            return [Member(**row._mapping) for row in connection.execute(query)]

    def empty(self) -> bool:
        """Tell whether nobody is there."""
        with self._store.engine.connect() as connection:
            return connection.scalar(select(people.c.id).limit(1)) is None

    def add(self, name: str, role: Role, password: str, by: Person | str) -> None:
        """Add a person.

        Parameters
        ----------
        name : str
            1 to 64 letters; names that only differ in how letters are written are one.
        role : str
        password : str
        by : Person or str
        """
        _check(name, role)
        _check_password(password, name)
        row = {"name": name, "folded": folded(name), "role": role, "password": hashed(password)}
        with self._store.writing() as connection:
            if (there := _find(connection, name)) is not None:
                remedy = "choose another name, or change the role or password of this one"
                raise ConfigError(f"there is {there.name} already", remedy)
            if role != "engineer" and not _engineers(connection):
                problem = f"there is no engineer yet: nobody could look after {name}"
                raise ConfigError(problem, "add an engineer first")
            connection.execute(people.insert().values(row | {"added_ms": _now()}))
            self._trail.note(by, "person.add", name, {"role": role}, connection)

    def remove(self, name: str, by: Person | str) -> None:
        """Remove a person and end their sessions; what they did stays in their name."""
        with self._store.writing() as connection:
            row = _known(connection, name)
            if _others(connection, row):
                _leave_an_engineer(connection, row)
            connection.execute(sessions.delete().where(sessions.c.person_id == row.id))
            connection.execute(people.delete().where(people.c.id == row.id))
            self._trail.note(by, "person.remove", row.name, {"role": row.role}, connection)

    def set_role(self, name: str, role: Role, by: Person | str) -> None:
        """Give a person another role; open pages follow within a second."""
        _check(name, role)
        with self._store.writing() as connection:
            row = _known(connection, name)
            if row.role == role:
                return
            if role != "engineer":
                _leave_an_engineer(connection, row)
            connection.execute(people.update().where(people.c.id == row.id).values(role=role))
            details = {"role": role, "before": row.role}
            self._trail.note(by, "person.role", row.name, details, connection)

    def set_password(self, name: str, password: str, by: Person | str, keep: str = "") -> None:
        """Change a password and end the person's sessions.

        Parameters
        ----------
        name, password : str
        by : Person or str
        keep : str, optional
            SHA-256 of the one session that goes on: that of who changes the own password.
        """
        _check_password(password, name)
        stored = hashed(password)
        with self._store.writing() as connection:
            row = _known(connection, name)
            connection.execute(people.update().where(people.c.id == row.id).values(password=stored))
            others = (sessions.c.person_id == row.id) & (sessions.c.sha256 != keep)
            ended = connection.execute(sessions.delete().where(others)).rowcount
            self._trail.note(by, "person.password", row.name, {"ended": ended}, connection)

    def end_sessions(self, name: str, by: Person | str) -> None:
        """Sign a person out everywhere."""
        with self._store.writing() as connection:
            row = _known(connection, name)
            gone = sessions.delete().where(sessions.c.person_id == row.id)
            ended = connection.execute(gone).rowcount
            self._trail.note(by, "person.sign-out", row.name, {"ended": ended}, connection)

    def recognise(self, name: str, password: str) -> int | None:
        """Return the id of the person with this name and password, or None.

        For a name that is not there it takes as long as for a wrong password.
        """
        with self._store.engine.connect() as connection:
            row = _find(connection, name)
        known = matches(password, row.password if row else _nobodys())
        return int(row.id) if row and known else None

    def knows(self, name: str) -> str:
        """Return the name as it is written in the roster; empty: there is nobody."""
        with self._store.engine.connect() as connection:
            row = _find(connection, name)
        return str(row.name) if row else ""


def folded(name: str) -> str:
    """Return what names that look alike share."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())[:128]


@cache
def _nobodys() -> str:
    return hashed(secrets.token_urlsafe())


def _find(connection: Connection, name: str) -> Row[Any] | None:
    if "\0" in name or not name.isprintable():
        return None  # databases refuse to be asked
    return connection.execute(select(people).where(people.c.folded == folded(name))).first()


def _known(connection: Connection, name: str) -> Row[Any]:
    row = _find(connection, name)
    if row is None:
        raise ConfigError(f"there is nobody called {name!r}", "see 'edge-guard people list'")
    return row


def _others(connection: Connection, row: Row[Any]) -> bool:
    return connection.scalar(select(people.c.id).where(people.c.id != row.id).limit(1)) is not None


def _leave_an_engineer(connection: Connection, row: Row[Any]) -> None:
    if _engineers(connection) == [row.id]:
        raise ConfigError(
            f"{row.name} is the only engineer: nobody could look after people any more",
            "make somebody else an engineer first",
        )


def _engineers(connection: Connection) -> list[int]:
    return list(connection.scalars(select(people.c.id).where(people.c.role == "engineer")))


def _check(name: str, role: str) -> None:
    if not 1 <= len(name) <= MOST_LETTERS or not name.isprintable() or name != name.strip():
        reason = f"a name has 1 to {MOST_LETTERS} letters that can be printed, no space at an end"
        raise ConfigError(f"{name[:80]!r} cannot be a name", reason)
    if role not in ROLES:
        raise ConfigError(f"there is no role {role!r}", f"one of {', '.join(ROLES)}")


def _check_password(password: str, name: str) -> None:
    if reason := weakness(password, name):
        raise ConfigError(reason, "choose a longer one, such as four or five words")


def _now() -> int:
    return time.time_ns() // 1_000_000
