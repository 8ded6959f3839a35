"""``/api/me``, ``/api/people``, ``/api/trail``: who asks, who may, who did what."""

from __future__ import annotations

from fastapi import FastAPI, Request

from edge_guard.collector.people import Person
from edge_guard.collector.people.roster import Member
from edge_guard.collector.trail import Entry
from edge_guard.collector.web.api.route import Engineer, Limit, Linked, Place, Viewer, linked
from edge_guard.collector.web.site import Site


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/me")
    def me(who: Viewer) -> Person:
        """Return who asks, and what they may."""
        return who

    @api.get("/people")
    def people(who: Engineer) -> list[Member]:
        """Return everybody who may sign in."""
        return site.people.roster.members()

    @api.get("/trail")
    def trail(
        who: Engineer, request: Request, limit: Limit = 100, before: Place = None
    ) -> Linked[list[Entry]]:
        """Return what was done, newest first."""
        rows = site.trail.entries(limit, before)
        following = rows[-1].id if len(rows) == limit else None
        return linked(rows, request, before=following)
