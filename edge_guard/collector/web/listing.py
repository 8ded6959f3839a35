"""``/events``: all flagged frames, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from nicegui import ui

from edge_guard.collector.web.event_card import EventCard
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site

PAGE = 48


async def listing(
    site: Site, before: int | None = None, device: int | None = None, stream: str | None = None
) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    before : int, optional
        Only events listed below this one.
    device : int, optional
    stream : str, optional
    """
    rows = await asyncio.to_thread(site.queries.events, PAGE + 1, before, device, stream)
    frame = Frame(site, "frames")
    with frame.body:
        with box("section-top"):
            place = f" of {stream}" if stream is not None else ""
            ui.label(f"Flagged frames{place}").classes("section-title")
        if not rows:
            with box("empty"):
                ui.label("There are none here.").classes("empty-title")
        with box("event-grid"):
            for row in rows[:PAGE]:
                EventCard(row)
        kept = {"device": device, "stream": stream}
        with box("pager"):
            if before is not None:
                link("Newest", _address(kept), "button")
            if len(rows) > PAGE:
                link("Older", _address(kept | {"before": rows[PAGE - 1].id}), "button")
    frame.follow()


def _address(query: dict[str, int | str | None]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"/events?{urlencode(given)}" if given else "/events"
