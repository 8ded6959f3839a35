"""The table of frames that wait for a human look, and which of people's words stand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    ScalarSelect,
    String,
    Table,
    UniqueConstraint,
    and_,
    exists,
    select,
)

from edge_guard.collector.schema.columns import Id, metadata, of_device, own_id
from edge_guard.collector.schema.orders import judgements
from edge_guard.collector.schema.reports import events

review_items = Table(
    "review_items",
    metadata,
    own_id(),
    Column("event_id", Id, ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("look", Integer, nullable=False),  # 1, or 2 for the blind second one
    of_device(),
    Column("stream", String(128), nullable=False),
    Column("line", String(257), nullable=False),  # site/line
    Column("reason", String(128), nullable=False),  # leading guard; empty where there is none
    Column("crowd", String(32), nullable=False),  # what repeats the same trouble
    Column("place", BigInteger, nullable=False),  # in its crowd, from 1
    Column("rank", BigInteger, nullable=False),  # low = next: arrival minus head start, in ms
    Column("not_who", String(128)),  # not for this person, who had the first look
    Column("holder", String(64)),  # None: lent to nobody
    Column("lease_until_ms", BigInteger, nullable=False, default=0),
    Column("done_ms", BigInteger),  # None: waits
    UniqueConstraint("event_id", "look"),
    Index("review_crowd", "crowd", "place"),
)


def _waiting(name: str, *columns: str) -> None:
    """Index what waits, in the order of the queue."""
    item = review_items.c
    open_ = item.done_ms.is_(None)
    keys = [item[column] for column in (*columns, "rank", "id", "done_ms")]
    Index(name, *keys, sqlite_where=open_, postgresql_where=open_)


_waiting("review_next")
_waiting("review_next_of_device", "device_id")
_waiting("review_next_of_line", "line")
_waiting("review_next_of_reason", "reason")


def _given(name: str, column: str) -> None:
    """Index the few rows that have a value here."""
    has = review_items.c[column].isnot(None)
    Index(name, review_items.c[column], sqlite_where=has, postgresql_where=has)


_given("review_lent", "holder")
_given("review_second", "not_who")

_withdrawal = judgements.alias()
_untaken = and_(
    judgements.c.withdraws.is_(None),
    ~exists(select(_withdrawal.c.id).where(_withdrawal.c.withdraws == judgements.c.id)),
)
stands: ColumnElement[bool] = and_(_untaken, judgements.c.blind.is_(False))
"""Whether a judgement counts: nobody took it back, and it is no blind second one."""
stands_blindly: ColumnElement[bool] = and_(_untaken, judgements.c.blind)
"""Whether it is a blind second one that nobody took back."""


def newest_word(column: Column[Any]) -> ScalarSelect[Any]:
    """Return a column of the newest judgement that stands on the event of the query around it."""
    return (
        select(column)
        .where(judgements.c.event_id == events.c.id, stands)
        .order_by(judgements.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
