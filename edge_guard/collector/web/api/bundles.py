"""``/api/bundles``: bundles that devices are to fetch."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from edge_guard.collector.bundles import BusyError, TooLargeError
from edge_guard.collector.people import Person
from edge_guard.collector.web.access import at_least
from edge_guard.collector.web.api.route import RefusedRequest, problems
from edge_guard.collector.web.site import Site
from edge_guard.errors import BundleError
from edge_guard.publish.messages import MOST_BUNDLE_BYTES

LONGEST_UPLOAD_S = 600.0
"""No other upload is taken meanwhile."""
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BODY = {"requestBody": {"required": True, "content": _BYTES}}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bundle's file.", "content": _BYTES}
}

Roller = Annotated[Person, Depends(at_least("engineer", "rollout"))]


class UploadedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What a command that offers the bundle needs to say.

    Attributes
    ----------
    bundle : str
        Its id.
    sha256 : str
    size_bytes : int
    url : str
        Where devices fetch it.
    """

    bundle: str
    sha256: str
    size_bytes: int
    url: str


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.post("/bundles", responses=problems(408, 409, 413, 422, 507), openapi_extra=_BODY)
    async def upload(who: Roller, request: Request) -> UploadedBundle:
        """Store a bundle; the same one again changes nothing."""
        uploaded = await _upload(site, request)
        said = {"sha256": uploaded.sha256, "size_bytes": uploaded.size_bytes}
        await asyncio.to_thread(site.trail.note, who, "bundle.upload", uploaded.bundle, said)
        return uploaded

    @api.get("/bundles/{digest}", response_class=Response, responses=_CONTENT | problems(404))
    def bundle(
        digest: Annotated[str, InPath(pattern=r"^[0-9a-f]{64}$")],
    ) -> FileResponse:
        """Return a bundle; its digest, which nobody can guess, is all that devices need to know."""
        path = site.bundles.path(digest)
        if path is None:
            raise RefusedRequest(404, "there is no such bundle", "POST /api/bundles uploads one")
        return FileResponse(path, media_type="application/octet-stream", headers=FOREVER)


async def _upload(site: Site, request: Request) -> UploadedBundle:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BUNDLE_BYTES:
        raise RefusedRequest(413, f"a bundle has at most {MOST_BUNDLE_BYTES} bytes")
    try:
        with site.bundles.receive() as received:
            async with asyncio.timeout(LONGEST_UPLOAD_S):
                async for piece in request.stream():
                    received.add(piece)
            digest, name = await asyncio.to_thread(received.finish)
    except TooLargeError as error:
        raise RefusedRequest(413, error.problem, error.remedy) from error
    except BundleError as error:
        raise RefusedRequest(422, error.problem, error.remedy) from error
    except BusyError as error:
        raise RefusedRequest(409, str(error), "try again when it is done") from error
    except TimeoutError:
        raise RefusedRequest(408, f"an upload takes at most {LONGEST_UPLOAD_S:.0f} s") from None
    except OSError as error:
        raise RefusedRequest(
            507, f"the bundle cannot be stored ({error.strerror})", "free space on its disk"
        ) from error
    return UploadedBundle(
        bundle=name,
        sha256=digest,
        size_bytes=received.size_bytes,
        url=f"{request.base_url}api/bundles/{digest}",
    )
