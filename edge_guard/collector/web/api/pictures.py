"""``/api/pictures``: the pictures of frames, by their sha-256."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Response
from fastapi import Path as InPath

from edge_guard.collector.pictures import is_digest, media_type
from edge_guard.collector.web.api.route import RefusedRequest, Viewer, problems
from edge_guard.collector.web.site import Site

Digest = Annotated[str, InPath(min_length=1, max_length=128)]
_A_DAY = {"Cache-Control": "private, max-age=86400, immutable"}
"""It never changes, but it may be deleted."""
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png")
        },
    }
}


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/pictures/{digest}", response_class=Response, responses=_CONTENT | problems(404))
    def picture(who: Viewer, digest: Digest) -> Response:
        """Return a picture."""
        return _answer(site.pictures.get(digest) if is_digest(digest) else None)

    @api.get(
        "/pictures/{digest}/small", response_class=Response, responses=_CONTENT | problems(404)
    )
    def small_picture(who: Viewer, digest: Digest) -> Response:
        """Return a picture for a list, its longer side at most 400 px where that saves bytes."""
        return _answer(site.smaller.get(digest) if is_digest(digest) else None)


def _answer(content: bytes | None) -> Response:
    kind = media_type(content) if content is not None else None
    if content is None or kind is None:
        raise RefusedRequest(404, "there is no such picture", "it may not have arrived yet")
    return Response(content, media_type=kind, headers=_A_DAY)
