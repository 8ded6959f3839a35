"""What one stream reported between two moments: its windows, and the incidents in them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from edge_guard.collector.queries import MOST_SUMMARIES
from edge_guard.collector.schema import alarms, events, summaries
from edge_guard.publish.messages import Alarm, Summary, decode

MOST_INCIDENTS = 30
_MOST_WORDS = 1000
"""Words on alarms that incidents are made from, the newest."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble of a stream.

    Attributes
    ----------
    incident : str
        Its id; empty for alarms of devices that tell none.
    alarms : tuple of str
        Names of its alarms.
    words : str
        The newest message.
    state : str
        ``raised`` while any of its alarms holds, then ``cleared``.
    first_ms, last_ms : int
        Of the words on it in this time.
    frames : int
        Flagged ones that are part of it, whenever they came.
    """

    incident: str
    alarms: tuple[str, ...]
    words: str
    state: str
    first_ms: int
    last_ms: int
    frames: int


class Spans:
    """Reads; thread-safe.

    Parameters
    ----------
    engine : Engine
        Of an open ``Store``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def summaries(
        self, device: int, stream: str, since_ms: int, until_ms: int
    ) -> list[tuple[int, Summary]]:
        """Return time (ms) and content of the newest windows of that time, in order."""
        at = summaries.c.occurred_ms
        query = (
            select(at, summaries.c.body)
            .where(summaries.c.device_id == device, summaries.c.stream == stream)
            .where(at >= since_ms, at < until_ms)
            .order_by(at.desc())
            .limit(MOST_SUMMARIES)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [(row.occurred_ms, decode(row.body.encode(), Summary)) for row in reversed(rows)]

    def incidents(self, device: int, stream: str, since_ms: int, until_ms: int) -> list[Incident]:
        """Return what alarmed in that time, the newest first."""
        query = (
            select(alarms.c.alarm, alarms.c.state, alarms.c.occurred_ms, alarms.c.body)
            .where(alarms.c.device_id == device, alarms.c.stream == stream)
            .where(alarms.c.occurred_ms >= since_ms, alarms.c.occurred_ms < until_ms)
            .order_by(alarms.c.boot_id.desc(), alarms.c.sequence.desc())
            .limit(_MOST_WORDS)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            found = _incidents([(r.occurred_ms, decode(r.body.encode(), Alarm)) for r in rows])
            ids = [one.incident for one in found if one.incident]
            counted = (
                select(events.c.incident, func.count().label("n"))
                .where(events.c.device_id == device, events.c.incident.in_(ids))
                .group_by(events.c.incident)
            )
            frames = {row.incident: int(row.n) for row in connection.execute(counted)}
        return [
            Incident(
                one.incident, one.alarms, one.words, one.state, one.first_ms, one.last_ms,
                frames.get(one.incident, 0),
            )
            for one in found
        ]  # fmt: skip


def _incidents(words: list[tuple[int, Alarm]]) -> list[Incident]:
    """Return the incidents of words on alarms, newest first; without their frames."""
    groups: defaultdict[tuple[str, str], list[tuple[int, Alarm]]] = defaultdict(list)
    for at, alarm in words:
        alone = "" if alarm.incident else f"{alarm.alarm} {alarm.since_wall_time}"
        groups[alarm.incident, alone].append((at, alarm))
    found = []
    for (incident, _), said in groups.items():
        newest = {alarm.alarm: alarm for _, alarm in reversed(said)}
        holds = any(alarm.state == "raised" for alarm in newest.values())
        times = [at for at, _ in said]
        found.append(
            Incident(
                incident,
                tuple(sorted(newest)),
                said[0][1].message,
                "raised" if holds else "cleared",
                min(times),
                max(times),
                0,
            )
        )
    return sorted(found, key=lambda one: -one.last_ms)[:MOST_INCIDENTS]
