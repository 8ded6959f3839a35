"""What webhooks are still to be told: written in the transaction of what it tells of."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from edge_guard.collector.schema import alarms, devices, outbox
from edge_guard.collector.webhooks.notices import (
    Notice,
    Subject,
    about_alarm,
    about_state,
    alarm_kind,
    moment,
    new_message_id,
    state_kind,
)
from edge_guard.config import WebhookTable
from edge_guard.publish.messages import Alarm, State, decode


class Outbox:
    """Writes notices; thread-safe.

    Parameters
    ----------
    webhooks : sequence of WebhookTable
        Whom to tell; no row is written for anybody else.
    """

    def __init__(self, webhooks: Iterable[WebhookTable] = ()) -> None:
        self._webhooks = tuple(webhooks)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._webhooks)

    def tell(
        self, connection: Connection, kind: str, about: Subject, device: int | None = None
    ) -> None:
        """Write down what is to be told.

        Parameters
        ----------
        connection : Connection
            Of ``Store.writing``: the transaction that does what is told.
        kind : str
            One of `notices.KINDS`.
        about : Subject
        device : int, optional
            Its id; its names are filled in.
        """
        wanting = [webhook.url for webhook in self._webhooks if kind in webhook.events]
        if not wanting:
            return
        if device is not None:
            about = _named(connection, about, device)
        now = time.time_ns() // 1_000_000
        body = msgspec.json.encode(Notice(kind, moment(now), about)).decode()
        row = {"kind": kind, "body": body, "told_ms": now, "due_ms": now}
        row |= {"attempts": 0, "trouble": ""}
        rows = [row | {"message": new_message_id(), "url": url} for url in wanting]
        connection.execute(outbox.insert(), rows)


class Hearing:
    """Hears what one transaction is about to store, and tells what of it is news.

    Parameters
    ----------
    outbox : Outbox
    connection : Connection
        Of the transaction.
    """

    def __init__(self, outbox: Outbox, connection: Connection) -> None:
        self._outbox = outbox
        self._connection = connection
        self._newest: dict[tuple[int, str, str], _Word | None] = {}

    @property
    def listens(self) -> bool:
        """Whether anybody is to be told anything."""
        return self._outbox.is_wanted

    def alarm(self, device: int, boot: int, alarm: Alarm) -> None:
        """Hear an alarm; late words and known ones are no news."""
        if not self.listens:
            return
        key = (device, alarm.stream, alarm.alarm)
        if key not in self._newest:
            self._newest[key] = _newest_word(self._connection, *key)
        before = self._newest[key]
        if before is not None and before[:2] >= (boot, alarm.sequence):
            return
        self._newest[key] = _Word(boot, alarm.sequence, alarm)
        if (kind := alarm_kind(alarm, before.alarm if before else None)) is not None:
            self._outbox.tell(self._connection, kind, about_alarm(alarm), device)

    def state(self, device: int, state: State, before: State | None) -> None:
        """Hear a device's state."""
        if (kind := state_kind(state, before)) is not None:
            self._outbox.tell(self._connection, kind, about_state(state), device)


class _Word(NamedTuple):
    boot: int
    sequence: int
    alarm: Alarm


def _newest_word(connection: Connection, device: int, stream: str, alarm: str) -> _Word | None:
    query = (
        select(alarms.c.boot_id, alarms.c.sequence, alarms.c.body)
        .where(alarms.c.device_id == device, alarms.c.stream == stream, alarms.c.alarm == alarm)
        .order_by(alarms.c.boot_id.desc(), alarms.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return (
        None if row is None else _Word(row.boot_id, row.sequence, decode(row.body.encode(), Alarm))
    )


def _named(connection: Connection, about: Subject, device: int) -> Subject:
    row = connection.execute(select(devices).where(devices.c.id == device)).one()
    return msgspec.structs.replace(
        about, site=row.site, line=row.line, device=row.device, device_id=device
    )
