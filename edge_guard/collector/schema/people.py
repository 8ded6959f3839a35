"""The tables of who may do what, and of who did what."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
)
from sqlalchemy.event import listens_for

from edge_guard.collector.schema.columns import Id, metadata, own_id

people = Table(
    "people",
    metadata,
    own_id(),
    Column("name", String(64), nullable=False),
    Column("folded", String(128), nullable=False, unique=True),  # names that look alike are one
    Column("role", String(16), nullable=False),
    Column("password", String(256), nullable=False),  # its hash, with the way it was made
    Column("added_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the cookie
    Column("person_id", Id, ForeignKey("people.id"), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Index("sessions_by_person", "person_id"),
)

tokens = Table(
    "tokens",
    metadata,
    own_id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", String(128), nullable=False),  # separated by commas
    Column("added_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
)

trail = Table(  # only ever added to; the database itself refuses anything else
    "trail",
    metadata,
    own_id(),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("details", Text, nullable=False),  # a JSON object
    Column("chain", String(64), nullable=False),  # SHA-256 of this row and the chain before it
)

_REFUSES = "the audit trail is only ever added to"
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER trail_no_{change} BEFORE {change} ON trail "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSES}'); END"
        for change in ("update", "delete")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION trail_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSES}'; END $$",
        "CREATE TRIGGER trail_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON trail "
        "FOR EACH STATEMENT EXECUTE FUNCTION trail_refuses()",
    ],
}


@listens_for(trail, "after_create")
def _protect(_table: Table, connection: Connection, **_: object) -> None:
    for statement in _TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def create_people(connection: Connection) -> None:
    """Add these tables to a database without them."""
    metadata.create_all(connection, tables=[people, sessions, tokens, trail])
