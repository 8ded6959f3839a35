"""``/trail``: who did what, when, newest first."""

from __future__ import annotations

import asyncio

from nicegui import ui

from edge_guard.collector.trail import Entry
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment

PAGE = 100


async def trail_page(site: Site, before: int | None) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    before : int, optional
        Only what was done before this entry.
    """
    entries = await asyncio.to_thread(site.trail.entries, PAGE + 1, before)
    frame = Frame(site, "trail")

    async def check() -> None:
        broken = await asyncio.to_thread(site.trail.broken)
        if broken is None:
            ui.notify("Every entry fits those before it.", type="positive")
        else:
            ui.notify(f"Entry {broken} was changed in the database.", type="negative", timeout=0)

    with frame.body:
        with box("section-top"):
            ui.label("Who did what").classes("section-title")
            ui.button("Check that nothing was changed", on_click=check).props("no-caps outline")
        if not entries:
            with box("empty"):
                ui.label("Nothing has been done yet.").classes("empty-title")
        else:
            with box("card rows", "table"):
                _head()
                for entry in entries[:PAGE]:
                    _row(entry)
        with box("pager"):
            if before is not None:
                link("Newest", "/trail", "button")
            if len(entries) > PAGE:
                link("Older", f"/trail?before={entries[PAGE - 1].id}", "button")
    frame.follow()


def _head() -> None:
    with box("", "thead"), box("", "tr"):
        for name in ("When", "Who", "Did", "To what", "Details"):
            with box("", "th"):
                ui.label(name)


def _row(entry: Entry) -> None:
    details = "; ".join(f"{key}: {_said(value)}" for key, value in entry.details.items())
    values = (moment(entry.at_ms), entry.who, entry.action, entry.subject, details)
    with box("", "tr"):
        for value in values:
            with box("", "td"):
                ui.label(str(value))


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
