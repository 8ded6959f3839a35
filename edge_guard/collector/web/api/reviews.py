"""``/api/review``: the queue of frames that wait for a human look, and labels as a whole."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Query
from msgspec import Meta

from edge_guard.collector.judgements import Answer, ConflictError, Judgement
from edge_guard.collector.people import Person
from edge_guard.collector.review.exchange import (
    MOST_AT_ONCE,
    Given,
    Labelled,
    Outcome,
    labelled,
    take_in,
)
from edge_guard.collector.review.looks import OwnLookError, TakenLookError
from edge_guard.collector.review.queue import MOST_TAKEN
from edge_guard.collector.review.seconds import Seconds, seconds
from edge_guard.collector.review.waiting import Only
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.api.route import (
    MOST_ID,
    Operator,
    RefusedRequest,
    Sent,
    Viewer,
    problems,
)
from edge_guard.collector.web.review_item import ReviewItem, review_item
from edge_guard.collector.web.site import Site

_MOST_LABELS_BYTES = 1 << 20
_NEW_KEY = "choose another request key for each answer"
Number = Annotated[int, Meta(ge=1, le=MOST_ID)]
Text = Annotated[str, Meta(max_length=257, pattern=r"^[^\x00]*$")]
Truth = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
"""Chosen at random by whoever asks: a request with it may be repeated, a lease belongs to it."""
Settler = Annotated[Person, Depends(at_least("engineer", "label"))]
After = Annotated[int, Query(ge=0, le=MOST_ID)]
Most = Annotated[int, Query(ge=1, le=MOST_AT_ONCE)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the queue is asked for; null: all of it.

    Attributes
    ----------
    line : str or None
        ``site/line``.
    device : int or None
    stream : str or None
    reason : str or None
        Leading guard.
    """

    line: Text | None = None
    device: Number | None = None
    stream: Text | None = None
    reason: Text | None = None


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer asks for frames.

    Attributes
    ----------
    holder : str
        Of the lease: chosen at random.
    most : int
        At most so many new frames.
    keep : tuple of int
        Items lent before that are still needed.
    part : Part
    """

    holder: Key
    most: Annotated[int, Meta(ge=0, le=MOST_TAKEN)] = 4
    keep: Annotated[tuple[Number, ...], Meta(max_length=50)] = ()
    part: Part = Part()


class Taken(msgspec.Struct, frozen=True):
    """What a reviewer gets.

    Attributes
    ----------
    items : list of ReviewItem
        New frames, the next one first; lent for two minutes.
    kept : list of int
        Items that are still lent to the holder, for two more minutes.
    left : int
        Frames of this part that wait, 10,000 at most.
    lent : int
        Of these, those that others look at.
    hour : int
        Answers of this person in the last hour.
    """

    items: list[ReviewItem]
    kept: list[int]
    left: int
    lent: int
    hour: int


class Saying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer's answer; ``label``: what the model's answer should have been."""

    request: Key
    item: Number
    answer: Answer
    label: Truth | None = None


class Undoing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer takes back the answer that was sent with the request ``of``."""

    request: Key
    of: Key
    holder: Key


class Skipping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer skips a frame, or takes that back."""

    holder: Key
    item: Number
    undo: bool = False


class Leaving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer stops: frames lent to the holder wait again."""

    holder: Key


class Settling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engineer's word on a frame on which two people disagree."""

    request: Key
    event: Number
    answer: Answer
    label: Truth | None = None


class GivenLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labels of many events."""

    labels: Annotated[list[Given], Meta(min_length=1, max_length=MOST_AT_ONCE)]


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.post("/review/take")
    def take(who: Operator, taking: Annotated[Taking, Depends(Sent(Taking))]) -> Taken:
        """Lend the next frames to a reviewer."""
        return _take(site, who, taking)

    @api.post("/review/answers", responses=problems(404, 409))
    def say(who: Operator, saying: Annotated[Saying, Depends(Sent(Saying))]) -> Judgement:
        """Judge a frame of the queue; the same request again is the same judgement."""
        return _say(site, who, saying)

    @api.post("/review/undo", responses=problems(404, 409))
    def undo(who: Operator, undoing: Annotated[Undoing, Depends(Sent(Undoing))]) -> Judgement:
        """Take one's own answer back."""
        return _undo(site, who, undoing)

    @api.post("/review/skip")
    def skip(who: Operator, skipping: Annotated[Skipping, Depends(Sent(Skipping))]) -> None:
        """Leave a frame that is lent to the holder for later; any other stays as it is."""
        act = site.reviews.take_back if skipping.undo else site.reviews.skip
        act(skipping.item, skipping.holder)

    @api.post("/review/leave")
    def leave(who: Operator, leaving: Annotated[Leaving, Depends(Sent(Leaving))]) -> None:
        """Give back what is lent to a holder."""
        site.reviews.give_back(leaving.holder)

    @api.post("/review/settle", responses=problems(404, 409))
    def settle(who: Settler, said: Annotated[Settling, Depends(Sent(Settling))]) -> Judgement:
        """Say how it is where two people disagree."""
        return _settle(site, who, said)

    @api.get("/review/agreement")
    def agreement(who: Viewer) -> Seconds:
        """Return how far first and blind second answers agree, and what is to be settled."""
        return seconds(site.store)

    @api.get("/review/labels")
    def export(who: Viewer, after: After = 0, limit: Most = MOST_AT_ONCE) -> list[Labelled]:
        """Return judged events with the newest word on each, by number, above ``after``."""
        return labelled(site.store, after, limit)

    @api.post("/review/labels")
    def label(
        who: Operator, given: Annotated[GivenLabels, Depends(Sent(GivenLabels, _MOST_LABELS_BYTES))]
    ) -> list[Outcome]:
        """Store labels of events known by device, boot and sequence; each has its outcome."""
        return take_in(site.store, site.judgements, given.labels, who.name)


def _take(site: Site, who: Person, taking: Taking) -> Taken:
    part = taking.part
    only = Only(part.line, part.device, part.stream, part.reason)
    kept = site.reviews.keep(taking.keep, taking.holder)
    lent = site.reviews.take(who.name, taking.holder, taking.most, only)
    rows = {row.id: row for row in site.queries.events_by_id([one.event_id for one in lent])}
    items = []
    for one in lent:
        row = rows[one.event_id]
        answer = {row.event.label} if row.event.label else set()
        labels = site.labels.of(row.device_id, row.event.stream, answer)
        items.append(review_item(one, row, labels))
    now = site.reviews.progress(who.name, only, taking.holder)
    return Taken(items, kept, now.left, now.lent, now.hour)


def _say(site: Site, who: Person, saying: Saying) -> Judgement:
    found = site.reviews.look(saying.item)
    if found is None:
        raise RefusedRequest(404, f"there is no frame {saying.item} in the queue")
    event, look = found
    return _judge(site, who, event, saying, blind=look == 2)


def _judge(
    site: Site, who: Person, event: int, said: Saying | Settling, *, blind: bool = False
) -> Judgement:
    answer, label, request = said.answer, said.label, said.request
    try:
        word = site.judgements.add(event, answer, who.name, label, request, blind=blind)
    except OwnLookError as error:
        raise RefusedRequest(403, str(error), "leave it to the others") from error
    except TakenLookError as error:
        raise RefusedRequest(409, str(error), "go on with the next frame") from error
    except ConflictError as error:
        raise RefusedRequest(409, str(error), _NEW_KEY) from error
    if word is None:
        raise RefusedRequest(409, f"the model gave no answer to event {event}")
    return word


def _settle(site: Site, who: Person, said: Settling) -> Judgement:
    if site.queries.event(said.event) is None:
        raise RefusedRequest(404, f"there is no event {said.event}")
    return _judge(site, who, said.event, said)


def _undo(site: Site, who: Person, undoing: Undoing) -> Judgement:
    word = site.judgements.requested(undoing.of)
    if word is None:
        raise RefusedRequest(404, f"there is no answer {undoing.of} to take back")
    try:
        taken = site.judgements.withdraw(word.id, who.name, undoing.request, undoing.holder)
    except ConflictError as error:
        raise RefusedRequest(409, str(error), _NEW_KEY) from error
    if taken is None:
        raise RefusedRequest(403, f"answer {undoing.of} is of somebody else")
    return taken
