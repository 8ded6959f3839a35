"""The table of datasets: what was chosen, up to which row, so that it can be written again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, String, Table, Text

from edge_guard.collector.schema.columns import Id, metadata, own_id

datasets = Table(
    "datasets",
    metadata,
    own_id(),
    Column("name", String(128), nullable=False),
    Column("who", String(128), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("wish", Text, nullable=False),  # the Wish, as JSON
    Column("upto_event", Id, nullable=False),  # later rows do not belong to it
    Column("upto_judgement", Id, nullable=False),
    Column("counts", Text, nullable=False),  # the Counts, as JSON
    Column("digest", String(64), nullable=False),  # SHA-256 of its frames.csv
)


def create_datasets(connection: Connection) -> None:
    """Create what a database without datasets lacks."""
    datasets.create(connection)
