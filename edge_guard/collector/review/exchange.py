"""Labels that leave the collector and come back: one row an event, known by its device and boot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, Select, select

from edge_guard.collector.judgements import Answer, Judgements, truth
from edge_guard.collector.schema import (
    boots,
    devices,
    events,
    judgements,
    newest_word,
    stands,
)
from edge_guard.collector.store import Store
from edge_guard.publish.messages import Event, decode

MOST_AT_ONCE = 500
MOST_ID = 2**63 - 1
Number = Annotated[int, Meta(ge=0, le=MOST_ID)]
Words = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Outcome = Literal["stored", "unchanged", "unknown", "ambiguous", "unanswered"]


class Labelled(msgspec.Struct, frozen=True):
    """An event with the newest word on it that stands.

    Attributes
    ----------
    event : int
        Its number in this collector.
    site, line, device, stream, boot : str
    sequence : int
    captured : str
        RFC 3339.
    verdict : str
    model_label : str or None
    confidence : float or None
    sampled : float or None
        With which probability it was drawn at random; None: it was not.
    answer : str
        ``right``, ``wrong`` or ``unsure``.
    label : str or None
        The true label, where it is known.
    who : str
    judged_ms : int
        Since the Unix epoch.
    """

    event: int
    site: str
    line: str
    device: str
    stream: str
    boot: str
    sequence: int
    captured: str
    verdict: str
    model_label: str | None
    confidence: float | None
    sampled: float | None
    answer: str
    label: str | None
    who: str
    judged_ms: int


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A label for an event: of a device's boot with its sequence, or by its number.

    Attributes
    ----------
    device, boot : str or None
    sequence : int or None
    site, line : str or None
        Where devices of several lines share a name.
    event : int or None
        Counts only where no boot is given: numbers differ between collectors.
    answer : str or None
        None: ``right`` where ``label`` is the model's, else ``wrong``.
    label : str or None
        The true label.
    """

    device: Words | None = None
    boot: Words | None = None
    sequence: Number | None = None
    site: Words | None = None
    line: Words | None = None
    event: Number | None = None
    answer: Answer | None = None
    label: Words | None = None


def labelled(store: Store, after: int = 0, most: int = MOST_AT_ONCE) -> list[Labelled]:
    """Return events on which a word stands, by number.

    Parameters
    ----------
    store : Store
    after : int
        Only those with a higher number.
    most : int
    """
    numbers = (
        select(judgements.c.event_id)
        .where(judgements.c.event_id > after, stands)
        .group_by(judgements.c.event_id)
        .order_by(judgements.c.event_id)
        .limit(most)
    )
    words = [newest_word(judgements.c[name]) for name in ("answer", "label", "who", "judged_ms")]
    names = ("said", "true", "who", "judged_ms")
    labels = [word.label(name) for word, name in zip(words, names, strict=True)]
    with store.engine.connect() as connection:
        found = connection.scalars(numbers).all()
        query = _known(*labels).where(events.c.id.in_(found)).order_by(events.c.id)
        return [_labelled(row) for row in connection.execute(query)]


def all_labelled(store: Store) -> Iterator[Labelled]:
    """Yield every event on which a word stands, by number."""
    page = labelled(store)
    while page:
        yield from page
        page = labelled(store, page[-1].event)


def take_in(store: Store, words: Judgements, given: Sequence[Given], who: str) -> list[Outcome]:
    """Return what became of each label; one that cannot be stored hinders no other.

    ``unchanged``: the newest word says so already; ``unknown``: there is no such event;
    ``ambiguous``: several devices of that name have one; ``unanswered``: the model gave no answer
    that could be right or wrong.

    Parameters
    ----------
    store : Store
    words : Judgements
    given : sequence of Given
    who : str
        In whose name they are stored.
    """
    return [_take_in(store, words, one, who) for one in given]


def _take_in(store: Store, words: Judgements, given: Given, who: str) -> Outcome:
    with store.engine.connect() as connection:
        rows = _find(connection, given)
    if len(rows) != 1:
        return "ambiguous" if rows else "unknown"
    event = decode(rows[0].body.encode(), Event)
    if event.label is None:
        return "unanswered"
    answer = given.answer or ("right" if given.label == event.label else "wrong")
    label = given.label if answer == "wrong" else None
    said = words.standing(rows[0].id)
    if said and (said[-1].answer, said[-1].label) == (answer, label):
        return "unchanged"
    stored = words.add(rows[0].id, answer, who, label, draws=False)
    return "stored" if stored is not None else "unanswered"


def _find(connection: Connection, given: Given) -> Sequence[Row[Any]]:
    """Return the events that it may mean, two at most."""
    query = _known()
    if given.boot is not None or given.event is None:
        query = query.where(boots.c.boot == given.boot, events.c.sequence == given.sequence)
    else:
        query = query.where(events.c.id == given.event)
    for name in ("site", "line", "device"):
        if (value := getattr(given, name)) is not None:
            query = query.where(devices.c[name] == value)
    return connection.execute(query.limit(2)).all()


def _known(*columns: Any) -> Select[Any]:
    return (
        select(
            events.c.id,
            events.c.sequence,
            events.c.body,
            devices.c.site,
            devices.c.line,
            devices.c.device,
            boots.c.boot,
            *columns,
        )
        .join(devices, devices.c.id == events.c.device_id)
        .join(boots, boots.c.id == events.c.boot_id)
    )


def _labelled(row: Row[Any]) -> Labelled:
    event = decode(row.body.encode(), Event)
    return Labelled(
        event=row.id,
        site=row.site,
        line=row.line,
        device=row.device,
        stream=event.stream,
        boot=row.boot,
        sequence=row.sequence,
        captured=event.captured_wall_time,
        verdict=event.verdict.value,
        model_label=event.label,
        confidence=event.confidence,
        sampled=event.sampled,
        answer=row.said,
        label=truth(row.said, row.true, event.label),
        who=row.who,
        judged_ms=row.judged_ms,
    )
