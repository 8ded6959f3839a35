"""The table of retunes: who made which bundle from whose labels, and what came of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, Text

from edge_guard.collector.schema.columns import metadata, of_device, own_id

retunes = Table(
    "retunes",
    metadata,
    own_id(),
    of_device(),
    Column("stream", String(128), nullable=False),
    Column("parent", String(256), nullable=False),
    Column("parent_sha256", String(64), nullable=False),
    Column("who", String(128), nullable=False),
    Column("wishes", Text, nullable=False),  # as JSON
    Column("state", String(16), nullable=False),  # running, done, failed
    Column("started_ms", BigInteger, nullable=False),
    Column("renewed_ms", BigInteger, nullable=False),  # while it runs: its collector is alive
    Column("bundle", String(256), nullable=False),  # empty until it is done
    Column("sha256", String(64), nullable=False),
    Column("told", Text, nullable=False),  # what is certified, or why it failed
    Index("retunes_by_stream", "device_id", "stream", "id"),
)

_running = retunes.c.state == "running"
Index(  # one at a time for a stream
    "retunes_running",
    retunes.c.device_id,
    retunes.c.stream,
    unique=True,
    sqlite_where=_running,
    postgresql_where=_running,
)


def create_retunes(connection: Connection) -> None:
    """Add the table to a database without it."""
    retunes.create(connection)
