"""``/events``: all flagged frames, or those drawn for audits, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from nicegui import ui

from edge_guard.collector.queries import EventRow, Kind
from edge_guard.collector.web.event_card import EventCard, gathered, part_address
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site

PAGE = 48
"""Cards on a page."""
FOLDED = 240
"""Frames that the cards of a page may stand for."""
TITLES: dict[Kind, str] = {
    "flagged": "Flagged frames",
    "audit": "Frames drawn for audits",
    "waiting": "Frames drawn for audits that nobody has judged",
    "all": "All frames that were sent",
}


async def listing(
    site: Site,
    before: int | None = None,
    device: int | None = None,
    stream: str | None = None,
    kind: Kind = "flagged",
    incident: str | None = None,
    part: str | None = None,
) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    before : int, optional
        Only events listed below this one.
    device : int, optional
    stream : str, optional
    kind : str
        As `Queries.events` takes it.
    incident : str, optional
        Only its frames, each with a card of its own; else those of one trouble share a card.
    part : str, optional
        Only frames of the part with this id, likewise.
    """
    apart = incident is not None or part is not None
    most = PAGE if apart else FOLDED
    rows = await asyncio.to_thread(
        site.queries.events, most + 1, before, device, stream, kind, incident, part
    )
    cards = (alone if apart else folded)(rows[:most])
    frame = Frame(site, "frames")
    with frame.body:
        with box("section-top"):
            place = f" of {stream}" if stream is not None else ""
            title = TITLES[kind] if incident is None else "Frames of one incident"
            title = title if part is None else f"Frames of part {part}"
            ui.label(f"{title}{place}").classes("section-title")
            _search(part)
        if not rows:
            with box("empty"):
                ui.label("There are none here.").classes("empty-title")
        with box("event-grid"):
            for row, together in cards[:PAGE]:
                EventCard(row, together)
        kept = {"device": device, "stream": stream, "incident": incident, "part": part}
        kept |= {} if kind == "flagged" else {"kind": kind}
        with box("pager"):
            if before is not None:
                link("Newest", _address(kept), "button")
            if (older := _older(rows[:most], cards, len(rows) > most)) is not None:
                link("Older", _address(kept | {"before": older}), "button")
    frame.follow()


def _search(part: str | None) -> None:
    """Build the field that leads to the frames of a part."""
    field = ui.input("part id", value=part or "").classes("choice").props("outlined dense")

    def look() -> None:
        wanted = str(field.value or "").strip()
        ui.navigate.to(part_address(wanted) if wanted else "/events")

    field.on("keydown.enter", look)


def _older(rows: list[EventRow], cards: list[tuple[EventRow, int]], more: bool) -> int | None:
    """Return the frame before which the next page begins; None on the last page."""
    if len(cards) > PAGE:
        return cards[PAGE][0].id + 1
    return rows[-1].id if more else None


def folded(rows: list[EventRow]) -> list[tuple[EventRow, int]]:
    """Return the newest frame of each trouble, newest first, with how many are on this page."""
    return gathered(reversed(rows))[::-1]


def alone(rows: list[EventRow]) -> list[tuple[EventRow, int]]:
    """Return every frame by itself."""
    return [(row, 1) for row in rows]


def _address(query: dict[str, int | str | None]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"/events?{urlencode(given)}" if given else "/events"
