"""``/api/summaries`` and ``/api/results``: what a stream saw over time."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Request

from edge_guard.collector.web.api.route import (
    DeviceId,
    Limit,
    Linked,
    Place,
    SinceMs,
    StreamName,
    Viewer,
    linked,
)
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import Summary
from edge_guard.types import Verdict

MOST_MINUTES = 10_000


class ListedSummary(msgspec.Struct, frozen=True):
    """One window of a stream; ``id`` is higher the later it was stored."""

    id: int
    occurred_ms: int
    summary: Summary


class Minute(msgspec.Struct, frozen=True):
    """Frames of one verdict in one minute since the Unix epoch, of a stream that publishes all."""

    minute: int
    verdict: Verdict
    frames: int


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/summaries")
    def summaries(
        who: Viewer,
        request: Request,
        device: DeviceId,
        stream: StreamName,
        limit: Limit = 100,
        before: Place = None,
    ) -> Linked[list[ListedSummary]]:
        """Return what a stream saw in each window, newest first."""
        rows = site.history.summaries(device, stream, limit, before)
        following = rows[-1][0] if len(rows) == limit else None
        return linked([ListedSummary(*row) for row in rows], request, before=following)

    @api.get("/results")
    def results(
        who: Viewer,
        request: Request,
        device: DeviceId,
        stream: StreamName,
        since_ms: SinceMs = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_MINUTES)] = MOST_MINUTES,
    ) -> Linked[list[Minute]]:
        """Return frames a minute and verdict, oldest first; at most `limit` minutes."""
        rows = site.history.minutes(device, stream, since_ms // 60_000, limit)
        minutes = sorted({row[0] for row in rows})
        following = (minutes[-1] + 1) * 60_000 if len(minutes) == limit else None
        page = [Minute(at, Verdict(verdict), n) for at, verdict, n in rows]
        return linked(page, request, since_ms=following)
