"""``/review``: the queue of frames that wait for a human look, judged by keyboard or touch."""

from __future__ import annotations

import asyncio
from typing import Any

from nicegui import ui
from nicegui.element import Element

from edge_guard.collector.review.waiting import Only
from edge_guard.collector.web.access import person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site


class Desk(Element, component="review_desk.js"):
    """What runs in the reviewer's browser.

    Parameters
    ----------
    filters : list of dict
        Name, words and options of each.
    start : dict
        The part of the queue to begin with.
    who : str
        Whose answers these are.
    """

    def __init__(self, filters: list[dict[str, Any]], start: dict[str, Any], who: str) -> None:
        super().__init__()
        self._props["who"] = who
        self._props["filters"] = filters
        self._props["start"] = start


async def review(site: Site, only: Only) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    only : Only
        The part of the queue that the address names.
    """
    frame = Frame(site, "review")
    with frame.body:
        who = person()
        if not who.may("operator"):
            with box("empty"):
                ui.label("Reviewing needs the role operator.").classes("empty-title")
                ui.label("Ask an engineer for it; you can see every frame meanwhile.")
        else:
            start = {name: getattr(only, name) for name in Only.__slots__}
            Desk(await asyncio.to_thread(_filters, site), start, who.name)
        link("How two people agree on the same frames", "/review/agreement")
    frame.follow()


def _filters(site: Site) -> list[dict[str, Any]]:
    devices = site.queries.devices()
    streams = {one.name for row in devices if row.state for one in row.state.streams}
    named = [{"value": row.id, "words": f"{row.line} / {row.device}"} for row in devices]
    return [
        _filter("line", "Line", site.reviews.lines()),
        {"name": "device", "words": "Device", "options": named},
        _filter("stream", "Stream", sorted(streams)),
        _filter("reason", "Reason", site.reviews.reasons()),
    ]


def _filter(name: str, words: str, values: list[str]) -> dict[str, Any]:
    options = [{"value": value, "words": value} for value in values if value]
    return {"name": name, "words": words, "options": options}
