"""The JSON interface under ``/api``; nothing is written but people's judgements."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from msgspec import Meta

from edge_guard.collector.judgements import Answer, Judgement
from edge_guard.collector.pictures import is_digest, media_type
from edge_guard.collector.queries import AlarmRow, DeviceRow, EventRow, Kind
from edge_guard.collector.web.accuracy import stream_accuracy
from edge_guard.collector.web.admission import body_of, of_this_site
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import decode, isa_state

MOST_ID = 2**63 - 1
Id = Annotated[int, InPath(ge=1, le=MOST_ID)]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement as it is sent in."""

    answer: Answer
    label: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    who: Annotated[str, Meta(max_length=128)] = ""


def interface(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site
    """
    api = APIRouter(prefix="/api")

    @api.get("/health")
    def health() -> dict[str, Any]:
        return _health(site)

    @api.get("/devices")
    def devices() -> list[dict[str, Any]]:
        return [_device(row) for row in site.queries.devices()]

    @api.get("/events")
    def events(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        stream: Annotated[str | None, Query(max_length=128)] = None,
        kind: Kind = "flagged",
    ) -> dict[str, Any]:
        rows = site.queries.events(limit, before, device, stream, kind)
        following = rows[-1].id if len(rows) == limit else None
        return {"events": [_event(row) for row in rows], "before": following}

    @api.get("/events/{number}")
    def event(number: Id) -> dict[str, Any]:
        row = site.queries.event(number)
        if row is None:
            raise HTTPException(404, f"there is no event {number}")
        return _event(row)

    @api.get("/events/{number}/judgements")
    def judgements(number: Id) -> list[dict[str, Any]]:
        return [asdict(one) for one in site.judgements.of(number)]

    @api.post("/events/{number}/judgements", dependencies=[Depends(of_this_site)])
    async def judge(number: Id, request: Request) -> dict[str, Any]:
        said = _said(request.headers.get("content-type", ""), await body_of(request))
        return asdict(await asyncio.to_thread(_judge, site, number, said))

    @api.get("/accuracy")
    def accuracy(
        device: Annotated[int, Query(ge=1, le=MOST_ID)],
        stream: Annotated[str, Query(max_length=128)],
        since_ms: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
    ) -> dict[str, Any]:
        summaries = site.queries.summaries(device, stream, since_ms)
        return asdict(stream_accuracy(site, device, stream, since_ms, summaries))

    @api.get("/results")
    def results(
        device: Annotated[int, Query(ge=1, le=MOST_ID)],
        stream: Annotated[str, Query(max_length=128)],
        since_ms: Annotated[int, Query(ge=0, le=MOST_ID)] = 0,
    ) -> list[dict[str, Any]]:
        rows = site.queries.frames_per_minute(device, stream, since_ms)
        return [{"minute": at, "verdict": verdict, "frames": n} for at, verdict, n in rows]

    @api.get("/alarms")
    def alarms() -> list[dict[str, Any]]:
        return [_alarm(row) for row in site.queries.standing_alarms()]

    @api.get("/pictures/{digest}")
    def picture(digest: str) -> Response:
        return _picture(site, digest)

    return api


def _said(content_type: str, body: bytes) -> Said:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(422, "a judgement is sent as application/json")
    try:
        return decode(body, Said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from error


def _judge(site: Site, number: int, said: Said) -> Judgement:
    if "\0" in said.who + (said.label or ""):
        raise HTTPException(422, "a name or label holds a character that cannot be stored")
    if site.queries.event(number) is None:
        raise HTTPException(404, f"there is no event {number}")
    judgement = site.judgements.add(number, said.answer, said.who, said.label)
    if judgement is None:
        raise HTTPException(409, f"the model gave no answer to event {number}")
    return judgement


def _health(site: Site) -> dict[str, Any]:
    news = site.feed.since(0)
    assert news is not None  # every version is after 0
    healthy = news.link.state == "connected" and not news.trouble
    return {
        "status": "ok" if healthy else "degraded",
        "broker": asdict(news.link),
        "store": news.trouble or "ok",
        **asdict(news.totals),
        "refused": site.queries.refusals(),
        "given_up": site.queries.losses(),
    }


def _device(row: DeviceRow) -> dict[str, Any]:
    return asdict(row) | {"state": msgspec.to_builtins(row.state)}


def _event(row: EventRow) -> dict[str, Any]:
    listed: dict[str, Any] = {
        "id": row.id,
        "device_id": row.device_id,
        "site": row.site,
        "line": row.line,
        "occurred_ms": row.occurred_ms,
        "received_ms": row.received_ms,
        "picture": None,
        "judged": row.judged,
    }
    if row.has_picture and row.event.image is not None:
        listed["picture"] = f"/api/pictures/{row.event.image.sha256}"
    return listed | {"event": msgspec.to_builtins(row.event)}


def _alarm(row: AlarmRow) -> dict[str, Any]:
    listed = {"device_id": row.device_id, "device": row.device, "occurred_ms": row.occurred_ms}
    return listed | {"isa_state": isa_state(row.alarm), "alarm": msgspec.to_builtins(row.alarm)}


def _picture(site: Site, digest: str) -> Response:
    content = site.pictures.get(digest) if is_digest(digest) else None
    kind = media_type(content) if content is not None else None
    if content is None or kind is None:
        raise HTTPException(404, "there is no such picture")
    forever = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type=kind, headers=forever)
