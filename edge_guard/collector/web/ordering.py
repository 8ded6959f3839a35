"""Orders from a page: who gives them, that they are sent, what devices answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.publish.messages import Action, Reply

MOST_LETTERS = 128
_TYPES: dict[str, Literal["positive", "warning", "negative"]] = {
    "done": "positive",
    "refused": "warning",
    "failed": "negative",
}


class Ordering:
    """One open page's way to give orders.

    Parameters
    ----------
    site : Site

    Attributes
    ----------
    may : bool
        Whoever opened the page may give orders.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.may = person().may("operator")
        self._mine: dict[str, tuple[str, str]] = {}  # device, and where its pictures are listed
        with box("ordering"):
            letters = f"maxlength={MOST_LETTERS} outlined dense"
            self._name = ui.input("your name, for orders").props(letters).classes("ordering-name")
            self._name.set_visibility(not person().signed_in)
            self._said = ui.label().classes("ordering-said").props("role=status")
            self._picture = link("see it", "/events")
            self._picture.set_visibility(False)

    async def give(self, device_id: int, device: str, action: Action) -> None:
        """Send an order in the name of who sits at the page."""
        who = allowed("operator")
        if who is None:
            return
        typed = "".join(c for c in self._name.value or "" if c.isprintable()).strip()
        name = who.name if who.signed_in else typed
        if not name:
            self._said.set_text("Say who you are first: the name goes with the order.")
            return
        try:
            row = await asyncio.to_thread(
                self._site.commands.issue, device_id, name[:MOST_LETTERS], action
            )
        except Exception as error:
            self._said.set_text(f"The order could not be stored ({error}).")
            raise
        pictures = f"/events?device={device_id}&stream={quote(action.stream, safe='')}&kind=all"
        self._mine[row.command.id] = device, pictures
        self._picture.set_visibility(False)
        self._said.set_text(f"Sent to {device}; waiting for its answer.")

    def hear(self, replies: Iterable[Reply]) -> None:
        """Show what devices answered to this page's orders."""
        for reply in replies:
            if reply.command_id in self._mine:
                device, pictures = self._mine.pop(reply.command_id)
                words = f"{device}: {reply.outcome}, {reply.message}"
                self._picture.props["href"] = pictures
                self._picture.set_visibility(reply.event_id is not None)
                self._said.set_text(words)
                ui.notify(words, type=_TYPES[reply.outcome])
