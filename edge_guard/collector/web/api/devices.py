"""``/api/devices``: the devices, and the streams of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request

from edge_guard.collector.queries import DeviceRow
from edge_guard.collector.web.api.route import (
    Id,
    Linked,
    Place,
    RefusedRequest,
    Viewer,
    linked,
    problems,
)
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import StreamState


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/devices", responses=problems(404))
    def devices(
        who: Viewer,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        after: Place = None,
    ) -> Linked[list[DeviceRow]]:
        """Return the devices by site, line and name; `after`: the id of the last one before."""
        rows = site.queries.devices()
        if after is not None:
            rows = rows[1 + _place(rows, after) :]
        more = len(rows) > limit
        return linked(rows[:limit], request, after=rows[limit - 1].id if more else None)

    @api.get("/devices/{number}", responses=problems(404))
    def device(who: Viewer, number: Id) -> DeviceRow:
        """Return a device as it is now."""
        return _device(site, number)

    @api.get("/devices/{number}/streams", responses=problems(404))
    def streams(who: Viewer, number: Id) -> list[StreamState]:
        """Return the streams of a device, as it has last told of them."""
        state = _device(site, number).state
        return [] if state is None else list(state.streams)


def _device(site: Site, number: int) -> DeviceRow:
    for row in site.queries.devices([number]):
        return row
    raise RefusedRequest(404, f"there is no device {number}", "GET /api/devices lists them")


def _place(rows: list[DeviceRow], number: int) -> int:
    for place, row in enumerate(rows):
        if row.id == number:
            return place
    raise RefusedRequest(404, f"query after: there is no device {number}", "begin without it")
