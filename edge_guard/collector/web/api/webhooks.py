"""``/api/webhooks``: how it stands with who is to be told, and what was given up."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import FastAPI

from edge_guard.collector.web.api.route import Engineer, Viewer
from edge_guard.collector.web.site import Site
from edge_guard.collector.webhooks.deliveries import Standing


class Settled(msgspec.Struct, frozen=True):
    """How many notices that were given up are sent again, or forgotten."""

    notices: int


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/webhooks")
    def webhooks(who: Viewer) -> list[Standing]:
        """Return how it stands with each webhook."""
        return site.sender.standing()

    @api.post("/webhooks/dead/{wanted}")
    def settle(who: Engineer, wanted: Literal["again", "forget"]) -> Settled:
        """Send what was given up once more, or forget it."""
        notices = site.sender.again() if wanted == "again" else site.sender.forget()
        site.trail.note(who, f"webhook.{wanted}", "notices given up", {"notices": notices})
        return Settled(notices)
