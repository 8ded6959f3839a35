"""``/api/health``: whether the collector does its work."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import FastAPI, Request
from msgspec import UNSET, UnsetType

from edge_guard.collector.feed import News
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.retention.deletion import deleted
from edge_guard.collector.web.access import visit_of
from edge_guard.collector.web.site import Site
from edge_guard.collector.webhooks.deliveries import Standing


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the collector is; for whoever is signed in also the plant in numbers.

    Attributes
    ----------
    status : str
        ``degraded`` without broker, with a failing or overfull store, or with webhooks that take
        no notices.
    broker : LinkStatus
    store : str
        ``ok``, or its trouble in words.
    retention : str
        ``ok``, or why the store is older or larger than it may be.
    deleted : dict
        What retention has ever deleted, by kind and cause.
    devices, online, events : int
    stored, dropped, missing : int
        Messages of devices: here; given up by the device; not arrived yet.
    backlog : int
        Messages that wait on the devices.
    refused, given_up : dict
        Messages by cause.
    webhooks : list of Standing
    """

    status: Literal["ok", "degraded"]
    broker: LinkStatus | UnsetType = UNSET
    store: str | UnsetType = UNSET
    retention: str | UnsetType = UNSET
    deleted: dict[str, int] | UnsetType = UNSET
    devices: int | UnsetType = UNSET
    online: int | UnsetType = UNSET
    events: int | UnsetType = UNSET
    stored: int | UnsetType = UNSET
    dropped: int | UnsetType = UNSET
    missing: int | UnsetType = UNSET
    backlog: int | UnsetType = UNSET
    refused: dict[str, int] | UnsetType = UNSET
    given_up: dict[str, int] | UnsetType = UNSET
    webhooks: list[Standing] | UnsetType = UNSET


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/health")
    def health(request: Request) -> Health:
        """Return how the collector is: to strangers in one word."""
        news = site.feed.since(0)
        assert news is not None  # every version is after 0
        troubled = news.trouble or news.overfull or news.untold
        well = news.link.state == "connected" and not troubled
        word = Health(status="ok" if well else "degraded")
        # The database is asked only for who is signed in.
        return word if visit_of(request).person is None else _health(site, news, word.status)


def _health(site: Site, news: News, status: Literal["ok", "degraded"]) -> Health:
    return Health(
        status=status,
        broker=news.link,
        store=news.trouble or "ok",
        retention=news.overfull or "ok",
        deleted=deleted(site.store),
        devices=news.totals.devices,
        online=news.totals.online,
        events=news.totals.events,
        stored=news.totals.stored,
        dropped=news.totals.dropped,
        missing=news.totals.missing,
        backlog=news.totals.backlog,
        refused=site.queries.refusals(),
        given_up=site.queries.losses(),
        webhooks=site.sender.standing(),
    )
