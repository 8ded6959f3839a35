"""Long lists of what was stored, page by page; nothing here writes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Engine, Row, Select, select

from edge_guard.collector.judgements import Judgement
from edge_guard.collector.queries import AlarmRow
from edge_guard.collector.schema import alarms, devices, judgements, results, summaries
from edge_guard.publish.messages import Alarm, Summary, decode


class History:
    """Reads pages; thread-safe. ``before`` is the id that the page before ended with.

    Parameters
    ----------
    engine : Engine
        Of an open ``Store``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def alarms(
        self, limit: int, before: int | None = None, device: int | None = None
    ) -> list[AlarmRow]:
        """Return each word on each alarm, newest first."""
        query = select(alarms, devices.c.device).join(devices, devices.c.id == alarms.c.device_id)
        query = query.order_by(alarms.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(alarms.c.id < before)
        if device is not None:
            query = query.where(alarms.c.device_id == device)
        return [
            AlarmRow(
                row.device_id,
                row.device,
                row.occurred_ms,
                decode(row.body.encode(), Alarm),
                row.id,
            )
            for row in self._all(query)
        ]

    def judgements(self, limit: int, before: int | None = None) -> list[Judgement]:
        """Return what people have said, newest first."""
        columns = [judgements.c[field.name] for field in fields(Judgement)]
        query = select(*columns).order_by(judgements.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(judgements.c.id < before)
        return [Judgement(**row._mapping) for row in self._all(query)]

    def summaries(
        self, device: int, stream: str, limit: int, before: int | None = None
    ) -> list[tuple[int, int, Summary]]:
        """Return id, time (ms) and content of a stream's windows, newest first."""
        query = (
            select(summaries.c.id, summaries.c.occurred_ms, summaries.c.body)
            .where(summaries.c.device_id == device, summaries.c.stream == stream)
            .order_by(summaries.c.occurred_ms.desc(), summaries.c.id.desc())
            .limit(limit)
        )
        if before is not None:
            at = select(summaries.c.occurred_ms).where(summaries.c.id == before).scalar_subquery()
            earlier = (summaries.c.occurred_ms < at) | (summaries.c.id < before)
            query = query.where(summaries.c.occurred_ms <= at, earlier)
        return [
            (row.id, row.occurred_ms, decode(row.body.encode(), Summary))
            for row in self._all(query)
        ]

    def minutes(
        self, device: int, stream: str, first: int, most: int
    ) -> list[tuple[int, str, int]]:
        """Return (minute since the Unix epoch, verdict, frames), at most so many minutes."""
        here = (
            results.c.device_id == device,
            results.c.stream == stream,
            results.c.minute >= first,
        )
        last = (
            select(results.c.minute).where(*here).distinct().order_by(results.c.minute).limit(most)
        ).subquery()
        query = (
            select(results.c.minute, results.c.verdict, results.c.frames)
            .where(*here, results.c.minute.in_(select(last.c.minute)))
            .order_by(results.c.minute, results.c.verdict)
        )
        return [(row.minute, row.verdict, row.frames) for row in self._all(query)]

    def _all(self, query: Select[Any]) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).all())
