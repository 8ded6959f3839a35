"""``/api/events``: flagged and audited frames."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Request

from edge_guard.collector.queries import EventRow, Kind
from edge_guard.collector.web.api.route import (
    MOST_ID,
    Id,
    Limit,
    Linked,
    Place,
    RefusedRequest,
    Viewer,
    linked,
    problems,
)
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import Event

_Text = Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")]


class ListedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One frame.

    Attributes
    ----------
    id : int
        Its place in the list, higher = stored later.
    device_id : int
    site, line : str
        Of the device.
    occurred_ms, received_ms : int
    picture : str or None
        Its path here; None until it has arrived.
    judged : str or None
        People's newest word on the model's answer.
    event : Event
        As the device sent it.
    """

    id: int
    device_id: int
    site: str
    line: str
    occurred_ms: int
    received_ms: int
    picture: str | None
    judged: str | None
    event: Event


class EventPage(msgspec.Struct, frozen=True):
    """Frames, newest first; ``before`` leads to the next page, null on the last."""

    events: list[ListedEvent]
    before: int | None


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/events")
    def events(
        who: Viewer,
        request: Request,
        limit: Limit = 50,
        before: Place = None,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        stream: _Text = None,
        kind: Kind = "flagged",
        incident: _Text = None,
        part: _Text = None,
    ) -> Linked[EventPage]:
        """Return frames, newest first: flagged, drawn for an audit, waiting for people, or all."""
        rows = site.queries.events(limit, before, device, stream, kind, incident, part)
        following = rows[-1].id if len(rows) == limit else None
        page = EventPage([listed(row) for row in rows], following)
        return linked(page, request, before=following)

    @api.get("/events/{number}", responses=problems(404))
    def event(who: Viewer, number: Id) -> ListedEvent:
        """Return one frame."""
        row = site.queries.event(number)
        if row is None:
            raise RefusedRequest(404, f"there is no event {number}", "GET /api/events lists them")
        return listed(row)


def listed(row: EventRow) -> ListedEvent:
    """Return a frame as the interface shows it."""
    image = row.event.image
    picture = f"/api/pictures/{image.sha256}" if row.has_picture and image is not None else None
    return ListedEvent(
        id=row.id,
        device_id=row.device_id,
        site=row.site,
        line=row.line,
        occurred_ms=row.occurred_ms,
        received_ms=row.received_ms,
        picture=picture,
        judged=row.judged,
        event=row.event,
    )
