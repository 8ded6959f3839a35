"""Which frames a dataset holds: found again as they were, whatever was stored or said since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from edge_guard.collector.datasets.wish import Wish
from edge_guard.collector.judgements import truth
from edge_guard.collector.schema import devices, events, judgements, pictures
from edge_guard.errors import StoreError
from edge_guard.publish.messages import Event, decode
from edge_guard.types import Verdict

MOST_FRAMES = 20_000
_ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Picked:
    """One frame of a dataset.

    Attributes
    ----------
    id : int
        Of its event.
    site, line, device : str
    occurred_ms : int
        Since the Unix epoch.
    has_picture : bool
        Whether the picture is stored now.
    event : Event
    answer : str
        People's word on the model's answer; empty where nobody has judged it.
    who : str
        Who said it.
    label : str or None
        What the frame shows, as far as people have said.
    """

    id: int
    site: str
    line: str
    device: str
    occurred_ms: int
    has_picture: bool
    event: Event
    answer: str = ""
    who: str = ""
    label: str | None = None

    @property
    def why(self) -> str:
        """Return why the device sent it."""
        if self.event.verdict != Verdict.ACCEPT:
            return "flagged"
        if self.event.sampled is not None:
            return "random"
        return "diverse" if self.event.diverse is not None else "asked"


def select_frames(
    connection: Connection, wish: Wish, upto_event: int, upto_judgement: int
) -> list[Picked]:
    """Return the frames, in the order of time.

    Parameters
    ----------
    connection : Connection
    wish : Wish
    upto_event, upto_judgement : int
        Rows beyond are not seen.

    Raises
    ------
    StoreError
        They are more than `MOST_FRAMES`.
    """
    found: list[Picked] = []
    rows = connection.execute(_query(wish, upto_event, upto_judgement)).all()
    if len(rows) > MOST_FRAMES:
        raise StoreError(
            f"the dataset would hold more than {MOST_FRAMES} frames",
            "choose a stream, a shorter time or fewer parts",
        )
    for start in range(0, len(rows), _ASKED_AT_ONCE):
        batch = rows[start : start + _ASKED_AT_ONCE]
        words = _words(connection, [row.id for row in batch], upto_judgement)
        found += [_picked(row, words.get(row.id)) for row in batch]
    return [frame for frame in found if _belongs(frame, wish)]


def _query(wish: Wish, upto_event: int, upto_judgement: int) -> Any:
    query = (
        select(
            events.c.id,
            events.c.occurred_ms,
            events.c.body,
            devices.c.site,
            devices.c.line,
            devices.c.device,
            pictures.c.sha256.label("picture"),
        )
        .join(devices, devices.c.id == events.c.device_id)
        .outerjoin(pictures, pictures.c.sha256 == events.c.sha256)
        .where(events.c.id <= upto_event, or_(*_parts(wish, upto_judgement)))
        .order_by(events.c.occurred_ms, events.c.id)
        .limit(MOST_FRAMES + 1)
    )
    if wish.device is not None:
        query = query.where(events.c.device_id == wish.device)
    if wish.stream is not None:
        query = query.where(events.c.stream == wish.stream)
    if wish.from_ms is not None:
        query = query.where(events.c.occurred_ms >= wish.from_ms)
    if wish.to_ms is not None:
        query = query.where(events.c.occurred_ms < wish.to_ms)
    return query


def _parts(wish: Wish, upto_judgement: int) -> Iterator[ColumnElement[bool]]:
    accepted = events.c.verdict == Verdict.ACCEPT.value
    if "labelled" in wish.parts:
        known = select(judgements.c.event_id).where(judgements.c.id <= upto_judgement)
        yield events.c.id.in_(known)
    if "random" in wish.parts:
        yield events.c.sampled.isnot(None)
    if "diverse" in wish.parts:
        yield and_(accepted, events.c.sampled.is_(None))
    if "flagged" in wish.parts:
        yield ~accepted


def _belongs(frame: Picked, wish: Wish) -> bool:
    """Return whether it is in one of the parts; the query knows less of two of them."""
    return (
        ("labelled" in wish.parts and frame.label is not None)
        or ("random" in wish.parts and frame.event.sampled is not None)
        or frame.why in wish.parts
    )


def _words(connection: Connection, ids: Sequence[int], upto: int) -> dict[int, Row[Any]]:
    """Return the newest word on each event that stands, as of a judgement."""
    query = (
        select(judgements)
        .where(judgements.c.event_id.in_(ids), judgements.c.id <= upto)
        .order_by(judgements.c.id)
    )
    rows = connection.execute(query).all()
    gone = {row.withdraws for row in rows if row.withdraws is not None}
    standing = [r for r in rows if r.withdraws is None and not r.blind and r.id not in gone]
    return {row.event_id: row for row in standing}


def _picked(row: Row[Any], word: Row[Any] | None) -> Picked:
    event = decode(row.body.encode(), Event)
    answer = word.answer if word is not None else ""
    told = word.label if word is not None and answer == "wrong" else None
    return Picked(
        id=row.id,
        site=row.site,
        line=row.line,
        device=row.device,
        occurred_ms=row.occurred_ms,
        has_picture=row.picture is not None,
        event=event,
        answer=answer,
        who=word.who if word is not None else "",
        label=truth(answer, told, event.label),
    )
