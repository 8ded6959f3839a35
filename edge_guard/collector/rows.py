"""Inserting and counting rows so that doing it twice does no harm, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert


def insertion(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that does nothing where the row exists; give it the row as parameters."""
    return _insertion(connection.dialect.name, table)


def insert(connection: Connection, table: Table, row: dict[str, Any]) -> int | None:
    """Return the new row's ``id``; None where the row exists."""
    number: int | None = connection.scalar(_returning(connection.dialect.name, table), row)
    return number


@cache  # to build a statement takes SQLAlchemy longer than SQLite to execute it
def _insertion(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@cache
def _returning(dialect: str, table: Table) -> ReturningInsert[Any]:
    return _insertion(dialect, table).returning(table.c.id)


def find_or_insert(
    connection: Connection, table: Table, key: dict[str, Any], rest: dict[str, Any]
) -> int:
    """Return the ``id`` of the row with this key, inserted with ``rest`` where it was missing."""
    here = select(table.c.id).where(*(table.c[name] == value for name, value in key.items()))
    number: int | None = connection.scalar(here)
    if number is None:
        number = insert(connection, table, key | rest)
    return connection.scalars(here).one() if number is None else number


def add(connection: Connection, table: Table, key: dict[str, Any], counter: str, n: int) -> None:
    """Add ``n`` to the counter of the row with this key, which starts at 0."""
    connection.execute(insertion(connection, table), key | {counter: 0})
    connection.execute(
        update(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .values({counter: table.c[counter] + n})
    )
