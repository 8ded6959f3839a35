"""The JSON interface for commands and bundles: ``/api/commands``, ``/api/bundles``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse
from msgspec import Meta

from edge_guard.collector.bundles import BusyError
from edge_guard.collector.commands import (
    LONGEST_VALID_S,
    VALID_S,
    CommandRow,
    ConflictError,
    UnknownDeviceError,
)
from edge_guard.collector.web.admission import body_of, of_this_site
from edge_guard.collector.web.site import Site
from edge_guard.errors import BundleError
from edge_guard.publish.messages import Action, CommandId, Name, decode

MOST_ID = 2**63 - 1
LONGEST_UPLOAD_S = 600.0
"""No other upload is taken meanwhile."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as it is sent in."""

    device_id: Annotated[int, Meta(ge=1, le=MOST_ID)]
    by: Name
    action: Action
    id: CommandId | None = None
    """Whoever gives one may repeat the request: it is one command."""
    valid_seconds: Annotated[float, Meta(gt=0, le=LONGEST_VALID_S)] = VALID_S


def orders(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site
    """
    api = APIRouter(prefix="/api")

    @api.post("/commands", dependencies=[Depends(of_this_site)])
    async def issue(request: Request) -> dict[str, Any]:
        order = _order(await body_of(request))
        return await asyncio.to_thread(_issue, site, order)

    @api.get("/commands")
    def commands(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        device: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
    ) -> list[dict[str, Any]]:
        return [_command(row) for row in site.commands.newest(limit, device)]

    @api.get("/commands/{name}")
    def command(name: str) -> dict[str, Any]:
        row = site.commands.get(name)
        if row is None:
            raise HTTPException(404, f"there is no command {name}")
        return _command(row)

    @api.post("/bundles", dependencies=[Depends(of_this_site)])
    async def upload(request: Request) -> dict[str, Any]:
        return await _upload(site, request)

    @api.get("/bundles/{digest}")
    def bundle(digest: str) -> FileResponse:
        path = site.bundles.path(digest)
        if path is None:
            raise HTTPException(404, "there is no such bundle")
        return FileResponse(path, media_type="application/octet-stream")

    return api


def _order(body: bytes) -> Order:
    try:
        return decode(body, Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from error


def _issue(site: Site, order: Order) -> dict[str, Any]:
    try:
        row = site.commands.issue(
            order.device_id, order.by, order.action, order.id, order.valid_seconds
        )
    except UnknownDeviceError as error:
        raise HTTPException(404, str(error)) from error
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    return _command(row)


async def _upload(site: Site, request: Request) -> dict[str, Any]:
    try:
        with site.bundles.receive() as received:
            async with asyncio.timeout(LONGEST_UPLOAD_S):
                async for piece in request.stream():
                    received.add(piece)
            digest, name = await asyncio.to_thread(received.finish)
    except BundleError as error:
        raise HTTPException(422, str(error)) from error
    except BusyError as error:
        raise HTTPException(409, str(error)) from error
    except TimeoutError:
        raise HTTPException(408, f"an upload takes at most {LONGEST_UPLOAD_S:.0f} s") from None
    except OSError as error:
        raise HTTPException(507, f"the bundle cannot be stored ({error.strerror})") from error
    return {
        "bundle": name,
        "sha256": digest,
        "size_bytes": received.size_bytes,
        "url": f"{request.base_url}api/bundles/{digest}",
    }


def _command(row: CommandRow) -> dict[str, Any]:
    return {
        "id": row.command.id,
        "device_id": row.device_id,
        "issued_ms": row.issued_ms,
        "expires_ms": row.expires_ms,
        "outcome": row.outcome,
        "command": msgspec.to_builtins(row.command),
        "reply": msgspec.to_builtins(row.reply),
    }
