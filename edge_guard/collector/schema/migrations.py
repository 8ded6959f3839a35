"""The named migrations that bring a database to the tables of this edge-guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text

from edge_guard.collector.schema.columns import metadata
from edge_guard.collector.schema.datasets import create_datasets
from edge_guard.collector.schema.interfaces import create_interfaces
from edge_guard.collector.schema.orders import commands, judgements, replies
from edge_guard.collector.schema.people import create_people
from edge_guard.collector.schema.reports import (
    audited,
    awaiting,
    by_incident,
    drawn,
    events,
    flagged,
    of_parts,
)
from edge_guard.collector.schema.retention import create_retention
from edge_guard.collector.schema.retunes import create_retunes
from edge_guard.collector.schema.review import review_items
from edge_guard.collector.schema.rollouts import create_rollouts
from edge_guard.errors import StoreError

applied = Table("migrations", MetaData(), Column("name", String(64), primary_key=True))


def _add_audits(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE events ADD COLUMN sampled FLOAT"))
    audited.create(connection)
    judgements.create(connection)


def _add_commands(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE events ADD COLUMN incident VARCHAR(64)"))
    for index in events.indexes:
        if index.name == "events_by_incident":
            index.create(connection)
    commands.create(connection)
    replies.create(connection)


def _add_parts(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE events ADD COLUMN part VARCHAR(128)"))
    of_parts.create(connection)


def _add_reviews(connection: Connection) -> None:
    from edge_guard.collector.review.intake import fill  # needs the finished tables

    has = {column["name"] for column in inspect(connection).get_columns(judgements.name)}
    if "withdraws" not in has:  # 0002 makes the table as it is now
        connection.execute(text("ALTER TABLE judgements ADD COLUMN withdraws BIGINT"))
        connection.execute(
            text("ALTER TABLE judgements ADD COLUMN blind BOOLEAN DEFAULT FALSE NOT NULL")
        )
        connection.execute(text("ALTER TABLE judgements ADD COLUMN request VARCHAR(64)"))
        for index in judgements.indexes:
            if index.name != "judgements_by_event":
                index.create(connection)
    review_items.create(connection)
    fill(connection)


def _index_incidents_only(connection: Connection) -> None:
    """Take the frames without one, nearly all, out of the index of incidents."""
    connection.execute(text("DROP INDEX IF EXISTS events_by_incident"))
    by_incident.create(connection)


Migration = tuple[str, Callable[[Connection], None]]
MIGRATIONS: tuple[Migration, ...] = (
    ("0001-first-tables", metadata.create_all),
    ("0002-audits", _add_audits),
    ("0003-commands", _add_commands),
    ("0004-people", create_people),
    ("0005-retention", create_retention),
    ("0006-reviews", _add_reviews),
    ("0007-rollouts", create_rollouts),
    ("0008-webhooks", create_interfaces),
    ("0009-retunes", create_retunes),
    ("0012-awaiting", awaiting.create),
    ("0013-datasets", create_datasets),
    ("0014-flagged", flagged.create),
    ("0015-drawn", drawn.create),
    ("0016-parts", _add_parts),
    ("0017-incidents", _index_incidents_only),
)
"""A new database gets the current tables and every name at once; an old one the missing steps."""


def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Return the names of the steps that were missing, now done, in the caller's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction; rolling it back undoes every step.
    migrations : sequence of (str, callable)
        Name and step, oldest first.

    Raises
    ------
    StoreError
        The database was written by a newer edge-guard.
    """
    new = not inspect(connection).has_table(applied.name)
    if new:
        applied.create(connection)
        metadata.create_all(connection)
    done = set(connection.scalars(select(applied.c.name)))
    if unknown := sorted(done - {name for name, _ in migrations}):
        raise StoreError(
            f"the database has changes that this edge-guard does not know ({unknown[-1]})",
            "install the edge-guard that wrote it, or a newer one",
        )
    missing = [(name, step) for name, step in migrations if name not in done]
    for name, step in missing:
        if not new:
            step(connection)
        connection.execute(applied.insert().values(name=name))
    return [name for name, _ in missing]
