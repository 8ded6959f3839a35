"""What pages and interfaces read from the database; nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, Row, Select, Table, func, select

from edge_guard.collector.alarm_words import drift, standing
from edge_guard.collector.schema import (
    FLAGGED,
    alarms,
    boots,
    devices,
    events,
    judgements,
    losses,
    newest_word,
    pictures,
    refusals,
    replies,
    results,
    summaries,
)
from edge_guard.publish.messages import Alarm, Event, Reply, State, Summary, decode
from edge_guard.types import Verdict

MOST_SUMMARIES = 3000
MOST_ALARMS = 200

Kind = Literal["flagged", "audit", "waiting", "all"]

JUDGED = newest_word(judgements.c.answer)
"""People's newest word on an event."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device as it is known now."""

    id: int
    site: str
    line: str
    device: str
    last_seen_ms: int
    state: State | None
    """None: it has sent messages but never its state."""
    events: int
    stored: int
    """Messages of all boots that are stored."""
    dropped: int
    """Messages that the device reported to have given up."""
    missing: int
    """Messages below the highest sequence of each boot that have not arrived."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One flagged or audited frame; ``id`` is its place in the list, higher = stored later."""

    id: int
    device_id: int
    site: str
    line: str
    device: str
    occurred_ms: int
    received_ms: int
    has_picture: bool
    event: Event
    judged: str | None = None
    """People's newest word on the model's answer; None while nobody has judged it."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """The newest word on one alarm of one stream."""

    device_id: int
    device: str
    occurred_ms: int
    alarm: Alarm
    id: int = 0
    """Higher = stored later."""


class Queries:
    """Reads the store; thread-safe, each call sees one consistent moment.

    Parameters
    ----------
    engine : Engine
        Of an open ``Store``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def devices(self, only: list[int] | None = None) -> list[DeviceRow]:
        """Return all devices, or those with these ids, by site, line and name."""
        totals = (
            select(
                boots.c.device_id,
                func.sum(boots.c.complete).label("stored"),
                func.sum(boots.c.dropped).label("dropped"),
                func.sum(boots.c.highest).label("highest"),
            )
            .group_by(boots.c.device_id)
            .subquery()
        )
        query = select(devices, totals).outerjoin(totals, totals.c.device_id == devices.c.id)
        if only is not None:
            query = query.where(devices.c.id.in_(only))
        query = query.order_by(devices.c.site, devices.c.line, devices.c.device)
        return [_device(row) for row in self._all(query)]

    def device_marks(self) -> dict[int, tuple[int, int]]:
        """Return, by device, two numbers that change with everything that is stored of it."""
        query = select(devices.c.id, devices.c.last_seen_ms, devices.c.events)
        return {row.id: (row.last_seen_ms, row.events) for row in self._all(query)}

    def newest_events(self, limit: int) -> dict[int, bool]:
        """Return the newest flagged frames, and whether their picture has come."""
        query = (
            select(events.c.id, events.c.complete)
            .where(FLAGGED)
            .order_by(events.c.id.desc())
            .limit(limit)
        )
        return {row.id: row.complete for row in self._all(query)}

    def newest_alarm(self) -> int:
        """Return the highest id of an alarm; 0 = none."""
        return self._highest(alarms)

    def newest_reply(self) -> int:
        """Return the highest id of a reply; 0 = none."""
        return self._highest(replies)

    def replies_after(self, number: int) -> list[tuple[int, Reply]]:
        """Return what devices answered, with higher ids than this, in order."""
        query = select(replies.c.id, replies.c.body).where(replies.c.id > number)
        rows = self._all(query.order_by(replies.c.id))
        return [(row.id, decode(row.body.encode(), Reply)) for row in rows]

    def events(
        self,
        limit: int,
        before: int | None = None,
        device: int | None = None,
        stream: str | None = None,
        kind: Kind = "flagged",
        incident: str | None = None,
        part: str | None = None,
    ) -> list[EventRow]:
        """Return frames, newest first.

        Parameters
        ----------
        limit : int
            At most so many.
        before : int, optional
            Only those listed below this id: the last id of the page before.
        device : int, optional
        stream : str, optional
        kind : str
            ``flagged``, drawn for an audit (``audit``), drawn and not yet judged (``waiting``), or
            ``all``.
        incident : str, optional
            Only what belongs to it.
        part : str, optional
            Only frames of the part with this id.
        """
        query = _events().order_by(events.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(events.c.id < before)
        if device is not None:
            query = query.where(events.c.device_id == device)
        if stream is not None:
            query = query.where(events.c.stream == stream)
        if incident is not None:
            query = query.where(events.c.incident == incident)
        if part is not None:
            query = query.where(events.c.part == part)
        if kind == "flagged":
            query = query.where(FLAGGED)
        elif kind != "all":
            query = query.where(events.c.sampled.isnot(None))
        if kind == "waiting":
            query = query.where(JUDGED.is_(None), events.c.verdict != Verdict.INVALID.value)
        return [_event(row) for row in self._all(query)]

    def events_by_id(self, numbers: list[int]) -> list[EventRow]:
        """Return those of the events that exist, newest first."""
        query = _events().where(events.c.id.in_(numbers)).order_by(events.c.id.desc())
        return [_event(row) for row in self._all(query)]

    def event(self, number: int) -> EventRow | None:
        """Return one event, or None."""
        return next(iter(self.events_by_id([number])), None)

    def summaries(self, device: int, stream: str, since_ms: int) -> list[tuple[int, Summary]]:
        """Return time (ms) and content of a stream's newest summaries since then, in order."""
        query = (
            select(summaries.c.occurred_ms, summaries.c.body)
            .where(summaries.c.device_id == device, summaries.c.stream == stream)
            .where(summaries.c.occurred_ms >= since_ms)
            .order_by(summaries.c.occurred_ms.desc())
            .limit(MOST_SUMMARIES)
        )
        rows = reversed(self._all(query))
        return [(row.occurred_ms, decode(row.body.encode(), Summary)) for row in rows]

    def frames_per_minute(
        self, device: int, stream: str, since_ms: int
    ) -> list[tuple[int, str, int]]:
        """Return (minute since the Unix epoch, verdict, frames) of a stream that publishes all."""
        query = (
            select(results.c.minute, results.c.verdict, results.c.frames)
            .where(results.c.device_id == device, results.c.stream == stream)
            .where(results.c.minute >= since_ms // 60_000)
            .order_by(results.c.minute)
        )
        return [(row.minute, row.verdict, row.frames) for row in self._all(query)]

    def standing_alarms(self) -> list[AlarmRow]:
        """Return each alarm that is not normal in its newest message, by boot and sequence.

        Newest first.
        """
        return [_alarm(row) for row in self._all(standing())]

    def drift_alarms(
        self, device: int, stream: str, since_ms: int, most: int = MOST_ALARMS
    ) -> list[AlarmRow]:
        """Return a stream's drift alarms, each word on them, newest first.

        The newest is returned however old it is.
        """
        rows = self._all(drift(device, stream, most))
        return [
            _alarm(row)
            for place, row in enumerate(rows)
            if place == 0 or row.occurred_ms >= since_ms
        ]

    def refusals(self) -> dict[str, int]:
        """Return how many messages were not accepted, by cause, most frequent first."""
        query = select(refusals).order_by(refusals.c.messages.desc(), refusals.c.cause)
        return {row.cause: row.messages for row in self._all(query)}

    def losses(self) -> dict[str, int]:
        """Return what devices reported to have given up, by ``kind/cause``."""
        n = func.sum(losses.c.messages).label("n")
        query = select(losses.c.kind, losses.c.cause, n).group_by(losses.c.kind, losses.c.cause)
        return {f"{row.kind}/{row.cause}": int(row.n) for row in self._all(query)}

    def _highest(self, table: Table) -> int:
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(table.c.id))) or 0

    def _all(self, query: Select[Any]) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).all())


