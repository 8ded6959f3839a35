"""The tables of what devices report."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from edge_guard.collector.schema.columns import Id, metadata, of_boot, of_device, own_id

devices = Table(
    "devices",
    metadata,
    own_id(),
    Column("site", String(128), nullable=False),
    Column("line", String(128), nullable=False),
    Column("device", String(128), nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("state", Text),  # the last State message
    Column("events", BigInteger, nullable=False, default=0),
    UniqueConstraint("site", "line", "device"),
)

boots = Table(
    "boots",
    metadata,
    own_id(),  # boots are numbered as they are first heard of, which orders them
    of_device(),
    Column("boot", String(128), nullable=False),
    Column("stored", Text, nullable=False),  # Progress.text()
    Column("given_up", Text, nullable=False),  # Progress.text() of what the device reported lost
    Column("highest", BigInteger, nullable=False),
    Column("complete", BigInteger, nullable=False),  # how many are stored
    Column("dropped", BigInteger, nullable=False),  # how many are given up and not stored
    UniqueConstraint("device_id", "boot"),
)

events = Table(
    "events",
    metadata,
    own_id(),  # the order in which they are listed
    of_device(),
    of_boot(),
    Column("sequence", BigInteger, nullable=False),
    Column("stream", String(128), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("occurred_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("sha256", String(64)),  # of the announced picture
    Column("complete", Boolean, nullable=False),
    Column("body", Text, nullable=False),  # the Event message
    Column("sampled", Float),  # probability of being drawn for an audit, where it was
    UniqueConstraint("boot_id", "sequence"),
    Index("events_by_device", "device_id", "id"),
    Column("incident", String(64)),  # the trouble that it is part of
    Column("part", String(128)),  # the part that its trigger named
    Index("events_by_stream", "device_id", "stream", "id"),
)

_drawn = events.c.sampled.isnot(None)
audited = Index(
    "events_audited",
    events.c.device_id,
    events.c.stream,
    events.c.occurred_ms,
    sqlite_where=_drawn,
    postgresql_where=_drawn,
)
drawn = Index(  # the audits of all streams, newest first, however many frames are flagged between
    "events_drawn", events.c.id, sqlite_where=_drawn, postgresql_where=_drawn
)

_of_trouble = events.c.incident.isnot(None)
by_incident = Index(
    "events_by_incident",
    events.c.device_id,
    events.c.incident,
    events.c.id,
    sqlite_where=_of_trouble,
    postgresql_where=_of_trouble,
)

_named = events.c.part.isnot(None)
of_parts = Index(
    "events_by_part", events.c.part, events.c.id, sqlite_where=_named, postgresql_where=_named
)

FLAGGED = events.c.verdict != literal_column("'accept'")
flagged = Index(  # the list of most pages, newest first, however many frames are audited between
    "events_flagged", events.c.id, sqlite_where=FLAGGED, postgresql_where=FLAGGED
)

INCOMPLETE = events.c.complete.is_(False)
awaiting = Index(  # few: each picture follows its event at once
    "events_awaiting", events.c.boot_id, sqlite_where=INCOMPLETE, postgresql_where=INCOMPLETE
)

pictures = Table(
    "pictures",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

results = Table(  # how many frames a minute and verdict, of streams that publish all
    "results",
    metadata,
    Column("device_id", Id, ForeignKey("devices.id"), primary_key=True),
    Column("stream", String(128), primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("verdict", String(16), primary_key=True),
    Column("frames", BigInteger, nullable=False),
)

summaries = Table(
    "summaries",
    metadata,
    own_id(),
    of_device(),
    of_boot(),
    Column("sequence", BigInteger, nullable=False),
    Column("stream", String(128), nullable=False),
    Column("occurred_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the Summary message
    UniqueConstraint("boot_id", "sequence"),
    Index("summaries_by_stream", "device_id", "stream", "occurred_ms"),
)

alarms = Table(
    "alarms",
    metadata,
    own_id(),
    of_device(),
    of_boot(),
    Column("sequence", BigInteger, nullable=False),
    Column("stream", String(128), nullable=False),
    Column("alarm", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("occurred_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the Alarm message
    UniqueConstraint("boot_id", "sequence"),
    Index("alarms_in_order", "device_id", "stream", "alarm", "boot_id", "sequence"),
)

losses = Table(  # what devices reported to have given up
    "losses",
    metadata,
    Column("device_id", Id, ForeignKey("devices.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("cause", String(128), primary_key=True),
    Column("messages", BigInteger, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("cause", String(64), primary_key=True),
    Column("messages", BigInteger, nullable=False),
)
