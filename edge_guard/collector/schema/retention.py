"""The tables of what the collector has deleted, and the indexes by which it finds what is old."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table

from edge_guard.collector.schema.columns import metadata
from edge_guard.collector.schema.reports import alarms, events, results, summaries

deletions = Table(  # counted for ever
    "deletions",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("cause", String(32), primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

discarded = Table(  # pictures without a row of theirs, which wait for their own deletion
    "discarded", metadata, Column("sha256", String(64), primary_key=True)
)

_INDEXES = (
    Index("events_by_arrival", events.c.verdict, events.c.received_ms, events.c.id),
    Index("events_by_picture", events.c.sha256),
    Index("summaries_by_time", summaries.c.occurred_ms),
    Index("alarms_by_time", alarms.c.occurred_ms),
    Index("results_by_minute", results.c.minute),
)


def create_retention(connection: Connection) -> None:
    """Add tables and indexes to a database from before them."""
    deletions.create(connection)
    discarded.create(connection)
    for index in _INDEXES:
        index.create(connection)