def _events() -> Select[Any]:
    return (
        select(
            events,
            devices.c.site,
            devices.c.line,
            devices.c.device,
            pictures.c.sha256.label("picture"),
            JUDGED.label("judged"),
        )
        .join(devices, devices.c.id == events.c.device_id)
        .outerjoin(pictures, pictures.c.sha256 == events.c.sha256)
    )


def _event(row: Row[Any]) -> EventRow:
    return EventRow(
        id=row.id,
        device_id=row.device_id,
        site=row.site,
        line=row.line,
        device=row.device,
        occurred_ms=row.occurred_ms,
        received_ms=row.received_ms,
        has_picture=row.picture is not None,
        event=decode(row.body.encode(), Event),
        judged=row.judged,
    )


def _alarm(row: Row[Any]) -> AlarmRow:
    return AlarmRow(
        row.device_id, row.device, row.occurred_ms, decode(row.body.encode(), Alarm), row.id
    )


def _device(row: Row[Any]) -> DeviceRow:
    stored, dropped, highest = (int(n or 0) for n in (row.stored, row.dropped, row.highest))
    return DeviceRow(
        id=row.id,
        site=row.site,
        line=row.line,
        device=row.device,
        last_seen_ms=row.last_seen_ms,
        state=decode(row.state.encode(), State) if row.state else None,
        events=row.events,
        stored=stored,
        dropped=dropped,
        missing=highest - stored - dropped,
    )
