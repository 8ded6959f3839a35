"""``/api/rollouts``: bundles on their way to streams, and what people want of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from edge_guard.collector.people import Person
from edge_guard.collector.rollouts import (
    Act,
    ConflictError,
    NotNowError,
    Order,
    Rollout,
    UnknownRolloutError,
)
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.api.route import (
    Id,
    Limit,
    Linked,
    Place,
    RefusedRequest,
    Sent,
    Viewer,
    linked,
    problems,
)
from edge_guard.collector.web.site import Site
from edge_guard.errors import BundleError, ConfigError

_MOST_BYTES = 1 << 20
Roller = Annotated[Person, Depends(at_least("engineer", "rollout"))]


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.post("/rollouts", responses=problems(409))
    def start(
        who: Roller, request: Request, order: Annotated[Order, Depends(Sent(Order, _MOST_BYTES))]
    ) -> Rollout:
        """Bring a bundle to streams; the same order again is the same rollout."""
        return _start(site, order, who, f"{request.base_url}api/")

    @api.get("/rollouts")
    def rollouts(
        who: Viewer, request: Request, limit: Limit = 50, before: Place = None
    ) -> Linked[list[Rollout]]:
        """Return rollouts, newest first."""
        rows = site.rollouts.newest(limit, before)
        following = rows[-1].id if len(rows) == limit else None
        return linked(rows, request, before=following)

    @api.get("/rollouts/{number}", responses=problems(404))
    def rollout(who: Viewer, number: Id) -> Rollout:
        """Return one rollout with the progress of each stream."""
        try:
            return site.rollouts.get(number)
        except UnknownRolloutError as error:
            raise RefusedRequest(404, str(error), "GET /api/rollouts lists them") from error

    @api.post("/rollouts/{number}/{wanted}", responses=problems(404, 409))
    def act(who: Roller, number: Id, wanted: Act) -> Rollout:
        """Pause, resume or abort a rollout, or return every stream to its bundle before."""
        try:
            return site.rollouts.act(number, wanted, who)
        except UnknownRolloutError as error:
            raise RefusedRequest(404, str(error), "GET /api/rollouts lists them") from error
        except (NotNowError, ConflictError) as error:
            raise RefusedRequest(409, str(error), "look at the rollout") from error


def _start(site: Site, order: Order, who: Person, base_url: str) -> Rollout:
    try:
        return site.rollouts.start(order, who, base_url)
    except ConfigError as error:
        raise RefusedRequest(422, error.problem, error.remedy) from error
    except BundleError as error:  # of what is stored, or of what streams run
        raise RefusedRequest(409, error.problem, error.remedy) from error
    except ConflictError as error:
        raise RefusedRequest(409, str(error), "look at /api/rollouts") from error
