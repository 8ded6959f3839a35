"""The tables of what people say and order, and of what devices answer."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from edge_guard.collector.schema.columns import Id, metadata, of_boot, of_device, own_id

judgements = Table(  # only ever added to: of one event the newest row that stands counts
    "judgements",
    metadata,
    own_id(),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Column("judged_ms", BigInteger, nullable=False),
    Column("who", String(128), nullable=False),  # empty until people sign in
    Column("answer", String(16), nullable=False),
    Column("label", String(128)),  # what the answer should have been
    Column("withdraws", Id),  # the judgement that this row takes back
    Column("blind", Boolean, nullable=False, server_default=false()),  # a second look
    Column("request", String(64)),  # whoever gives one may repeat it
    Index("judgements_by_event", "event_id", "id"),
    Index("judgements_by_who", "who", "judged_ms"),
    Index("judgements_withdrawn", "withdraws", unique=True),
    Index("judgements_requested", "request", unique=True),
)

commands = Table(  # what people wanted devices to do; only ever added to
    "commands",
    metadata,
    own_id(),
    Column("command", String(64), nullable=False, unique=True),
    of_device(),
    Column("who", String(128), nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the Command message
    Index("commands_by_device", "device_id", "id"),
    Index("commands_by_expiry", "expires_ms"),
)

replies = Table(
    "replies",
    metadata,
    own_id(),
    of_device(),
    of_boot(),
    Column("sequence", BigInteger, nullable=False),
    Column("command", String(64), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the Reply message
    UniqueConstraint("device_id", "command"),  # the first answer counts
)
