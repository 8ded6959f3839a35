"""Finding, inserting and counting many rows, on SQLite and PostgreSQL; twice does no harm."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Table,
    any_,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite


def among(
    connection: Connection, column: ColumnElement[Any], values: Iterable[Any]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values: one parameter for all of them.

    SQLAlchemy's ``in_`` words a statement anew for each number of values, which takes longer than
    its execution.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    listed = func.json_each(msgspec.json.encode(list(values)).decode()).table_valued("value")
    return column.in_(select(listed.c.value))


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
