"""``/api/labels`` and ``/api/events/N/judgements``: what people say of the model's answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import Depends, FastAPI, Request
from msgspec import Meta

from edge_guard.collector.judgements import Answer, Judgement
from edge_guard.collector.people import Person
from edge_guard.collector.web.api.route import (
    MOST_ID,
    Id,
    Limit,
    Linked,
    Operator,
    Place,
    RefusedRequest,
    Sent,
    Viewer,
    linked,
    problems,
)
from edge_guard.collector.web.site import Site

MOST_AT_ONCE = 500
_MOST_BYTES = 1 << 20
Text = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Who = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00]*$")]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement as it is sent in.

    Attributes
    ----------
    answer : str
        Whether the model was right.
    label : str or None
        What the answer should have been; stored with the answer ``wrong`` only.
    who : str
        Name of the person; left out by whoever is signed in.
    """

    answer: Answer
    label: Text | None = None
    who: Who = ""


class Label(Said, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement among many; ``event`` is the event's id in ``/api/events``."""

    event: Annotated[int, Meta(ge=1, le=MOST_ID)]


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many judgements."""

    labels: Annotated[list[Label], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class LabelAnswer(msgspec.Struct, frozen=True):
    """What became of one of many judgements, in the order in which they were sent.

    Attributes
    ----------
    event : int
    outcome : str
        ``stored`` (also where the same was said before), ``unknown``: there is no such event,
        ``unanswered``: the model gave no answer that could be right or wrong.
    judgement : Judgement or None
        As it is stored.
    """

    event: int
    outcome: Literal["stored", "unknown", "unanswered"]
    judgement: Judgement | None


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/labels")
    def labels(
        who: Viewer, request: Request, limit: Limit = 100, before: Place = None
    ) -> Linked[list[Judgement]]:
        """Return everything that people have said, newest first."""
        rows = site.history.judgements(limit, before)
        following = rows[-1].id if len(rows) == limit else None
        return linked(rows, request, before=following)

    @api.post("/labels")
    def label(
        who: Operator, said: Annotated[Labels, Depends(Sent(Labels, _MOST_BYTES))]
    ) -> list[LabelAnswer]:
        """Store judgements of many events; one that cannot be stored hinders no other."""
        names = [name_of(who, one.who) for one in said.labels]
        return [_label(site, one, name) for one, name in zip(said.labels, names, strict=True)]

    @api.get("/events/{number}/judgements")
    def judgements(who: Viewer, number: Id) -> list[Judgement]:
        """Return what was said of an event, oldest first."""
        return site.judgements.of(number)

    @api.post("/events/{number}/judgements", responses=problems(404, 409))
    def judge(who: Operator, number: Id, said: Annotated[Said, Depends(Sent(Said))]) -> Judgement:
        """Say whether the model was right; the same word again changes nothing."""
        return _judge(site, number, said, name_of(who, said.who))


def name_of(who: Person, said: str) -> str:
    """Return in whose name something is done: of who is signed in, else as it was sent.

    Raises
    ------
    RefusedRequest
        403: another one's than that of who is signed in.
    """
    if not who.signed_in:
        return said
    if said not in ("", who.name):
        raise RefusedRequest(
            403, f"body: {who.name} cannot speak for {said!r}", "leave the name out"
        )
    return who.name


def _label(site: Site, said: Label, who: str) -> LabelAnswer:
    stored = site.judgements.add(said.event, said.answer, who, said.label)
    if stored is not None:
        return LabelAnswer(said.event, "stored", stored)
    known = site.queries.event(said.event) is not None
    return LabelAnswer(said.event, "unanswered" if known else "unknown", None)


def _judge(site: Site, number: int, said: Said, who: str) -> Judgement:
    judgement = site.judgements.add(number, said.answer, who, said.label)
    if judgement is not None:
        return judgement
    if site.queries.event(number) is None:
        raise RefusedRequest(404, f"there is no event {number}", "GET /api/events lists them")
    raise RefusedRequest(
        409, f"the model gave no answer to event {number}", "there is nothing to be right or wrong"
    )
