"""Which address shows which page."""

from __future__ import annotations

from pathlib import Path

from fastapi import Depends, HTTPException, Request, Response
from nicegui import app, ui

from edge_guard.collector.queries import Kind
from edge_guard.collector.review.waiting import Only
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.agreed import agreed
from edge_guard.collector.web.bundles import bundles_page
from edge_guard.collector.web.datasets import datasets_page
from edge_guard.collector.web.detail import detail
from edge_guard.collector.web.device import device_page
from edge_guard.collector.web.listing import listing
from edge_guard.collector.web.overview import overview
from edge_guard.collector.web.people_page import people_page
from edge_guard.collector.web.retune import retune_page
from edge_guard.collector.web.review import review
from edge_guard.collector.web.rollout import rollout_page
from edge_guard.collector.web.rollout_start import rollout_start_page
from edge_guard.collector.web.rollouts import rollouts_page
from edge_guard.collector.web.sign_in import refusal
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.stream import HOUR_MS, stream_page
from edge_guard.collector.web.trail_page import trail_page

STYLE = Path(__file__).with_name("style.css")
MOST_ID = 2**63 - 1
MOST_TEXT = 256


def register(site: Site) -> None:
    """Add the pages to NiceGUI's one application.

    Parameters
    ----------
    site : Site
    """
    ui.add_css(STYLE, shared=True)

    @app.exception_handler(403)
    def refused(_request: Request, error: HTTPException) -> Response:
        return refusal(site, error)

    @ui.page("/")
    def plant() -> None:
        overview(site)

    @ui.page("/events")
    async def events(
        before: int | None = None,
        device: int | None = None,
        stream: str | None = None,
        kind: Kind = "flagged",
        incident: str | None = None,
        part: str | None = None,
    ) -> None:
        await listing(
            site,
            _bounded(before),
            _bounded(device),
            _text(stream),
            kind,
            _text(incident),
            _text(part),
        )

    @ui.page("/review")
    async def review_page(
        line: str | None = None,
        device: int | None = None,
        stream: str | None = None,
        reason: str | None = None,
    ) -> None:
        await review(site, Only(_text(line), _bounded(device), _text(stream), _text(reason)))

    @ui.page("/review/agreement")
    async def agreement_page() -> None:
        await agreed(site)

    @ui.page("/event/{event_id}")
    async def event(event_id: int) -> None:
        await detail(site, _bounded(event_id) or 0)

    @ui.page("/device/{device_id}")
    async def device(device_id: int) -> None:
        await device_page(site, _bounded(device_id) or 0)

    _register_rollouts(site)

    @ui.page("/datasets", dependencies=[Depends(at_least("engineer"))])
    async def datasets(device: int | None = None, stream: str | None = None) -> None:
        await datasets_page(site, _bounded(device), _text(stream))

    @ui.page("/people", dependencies=[Depends(at_least("engineer"))])
    async def people() -> None:
        await people_page(site)

    @ui.page("/trail", dependencies=[Depends(at_least("engineer"))])
    async def trail(before: int | None = None) -> None:
        await trail_page(site, _bounded(before))

    @ui.page("/stream/{device_id}/{stream}")
    async def stream(device_id: int, stream: str, hours: int = 1, until: int | None = None) -> None:
        number, name = _bounded(device_id) or 0, _text(stream) or ""
        await stream_page(site, number, name, hours, _moment(until))


def _register_rollouts(site: Site) -> None:
    @ui.page("/retune/{device_id}/{stream}", dependencies=[Depends(at_least("engineer"))])
    async def retune(device_id: int, stream: str) -> None:
        await retune_page(site, _bounded(device_id) or 0, _text(stream) or "")

    @ui.page("/bundles")
    async def bundles() -> None:
        await bundles_page(site)

    @ui.page("/rollouts")
    async def rollouts(before: int | None = None) -> None:
        await rollouts_page(site, _bounded(before))

    @ui.page("/rollouts/new")
    async def rollout_start(bundle: str | None = None) -> None:
        await rollout_start_page(site, _text(bundle))

    @ui.page("/rollouts/{number}")
    async def rollout(number: int) -> None:
        await rollout_page(site, _bounded(number) or 0)


def _moment(ms: int | None) -> int | None:
    """Keep a time within what calendars can say."""
    return None if ms is None else max(HOUR_MS * 48, min(ms, 2**41))


def _bounded(number: int | None) -> int | None:
    """Keep an id within what databases can compare; none is beyond."""
    return None if number is None else max(0, min(number, MOST_ID))


def _text(words: str | None) -> str | None:
    """Keep a text within what databases can compare; nothing they hold is cut or has a U+FFFD."""
    return None if words is None else words.replace("\0", "\ufffd")[:MOST_TEXT]
