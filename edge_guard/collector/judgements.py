"""What people say of the model's answers: only ever added to, the newest word that stands counts.

Who takes a word back adds a row that withdraws it; the word before then counts again. The word of a
blind second look is kept beside the others and counts for agreement only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, and_, delete, select, update

from edge_guard.collector.audit import Audited
from edge_guard.collector.queries import JUDGED
from edge_guard.collector.rows import insertion
from edge_guard.collector.schema import (
    events,
    judgements,
    newest_word,
    review_items,
    stands,
    stands_blindly,
)
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.drift.accuracy import UNSURE
from edge_guard.publish.messages import Event, decode
from edge_guard.types import Verdict

Answer = Literal["right", "wrong", "unsure"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
TOLD = newest_word(judgements.c.label)
WITHDRAWN = "withdrawn"
MOST_MS = 2**62
MOST_AUDITED = 5000
"""Audited frames that an estimate is made from, the newest."""
SECOND_SHARE = 0.05
"""Of judged frames that somebody else judges blindly too."""
_CHANCE = random.SystemRandom().random
LEASE_MS = 120_000
"""So long a frame of the queue is held for whoever got it."""
SECOND_HEAD_START_MS = 24 * 3_600_000


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
        ``right``, ``wrong`` or ``unsure``; ``withdrawn`` where it takes another word back.
    label : str or None
        What the answer should have been.
    withdraws : int or None
        The judgement that it takes back.
    blind : bool
        Whether it is of a second look, given without knowing the first word.
    """

    id: int
    event_id: int
    judged_ms: int
    who: str
    answer: str
    label: str | None
    withdraws: int | None = None
    blind: bool = False

    def says(self, who: str, answer: str, label: str | None, blind: bool) -> bool:
        """Return whether it is this word of this person."""
        return (self.who, self.answer, self.label, self.blind) == (who, answer, label, blind)


