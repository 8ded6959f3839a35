"""The collector's tables, and the named migrations that bring a database to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
    text,
)

from edge_guard.errors import StoreError

metadata = MetaData()
Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _device() -> Column[int]:
    return Column("device_id", Id, ForeignKey("devices.id"), nullable=False)


def _boot() -> Column[int]:
    return Column("boot_id", Id, ForeignKey("boots.id"), nullable=False)


devices = Table(
    "devices",
    metadata,
    _id(),
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
    _id(),  # boots are numbered as they are first heard of, which orders them
    _device(),
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
    _id(),  # the order in which they are listed
    _device(),
    _boot(),
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
    Index("events_by_stream", "device_id", "stream", "id"),
    Index("events_by_incident", "device_id", "incident", "id"),
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

judgements = Table(  # only ever added to: of one event the newest row counts
    "judgements",
    metadata,
    _id(),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Column("judged_ms", BigInteger, nullable=False),
    Column("who", String(128), nullable=False),  # empty until people sign in
    Column("answer", String(16), nullable=False),
    Column("label", String(128)),  # what the answer should have been
    Index("judgements_by_event", "event_id", "id"),
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
    _id(),
    _device(),
    _boot(),
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
    _id(),
    _device(),
    _boot(),
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

commands = Table(  # what people wanted devices to do; only ever added to
    "commands",
    metadata,
    _id(),
    Column("command", String(64), nullable=False, unique=True),
    _device(),
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
    _id(),
    _device(),
    _boot(),
    Column("sequence", BigInteger, nullable=False),
    Column("command", String(64), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the Reply message
    UniqueConstraint("device_id", "command"),  # the first answer counts
)

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


Migration = tuple[str, Callable[[Connection], None]]
MIGRATIONS: tuple[Migration, ...] = (
    ("0001-first-tables", metadata.create_all),
    ("0002-audits", _add_audits),
    ("0003-commands", _add_commands),
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
