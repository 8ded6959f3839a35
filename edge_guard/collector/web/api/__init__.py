"""The JSON interface under ``/api``, one file a resource; ``route`` says how one is written."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI

from edge_guard import __version__
from edge_guard.collector.web.api import (
    accuracy,
    alarms,
    bundles,
    commands,
    datasets,
    devices,
    events,
    health,
    labels,
    people,
    pictures,
    retunes,
    reviews,
    rollouts,
    summaries,
    webhooks,
)
from edge_guard.collector.web.api.document import describe
from edge_guard.collector.web.api.once import Once
from edge_guard.collector.web.api.refusals import answer_problems
from edge_guard.collector.web.api.route import Route
from edge_guard.collector.web.site import Site

PLACE = "/api"
RESOURCES = (
    health,
    devices,
    events,
    labels,
    pictures,
    alarms,
    summaries,
    accuracy,
    commands,
    bundles,
    datasets,
    retunes,
    reviews,
    rollouts,
    people,
    webhooks,
)


def interface(site: Site) -> FastAPI:
    """Return the application to be mounted at `PLACE`.

    Parameters
    ----------
    site : Site
    """
    api = FastAPI(
        title="edge-guard collector",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.router.route_class = Route
    api.state.once = Once(site)
    answer_problems(api)
    for resource in RESOURCES:
        resource.add(api, site)
    describe(api)
    return api


def description() -> dict[str, Any]:
    """Return the OpenAPI document of any collector."""
    return interface(cast(Site, None)).openapi()  # routes look at it when they answer
