"""The JSON interface of the review page: ``/api/review``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from msgspec import Meta

from edge_guard.collector.judgements import Answer, Judgement
from edge_guard.collector.people import Person
from edge_guard.collector.review.queue import MOST_TAKEN, Only
from edge_guard.collector.review.seconds import seconds
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.admission import body_of, of_this_site
from edge_guard.collector.web.review_item import review_item
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import decode

MOST_ID = 2**63 - 1
Id = Annotated[int, Meta(ge=1, le=MOST_ID)]
Text = Annotated[str, Meta(max_length=257, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
"""Chosen at random by whoever asks: a request with it may be repeated, a lease belongs to it."""


Operator = Annotated[Person, Depends(at_least("operator"))]
Engineer = Annotated[Person, Depends(at_least("engineer", "label"))]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the queue is asked for; null: all of it."""

    line: Text | None = None
    device: Id | None = None
    stream: Text | None = None
    reason: Text | None = None

    def only(self) -> Only:
        """Return it as the queue takes it."""
        return Only(self.line, self.device, self.stream, self.reason)


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer asks for frames."""

    holder: Key
    most: Annotated[int, Meta(ge=0, le=MOST_TAKEN)] = 4
    keep: Annotated[tuple[Id, ...], Meta(max_length=50)] = ()
    part: Part = Part()


class Saying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer's answer to a frame of the queue."""

    request: Key
    item: Id
    answer: Answer
    label: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")] | None = None


class Undoing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer takes back the answer that was sent with the request ``of``."""

    request: Key
    of: Key
    holder: Key


class Skipping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer skips a frame, or takes that back."""

    holder: Key
    item: Id
    undo: bool = False


class Leaving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reviewer stops."""

    holder: Key


class Settling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engineer's word on a frame on which two people disagree."""

    request: Key
    event: Id
    answer: Answer
    label: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")] | None = None


T = TypeVar("T", bound=msgspec.Struct)


def reviewing(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site
    """
    api = APIRouter(prefix="/api/review", dependencies=[Depends(of_this_site)])

    @api.post("/take")
    async def take(request: Request, who: Operator) -> dict[str, Any]:
        return await asyncio.to_thread(_take, site, who, await _sent(request, Taking))

    @api.post("/answers")
    async def say(request: Request, who: Operator) -> dict[str, Any]:
        return await asyncio.to_thread(_say, site, who, await _sent(request, Saying))

    @api.post("/undo")
    async def undo(request: Request, who: Operator) -> dict[str, Any]:
        return await asyncio.to_thread(_undo, site, who, await _sent(request, Undoing))

    @api.post("/skip")
    async def skip(request: Request, _: Operator) -> dict[str, Any]:
        return await asyncio.to_thread(_skip, site, await _sent(request, Skipping))

    @api.post("/leave")
    async def leave(request: Request, _: Operator) -> dict[str, Any]:
        sent = await _sent(request, Leaving)
        await asyncio.to_thread(site.reviews.give_back, sent.holder)
        return {}

    @api.post("/settle")
    async def settle(request: Request, who: Engineer) -> dict[str, Any]:
        return await asyncio.to_thread(_settle, site, who, await _sent(request, Settling))

    @api.get("/agreement", dependencies=[Depends(at_least("viewer"))])
    def agreed() -> dict[str, Any]:
        return asdict(seconds(site.store))

    return api


async def _sent(request: Request, kind: type[T]) -> T:
    try:
        return decode(await body_of(request), kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from error


def _take(site: Site, who: Person, taking: Taking) -> dict[str, Any]:
    only = taking.part.only()
    kept = site.reviews.keep(taking.keep, taking.holder)
    lent = site.reviews.take(who.name, taking.holder, taking.most, only)
    rows = {row.id: row for row in site.queries.events_by_id([one.event_id for one in lent])}
    items = []
    for one in lent:
        row = rows[one.event_id]
        answer = {row.event.label} if row.event.label else set()
        labels = site.labels.of(row.device_id, row.event.stream, answer)
        items.append(review_item(one, row, labels))
    return {"items": items, "kept": kept} | _progress(site, who, taking)


def _progress(site: Site, who: Person, taking: Taking) -> dict[str, Any]:
    return asdict(site.reviews.progress(who.name, taking.part.only(), taking.holder))


def _say(site: Site, who: Person, saying: Saying) -> dict[str, Any]:
    found = site.reviews.look(saying.item)
    if found is None:
        raise HTTPException(404, f"there is no frame {saying.item} in the queue")
    event, look = found
    return _judge(site, who, event, saying, blind=look == 2)


def _judge(
    site: Site, who: Person, event: int, said: Saying | Settling, *, blind: bool = False
) -> dict[str, Any]:
    label = said.label if said.answer == "wrong" else None
    word = site.judgements.add(event, said.answer, who.name, label, said.request, blind=blind)
    if word is None:
        raise HTTPException(409, f"the model gave no answer to event {event}")
    return _word(word)


def _settle(site: Site, who: Person, settling: Settling) -> dict[str, Any]:
    if site.queries.event(settling.event) is None:
        raise HTTPException(404, f"there is no event {settling.event}")
    word = _judge(site, who, settling.event, settling)
    details = {"answer": settling.answer, "label": settling.label}
    site.trail.note(who, "settle", f"event {settling.event}", details)
    return word


def _undo(site: Site, who: Person, undoing: Undoing) -> dict[str, Any]:
    word = site.judgements.requested(undoing.of)
    if word is None:
        raise HTTPException(404, f"there is no answer {undoing.of} to take back")
    taken = site.judgements.withdraw(word.id, who.name, undoing.request, undoing.holder)
    if taken is None:
        raise HTTPException(403, f"answer {undoing.of} is of somebody else")
    return _word(taken)


def _skip(site: Site, skipping: Skipping) -> dict[str, Any]:
    act = site.reviews.take_back if skipping.undo else site.reviews.skip
    act(skipping.item, skipping.holder)
    return {}


def _word(word: Judgement) -> dict[str, Any]:
    return asdict(word)
