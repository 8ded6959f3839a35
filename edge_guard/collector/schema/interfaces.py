"""The tables of the interfaces to other programs: answers to repeated requests, webhooks."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from edge_guard.collector.schema.columns import metadata, own_id

answers = Table(  # to requests with a key; forgotten as `repeats` says
    "answers",
    metadata,
    Column("request", String(64), primary_key=True),  # SHA-256 of who, where and the key
    Column("body_sha256", String(64), nullable=False),  # of the request
    Column("begun_ms", BigInteger, nullable=False),
    Column("status", Integer),  # empty while it is being answered
    Column("content", LargeBinary),
    Index("answers_by_time", "begun_ms"),
)

outbox = Table(  # what webhooks are to be told; deleted once it is delivered
    "outbox",
    metadata,
    own_id(),
    Column("message", String(64), nullable=False, unique=True),  # for whoever gets it twice
    Column("url", String(1024), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("told_ms", BigInteger, nullable=False),  # when it happened here
    Column("due_ms", BigInteger),  # of the next attempt; empty: given up
    Column("attempts", Integer, nullable=False),
    Column("claimed", String(128)),  # by the collector that is delivering it
    Column("trouble", String(256), nullable=False),  # of the last attempt
    Index("outbox_by_url", "url", "due_ms"),
)


def create_interfaces(connection: Connection) -> None:
    """Add these tables to a database without them."""
    metadata.create_all(connection, tables=[answers, outbox])