class Judgements:
    """Writes and reads judgements; thread-safe.

    Parameters
    ----------
    store : Store
    second_share : float
        Of judged frames that somebody else is to judge blindly.
    chance : callable
        Returns a number of [0, 1) that nobody can foretell.
    """

    def __init__(
        self,
        store: Store,
        second_share: float = SECOND_SHARE,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        self._store = store
        self.second_share = second_share
        self._trail = Trail(store)
        self._chance = chance

    def add(
        self,
        event: int,
        answer: Answer,
        who: str = "",
        label: str | None = None,
        request: str | None = None,
        *,
        blind: bool = False,
        draws: bool = True,
    ) -> Judgement | None:
        """Return the judgement as it is stored; None where the model gave no such answer.

        The newest word said again by the same person changes nothing, so it may be repeated.

        Parameters
        ----------
        event : int
            The event's place in the list.
        answer : str
        who : str
            Name of the person.
        label : str, optional
            What the answer should have been.
        request : str, optional
            Whoever gives one may repeat the request: it is one judgement.
        blind : bool
            Of the second look that was drawn for this event.
        draws : bool
            Whether the frame may be drawn for a second look.
        """
        with self._store.writing() as connection:
            if (done := _requested(connection, request)) is not None:
                return done
            body = connection.scalar(select(events.c.body).where(events.c.id == event))
            if body is None or decode(body.encode(), Event).label is None:
                return None
            said = _of(connection, event, stands | stands_blindly)
            if said and said[-1].says(who, answer, label, blind):
                return said[-1]
            row = {"event_id": event, "who": who, "answer": answer, "label": label}
            added = _insert(connection, row | {"blind": blind, "request": request})
            self._note(connection, added)
            look = _close(connection, event, 2 if blind else 1, added.judged_ms)
            if draws and look is not None and not blind and self._chance() < self.second_share:
                _draw_second(connection, look, who, added.judged_ms)
            return added

    def withdraw(
        self, judgement: int, who: str, request: str | None = None, holder: str = ""
    ) -> Judgement | None:
        """Return the row that takes a word back; None where ``who`` has not said such a word.

        The frame waits in the queue again when no word on it is left.

        Parameters
        ----------
        judgement : int
        who : str
            Takes back their own words only.
        request : str, optional
            As `add` takes it.
        holder : str
            Lease of the queue that gets the frame back.
        """
        with self._store.writing() as connection:
            query = select(judgements).where(judgements.c.id == judgement)
            word = connection.execute(query).one_or_none()
            if word is None or word.who != who or word.withdraws is not None:
                return None
            taken = _all(connection, judgements.c.withdraws == judgement)
            if taken:
                return taken[0]
            row = {"event_id": word.event_id, "who": who, "answer": WITHDRAWN, "label": None}
            row |= {"blind": word.blind, "request": request, "withdraws": judgement}
            added = _insert(connection, row)
            self._note(connection, added)
            _reopen(connection, word.event_id, word.blind, holder, added.judged_ms)
            return added

    def _note(self, connection: Connection, added: Judgement) -> None:
        details = {"answer": added.answer} | ({"label": added.label} if added.label else {})
        who, subject = added.who or "somebody", f"event {added.event_id}"
        self._trail.note(who, "judgement.add", subject, details, connection)

    def requested(self, request: str) -> Judgement | None:
        """Return the judgement that a request made, or None."""
        with self._store.engine.connect() as connection:
            return _requested(connection, request)

    def of(self, event: int) -> list[Judgement]:
        """Return every word on an event, oldest first."""
        with self._store.engine.connect() as connection:
            return _of(connection, event)

    def standing(self, event: int) -> list[Judgement]:
        """Return the words on an event that count, oldest first: the newest is the word on it."""
        with self._store.engine.connect() as connection:
            return _of(connection, event, stands)

    def audited(
        self, device: int, stream: str, since_ms: int, until_ms: int = MOST_MS
    ) -> list[Audited]:
        """Return a stream's audited frames of a time, with people's newest word, newest first."""
        query = (
            select(events.c.body, JUDGED.label("answer"), TOLD.label("label"))
            .where(events.c.device_id == device, events.c.stream == stream)
            .where(events.c.sampled.isnot(None), events.c.occurred_ms >= since_ms)
            .where(events.c.occurred_ms < until_ms)
            .order_by(events.c.occurred_ms.desc())
            .limit(MOST_AUDITED)
        )
        with self._store.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [_audited(row.body, row.answer, row.label) for row in rows]


def _insert(connection: Connection, row: dict[str, Any]) -> Judgement:
    row["judged_ms"] = time.time_ns() // 1_000_000
    statement = judgements.insert().values(row).returning(judgements.c.id)
    number = connection.execute(statement).scalar_one()
    return Judgement(number, **{name: value for name, value in row.items() if name != "request"})


def _requested(connection: Connection, request: str | None) -> Judgement | None:
    known = _all(connection, judgements.c.request == request) if request is not None else []
    return known[0] if known else None


def _close(connection: Connection, event: int, look: int, now: int) -> Any | None:
    """Take the frame out of the queue; return the row where it was still in."""
    item = review_items.c
    done = (
        update(review_items)
        .where(item.event_id == event, item.look == look, item.done_ms.is_(None))
        .values(done_ms=now, holder=None, lease_until_ms=0)
        .returning(review_items)
    )
    return connection.execute(done).one_or_none()


def _draw_second(connection: Connection, first: Any, who: str, now: int) -> None:
    """Queue the frame for a second look by somebody else."""
    row = dict(first._mapping) | {"look": 2, "not_who": who, "done_ms": None}
    row |= {"rank": now - SECOND_HEAD_START_MS, "holder": None, "lease_until_ms": 0}
    del row["id"]
    connection.execute(insertion(connection, review_items), row)


def _reopen(connection: Connection, event: int, blind: bool, holder: str, now: int) -> None:
    """Put the frame back into the queue unless another word on it stands."""
    if _of(connection, event, stands_blindly if blind else stands):
        return
    item = review_items.c
    if not blind:  # the second look was for the word that is gone
        waits = and_(item.event_id == event, item.look == 2, item.done_ms.is_(None))
        connection.execute(delete(review_items).where(waits))
    held = {"holder": holder, "lease_until_ms": now + LEASE_MS} if holder else {}
    again = update(review_items).where(item.event_id == event, item.look == (2 if blind else 1))
    connection.execute(again.values(done_ms=None, **held))


def _of(connection: Connection, event: int, *conditions: Any) -> list[Judgement]:
    return _all(connection, judgements.c.event_id == event, *conditions)


def _all(connection: Connection, *conditions: Any) -> list[Judgement]:
    query = select(*_COLUMNS).where(*conditions).order_by(judgements.c.id)
    return [Judgement(**row._mapping) for row in connection.execute(query)]


_COLUMNS = [judgements.c[name] for name in Judgement.__dataclass_fields__]


def _audited(body: str, answer: str | None, label: str | None) -> Audited:
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
        truth=(label or event.label) if answer == "right" else label,
    )
