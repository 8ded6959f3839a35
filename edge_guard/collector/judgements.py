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

from sqlalchemy import Connection, select

from edge_guard.collector.audit import Audited
from edge_guard.collector.queries import JUDGED
from edge_guard.collector.review import looks
from edge_guard.collector.schema import events, judgements, newest_word, stands, stands_blindly
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


class ConflictError(ValueError):
    """A word that contradicts what was done before it."""


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


def truth(answer: str | None, told: str | None, model: str | None) -> str | None:
    """Return what a frame shows by the word on it: the model's answer where that is right."""
    return model if answer == "right" else told


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
            What a wrong answer should have been; left out of any other word.
        request : str, optional
            Whoever gives one may repeat the request: it is one judgement.
        blind : bool
            Of the second look that was drawn for this event.
        draws : bool
            Whether the frame may be drawn for a second look.

        Raises
        ------
        looks.OwnLookError
            A blind second word by whoever had the first look.
        looks.TakenLookError
            A blind second word where none is asked for any more.
        ConflictError
            The request was another word's before.
        """
        label = label if answer == "wrong" else None
        with self._store.writing() as connection:
            done = _requested(connection, request)
            if done is not None:
                return _same(done, done.event_id == event and done.says(who, answer, label, blind))
            body = connection.scalar(select(events.c.body).where(events.c.id == event))
            if body is None or decode(body.encode(), Event).label is None:
                return None
            said = _of(connection, event, stands | stands_blindly)
            if said and said[-1].says(who, answer, label, blind):
                return said[-1]
            if blind:
                looks.check_second(connection, event, who)
            row = {"event_id": event, "who": who, "answer": answer, "label": label}
            added = _insert(connection, row | {"blind": blind, "request": request})
            self._note(connection, added)
            look = looks.close(connection, event, 2 if blind else 1, added.judged_ms)
            if draws and look is not None and not blind and self._chance() < self.second_share:
                looks.draw_second(connection, look, who, added.judged_ms)
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

        Raises
        ------
        ConflictError
            The request was another word's before.
        """
        with self._store.writing() as connection:
            query = select(judgements).where(judgements.c.id == judgement)
            word = connection.execute(query).one_or_none()
            if word is None or word.who != who or word.withdraws is not None:
                return None
            taken = _all(connection, judgements.c.withdraws == judgement)
            if taken:
                return taken[0]
            if (done := _requested(connection, request)) is not None:
                return _same(done, False)
            row = {"event_id": word.event_id, "who": who, "answer": WITHDRAWN, "label": None}
            row |= {"blind": word.blind, "request": request, "withdraws": judgement}
            added = _insert(connection, row)
            self._note(connection, added)
            if not _of(connection, word.event_id, stands_blindly if word.blind else stands):
                looks.reopen(connection, word.event_id, word.blind, holder, added.judged_ms)
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


def _same(done: Judgement, is_same: bool) -> Judgement:
    if not is_same:
        raise ConflictError(f"another answer was sent with this request before ({done.id})")
    return done


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
        truth=truth(answer, label, event.label),
    )
