"""What people say of the model's answers: only ever added to, the newest word on a frame counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, select

from edge_guard.collector.audit import Audited
from edge_guard.collector.queries import JUDGED
from edge_guard.collector.schema import events, judgements
from edge_guard.collector.store import Store
from edge_guard.drift.accuracy import UNSURE
from edge_guard.publish.messages import Event, decode
from edge_guard.types import Verdict

Answer = Literal["right", "wrong", "unsure"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
MOST_AUDITED = 5000
"""Audited frames that an estimate is made from, the newest."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One person's word on the model's answer to one frame.

    Attributes
    ----------
    id : int
        Higher = later.
    event_id : int
    judged_ms : int
        Since the Unix epoch.
    who : str
        Empty: did not say.
    answer : str
        ``right``, ``wrong`` or ``unsure``.
    label : str or None
        What the answer should have been.
    """

    id: int
    event_id: int
    judged_ms: int
    who: str
    answer: str
    label: str | None


class Judgements:
    """Writes and reads judgements; thread-safe.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self, event: int, answer: Answer, who: str = "", label: str | None = None
    ) -> Judgement | None:
        """Return the judgement as it is stored; None where the model gave no such answer.

        The same word of the same person again changes nothing, so a request may be repeated.

        Parameters
        ----------
        event : int
            The event's place in the list.
        answer : str
        who : str
            Name of the person.
        label : str, optional
            What the answer should have been.
        """
        with self._store.writing() as connection:
            body = connection.scalar(select(events.c.body).where(events.c.id == event))
            if body is None or decode(body.encode(), Event).label is None:
                return None
            said = [one for one in _of(connection, event) if one.who == who]
            if said and (said[-1].answer, said[-1].label) == (answer, label):
                return said[-1]
            now = time.time_ns() // 1_000_000
            row = {"event_id": event, "judged_ms": now, "who": who}
            row |= {"answer": answer, "label": label}
            statement = judgements.insert().values(row).returning(judgements.c.id)
            number = connection.execute(statement).scalar_one()
            return Judgement(number, event, now, who, answer, label)

    def of(self, event: int) -> list[Judgement]:
        """Return what was said of an event, oldest first."""
        with self._store.engine.connect() as connection:
            return _of(connection, event)

    def audited(self, device: int, stream: str, since_ms: int) -> list[Audited]:
        """Return a stream's audited frames since then, with people's newest word, newest first."""
        query = (
            select(events.c.body, JUDGED.label("answer"))
            .where(events.c.device_id == device, events.c.stream == stream)
            .where(events.c.sampled.isnot(None), events.c.occurred_ms >= since_ms)
            .order_by(events.c.occurred_ms.desc())
            .limit(MOST_AUDITED)
        )
        with self._store.engine.connect() as connection:
            return [_audited(row.body, row.answer) for row in connection.execute(query).all()]


def _of(connection: Connection, event: int) -> list[Judgement]:
    query = select(judgements).where(judgements.c.event_id == event).order_by(judgements.c.id)
    return [Judgement(**row._mapping) for row in connection.execute(query)]


def _audited(body: str, answer: str | None) -> Audited:
    event = decode(body.encode(), Event)
    accepted = event.verdict == Verdict.ACCEPT
    unsure = bool(event.reasons) and event.reasons[0].guard in UNSURE
    return Audited(
        bundle=event.bundle,
        probability=event.sampled or 1.0,
        accepted=accepted,
        flagged=not accepted and not unsure,
        answered=event.label is not None,
        judged=answer,
    )
