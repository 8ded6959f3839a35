"""First and blind second words on the same frames, and the disagreements to settle."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from edge_guard.collector.review.agreement import Agreement, agreement
from edge_guard.collector.schema import judgements, review_items, stands, stands_blindly
from edge_guard.collector.store import Store

MOST_PAIRS = 5000


@dataclass(frozen=True, slots=True)
class Word:
    """What one person said.

    Attributes
    ----------
    id : int
    who : str
    answer : str
    label : str or None
    """

    id: int
    who: str
    answer: str
    label: str | None

    def differs(self, other: Word) -> bool:
        """Return whether the answers differ, or the labels where both name one."""
        named = self.label is not None and other.label is not None
        return self.answer != other.answer or (named and self.label != other.label)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people's words on one frame.

    Attributes
    ----------
    event_id : int
    first, second : Word
    settled : Word or None
        What somebody said of the frame after both.
    """

    event_id: int
    first: Word
    second: Word
    settled: Word | None


@dataclass(frozen=True, slots=True)
class Seconds:
    """What second looks have shown.

    Attributes
    ----------
    waiting : int
        Frames that wait for a second look.
    people : int
        Who have ever judged.
    agreement : Agreement or None
        On right, wrong or unsure, over the newest `MOST_PAIRS` pairs.
    open : list of Pair
        Disagreements that nobody has settled, newest first.
    """

    waiting: int
    people: int
    agreement: Agreement | None
    open: list[Pair]


def seconds(store: Store) -> Seconds:
    """Return what the second looks so far have shown.

    Parameters
    ----------
    store : Store
    """
    item = review_items.c
    waiting = select(func.count()).where(item.not_who.isnot(None), item.done_ms.is_(None))
    people = select(func.count(func.distinct(judgements.c.who)))
    with store.engine.connect() as connection:
        n_waiting, n_people = connection.scalar(waiting), connection.scalar(people)
    found = pairs(store)
    return Seconds(
        waiting=n_waiting or 0,
        people=n_people or 0,
        agreement=agreement([(one.first.answer, one.second.answer) for one in found]),
        open=[one for one in found if one.settled is None and one.first.differs(one.second)],
    )


def pairs(store: Store, most: int = MOST_PAIRS) -> list[Pair]:
    """Return the newest frames with both words, newest first.

    The first word is the newest before the blind one, the one that settles the newest after it.
    """
    blind = (
        select(judgements.c.event_id)
        .where(stands_blindly)
        .order_by(judgements.c.id.desc())
        .limit(most)
        .subquery()
    )
    columns = [judgements.c[name] for name in ("event_id", "id", "who", "answer", "label", "blind")]
    query = (
        select(*columns)
        .where(judgements.c.event_id.in_(select(blind.c.event_id)), stands | stands_blindly)
        .order_by(judgements.c.id)
    )
    words: dict[int, tuple[list[Word], list[Word]]] = {}
    with store.engine.connect() as connection:
        for row in connection.execute(query):
            spoken = words.setdefault(row.event_id, ([], []))
            spoken[row.blind].append(Word(row.id, row.who, row.answer, row.label))
    found = [_pair(event, seen, unseen) for event, (seen, unseen) in words.items()]
    return sorted((one for one in found if one is not None), key=lambda one: -one.second.id)


def _pair(event: int, seen: list[Word], blind: list[Word]) -> Pair | None:
    """Return the first blind word with the word before it by somebody else."""
    if not blind:
        return None
    second = blind[0]
    before = [word for word in seen if word.id < second.id and word.who != second.who]
    after = [word for word in seen if word.id > second.id]
    return Pair(event, before[-1], second, after[-1] if after else None) if before else None
