"""What webhooks are still to be told: written in the transaction of what it tells of."""

from __future__ import annotations

import time
from collections.abc import Iterable

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

    def hear_alarm(self, connection: Connection, device: int, boot: int, alarm: Alarm) -> None:
        """Tell of an alarm that is about to be stored, where it is news."""
        if not self._webhooks:
            return
        query = (
            select(alarms.c.boot_id, alarms.c.sequence, alarms.c.body)
            .where(alarms.c.device_id == device, alarms.c.stream == alarm.stream)
            .where(alarms.c.alarm == alarm.alarm)
            .order_by(alarms.c.boot_id.desc(), alarms.c.sequence.desc())
            .limit(1)
        )
        newest = connection.execute(query).one_or_none()
        if newest is not None and (newest.boot_id, newest.sequence) >= (boot, alarm.sequence):
            return  # a late word, or one that is known
        before = None if newest is None else decode(newest.body.encode(), Alarm)
        if (kind := alarm_kind(alarm, before)) is not None:
            self.tell(connection, kind, about_alarm(alarm), device)

    def hear_state(
        self, connection: Connection, device: int, state: State, before: State | None
    ) -> None:
        """Tell of a device's state that is about to be stored, where it is news."""
        if (kind := state_kind(state, before)) is not None:
            self.tell(connection, kind, about_state(state), device)


def _named(connection: Connection, about: Subject, device: int) -> Subject:
    row = connection.execute(select(devices).where(devices.c.id == device)).one()
    return msgspec.structs.replace(
        about, site=row.site, line=row.line, device=row.device, device_id=device
    )
