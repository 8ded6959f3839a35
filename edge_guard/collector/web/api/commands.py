"""``/api/commands``: what devices are told to do, and what they answered."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from fastapi import Path as InPath
from msgspec import Meta

from edge_guard.collector.commands import (
    LONGEST_VALID_S,
    VALID_S,
    CommandRow,
    ConflictError,
    Outcome,
    UnknownDeviceError,
)
from edge_guard.collector.people import Person
from edge_guard.collector.web.access import demand
from edge_guard.collector.web.api.labels import name_of
from edge_guard.collector.web.api.once import HEADER
from edge_guard.collector.web.api.route import (
    MOST_ID,
    Commander,
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
from edge_guard.publish.messages import (
    Action,
    Command,
    CommandId,
    Name,
    OfferBundle,
    Reply,
    Tighten,
)


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as it is sent in.

    Attributes
    ----------
    device_id : int
    by : str
        Name of the person; left out by whoever is signed in.
    action : Action
    id : str or None
        Whoever gives one may repeat the request: it is one command.
    valid_seconds : float
        How long it is sent, where the device does not answer.
    """

    device_id: Annotated[int, Meta(ge=1, le=MOST_ID)]
    by: Name | None = None
    action: Action
    id: CommandId | None = None
    valid_seconds: Annotated[float, Meta(gt=0, le=LONGEST_VALID_S)] = VALID_S


class ListedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and what became of it; ``number`` is higher the later it was given."""

    id: str
    number: int
    device_id: int
    issued_ms: int
    expires_ms: int
    outcome: Outcome
    command: Command
    reply: Reply | None


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.post("/commands", responses=problems(404))
    def issue(
        who: Commander, request: Request, order: Annotated[Order, Depends(Sent(Order))]
    ) -> ListedCommand:
        """Tell a device to do something.

        Offering a bundle needs the role engineer, or a token also for rollout; tightening limits
        the role engineer, or a token also for retune.
        """
        _check(who, order.action)
        by = name_of(who, order.by or "")
        if not by:
            raise RefusedRequest(422, "body: nobody gives the command", "say who does: by")
        return _issue(site, order, by, order.id or _keyed(by, request.headers.get(HEADER)))

    @api.get("/commands")
    def commands(
        who: Viewer,
        request: Request,
        limit: Limit = 50,
        before: Place = None,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> Linked[list[ListedCommand]]:
        """Return commands, newest first."""
        rows = site.commands.newest(limit, device, before)
        following = rows[-1].id if len(rows) == limit else None
        return linked([_listed(row) for row in rows], request, before=following)

    @api.get("/commands/{name}", responses=problems(404))
    def command(
        who: Viewer, name: Annotated[str, InPath(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    ) -> ListedCommand:
        """Return one command."""
        row = site.commands.get(name)
        if row is None:
            raise RefusedRequest(404, f"there is no command {name}", "GET /api/commands lists them")
        return _listed(row)


def _check(who: Person, action: Action) -> None:
    """Refuse what changes how a device judges to those who may only operate it."""
    if isinstance(action, OfferBundle):
        demand(who, "engineer", "rollout")
    elif isinstance(action, Tighten):
        demand(who, "engineer", "retune")


def _keyed(by: str, key: str | None) -> str | None:
    """Return the id of a request's key: one command, even if no answer to it could be kept."""
    return key and "key-" + sha256(f"{by} {key}".encode()).hexdigest()[:40]


def _issue(site: Site, order: Order, by: str, name: str | None) -> ListedCommand:
    try:
        row = site.commands.issue(order.device_id, by, order.action, name, order.valid_seconds)
    except UnknownDeviceError as error:
        raise RefusedRequest(404, str(error), "GET /api/devices lists them") from error
    except ConflictError as error:
        raise RefusedRequest(409, str(error), "take another id") from error
    return _listed(row)


def _listed(row: CommandRow) -> ListedCommand:
    return ListedCommand(
        id=row.command.id,
        number=row.id,
        device_id=row.device_id,
        issued_ms=row.issued_ms,
        expires_ms=row.expires_ms,
        outcome=row.outcome,
        command=row.command,
        reply=row.reply,
    )
