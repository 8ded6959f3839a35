"""Inserting and counting rows so that doing it twice does no harm, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, update
from sqlalchemy.dialects import postgresql, sqlite


def insertion(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that does nothing where the row exists; give it the row as parameters."""
    return _insertion(connection.dialect.name, table)


@cache  # to build a statement takes SQLAlchemy longer than SQLite to execute it
def _insertion(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def add(connection: Connection, table: Table, key: dict[str, Any], counter: str, n: int) -> None:
    """Add ``n`` to the counter of the row with this key, which starts at 0."""
    connection.execute(insertion(connection, table), key | {counter: 0})
    connection.execute(
        update(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .values({counter: table.c[counter] + n})
    )
