"""``Idempotency-Key``: a write that is sent again, because its answer was lost, is done once."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message

from edge_guard.collector.repeats import Attempt, Kept, OtherBodyError, UnderWayError
from edge_guard.collector.web.access import person
from edge_guard.collector.web.admission import body_of
from edge_guard.collector.web.api.route import JSON, RefusedRequest
from edge_guard.collector.web.site import Site

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
KEY = r"^[\x21-\x7e]{1,128}$"
_REMEDY = (
    "wait, and send it again; should it stay so, its collector was killed meanwhile or could not "
    "keep the answer: look whether it was done, and take a new key if it was not"
)
Handler = Callable[[Request], Awaitable[Response]]


class Once:
    """Answers a request with a key from memory, where it was answered before.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def answer(self, request: Request, most_bytes: int, handle: Handler) -> Response:
        """Return the answer of ``handle``, or the one that it gave to the same request before.

        Parameters
        ----------
        request : Request
        most_bytes : int
            Of its body; 0: the route takes none.
        handle : callable

        Raises
        ------
        RefusedRequest
            409, 422: the request is being answered, or the key was used for another one.
        """
        key = request.headers.get(HEADER)
        if key is None:
            return await handle(request)
        if re.fullmatch(KEY, key) is None:
            raise RefusedRequest(
                422, f"header {HEADER} is not a key", "use 1 to 128 letters, such as a UUID"
            )
        body = await body_of(request, most_bytes) if most_bytes else b""
        name = f"{_who(request)} {request.method} {request.url.path} {key}"
        known = await asyncio.to_thread(self._begin, name, body)
        if isinstance(known, Kept):
            headers = {"Idempotency-Replayed": "true"}
            return Response(known.content, known.status, headers, JSON)
        return await self._answer(known, _again(request, body), handle)

    def _begin(self, name: str, body: bytes) -> Kept | Attempt:
        try:
            return self._site.repeats.begin(name, body)
        except OtherBodyError as error:
            raise RefusedRequest(422, f"{HEADER}: {error}", "take a new key") from error
        except UnderWayError as error:
            raise RefusedRequest(409, f"{HEADER}: {error}", _REMEDY) from error

    async def _answer(self, attempt: Attempt, request: Request, handle: Handler) -> Response:
        try:
            response = await handle(request)
            content = bytes(response.body)
        except Exception:  # a cancelled one may still be at work in its thread: it keeps its key
            await self._note(self._site.repeats.forget, attempt)
            raise
        await self._note(self._site.repeats.keep, attempt, response.status_code, content)
        return response

    async def _note(self, note: Callable[..., None], *said: object) -> None:
        """Write down how a request ended; where that fails, its key stays in progress."""
        try:
            await asyncio.to_thread(note, *said)
        except SQLAlchemyError as error:  # what was done is done: the answer tells of that
            log.error("the end of a request with a key cannot be stored (%s)", error)


def _who(request: Request) -> str:
    asking = person(request)
    return f"{'person' if asking.scopes is None else 'token'} {asking.name}"


def _again(request: Request, body: bytes) -> Request:
    """Return the request with the body to be read once more."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
