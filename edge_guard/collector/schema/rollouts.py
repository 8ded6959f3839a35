"""The tables of bundles on their way to streams."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from edge_guard.collector.schema.columns import Id, metadata, of_device, own_id

rollouts = Table(
    "rollouts",
    metadata,
    own_id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("bundle", String(256), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("base_url", String(512), nullable=False),
    Column("other_model", Boolean, nullable=False),
    Column("who", String(128), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("request", Text, nullable=False),  # as it was asked for, JSON
    Column("plan", Text, nullable=False),  # Plan as JSON
    Column("status", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("version", BigInteger, nullable=False),  # nobody overwrites what another has written
    Index("rollouts_by_status", "status", "id"),
)

rollout_targets = Table(
    "rollout_targets",
    metadata,
    own_id(),
    Column("rollout_id", Id, ForeignKey("rollouts.id"), nullable=False),
    Column("position", Integer, nullable=False),
    of_device(),
    Column("stream", String(128), nullable=False),
    Column("busy", Boolean, nullable=False),  # the rollout is active
    Column("old_bundle", String(256), nullable=False),
    Column("old_sha256", String(64), nullable=False),
    Column("old_size_bytes", BigInteger, nullable=False),
    Column("progress", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("before_frames", BigInteger, nullable=False),
    Column("before_flagged", BigInteger, nullable=False),
    Column("scatter", Float, nullable=False),
    Column("mark_summary", BigInteger, nullable=False),
    Column("mark_alarm", BigInteger, nullable=False),
    Column("standing", Text, nullable=False),  # names of alarms as a JSON list
    Column("frames", BigInteger, nullable=False),
    Column("flagged", BigInteger, nullable=False),
    UniqueConstraint("rollout_id", "position"),
    UniqueConstraint("rollout_id", "device_id", "stream"),
)

Index(  # a stream is part of one active rollout at most
    "rollout_targets_busy",
    rollout_targets.c.device_id,
    rollout_targets.c.stream,
    unique=True,
    sqlite_where=rollout_targets.c.busy,
    postgresql_where=rollout_targets.c.busy,
)


def create_rollouts(connection: Connection) -> None:
    """Add these tables to a database without them."""
    metadata.create_all(connection, tables=[rollouts, rollout_targets])
