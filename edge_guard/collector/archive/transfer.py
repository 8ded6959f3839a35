"""From one database to another, also of the other kind."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, insert, inspect, select, text

from edge_guard.collector.archive.snapshot import moment
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.schema import metadata
from edge_guard.collector.store import Store
from edge_guard.errors import StoreError

_BATCH = 1000


def move(source: str, target: str, pictures: Pictures) -> dict[str, int]:
    """Return the number of rows by table, once all are in ``target``: all or none.

    Pictures stay where they are. The collector must be stopped, or what it stores meanwhile is not
    in ``target``.

    Parameters
    ----------
    source, target : str
        URLs; ``target`` must not hold anything yet.
    pictures : Pictures

    Raises
    ------
    StoreError
        A database cannot be opened, ``source`` is of an older edge-guard, or was written to
        meanwhile, or ``target`` is not empty.
    """
    opened = Store(target, pictures)
    try:
        with moment(source) as old, opened.writing() as new:
            _check_current(old)
            done = {table.name: _copy(old, new, table) for table in metadata.sorted_tables}
            _check_unchanged(source, done)
        return {name: rows for name, rows in done.items() if rows}
    finally:
        opened.close()


def _check_current(connection: Connection) -> None:
    if not set(metadata.tables) <= set(inspect(connection).get_table_names()):
        raise StoreError(
            "the database is of an older edge-guard", "start its collector once, then stop it"
        )


def _check_unchanged(source: str, copied: dict[str, int]) -> None:
    with moment(source) as connection:
        now = {
            name: connection.scalar(select(func.count()).select_from(metadata.tables[name]))
            for name in copied
        }
    if now != copied:
        raise StoreError("the database was written to meanwhile", "stop its collector first")


def _copy(old: Connection, new: Connection, table: Table) -> int:
    if new.scalar(select(func.count()).select_from(table)):
        raise StoreError(
            f"there are {table.name} in the new database already", "name an empty database"
        )
    copied = 0
    rows = old.execute(select(table), execution_options={"yield_per": _BATCH})
    for some in rows.partitions():
        new.execute(insert(table), [dict(row._mapping) for row in some])
        copied += len(some)
    if new.dialect.name == "postgresql" and "id" in table.c:  # ids were given: go on after them
        sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
        new.execute(
            text(f"SELECT setval({sequence}, max(id)) FROM {table.name} HAVING max(id) IS NOT NULL")
        )
    return copied
