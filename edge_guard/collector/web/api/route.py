"""What every route of the interface keeps: typed answers and bodies, uniform problems, pages.

@api.get("/alarms")                                  # api: the FastAPI of `interface`
def alarms(request: Request, limit: Limit = 50) -> Linked[list[AlarmListed]]: …

@api.post("/labels", responses=problems(404))
def label(said: Annotated[Labels, Depends(Sent(Labels))], who: Operator) -> list[LabelAnswer]: …

Types are msgspec structs or dataclasses: the one that an endpoint returns is encoded as JSON and
described in the OpenAPI document, and so is the one that it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Generic, TypeVar, get_type_hints
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from edge_guard.collector.people import Person
from edge_guard.collector.web.access import at_least, demand, person
from edge_guard.collector.web.admission import body_of
from edge_guard.publish.messages import MOST_COMMAND_BYTES

T = TypeVar("T")
MOST_ID = 2**63 - 1
JSON = "application/json"
_EXACT = 2.0**53
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Id = Annotated[int, InPath(ge=1, le=MOST_ID)]
Place = Annotated[int | None, Query(ge=1, le=MOST_ID)]
"""Where a page begins: only what is listed below this, the place of the last one before."""
Limit = Annotated[int, Query(ge=1, le=500)]
DeviceId = Annotated[int, Query(ge=1, le=MOST_ID)]
StreamName = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]
SinceMs = Annotated[int, Query(ge=0, le=MOST_ID)]

Viewer = Annotated[Person, Depends(at_least("viewer"))]
Operator = Annotated[Person, Depends(at_least("operator"))]
Commander = Annotated[Person, Depends(at_least("operator", "command"))]
Engineer = Annotated[Person, Depends(at_least("engineer"))]

MEANINGS = {
    401: "Nobody is signed in, and no valid token was sent.",
    403: "The role or the token's scopes do not allow it, or another site's page asks.",
    404: "There is no such thing.",
    405: "The path knows no such method.",
    408: "The upload took too long.",
    409: "It contradicts what is stored, or is under way at this moment.",
    413: "The body is too large.",
    415: "The body is of another content type than the route takes.",
    421: "The host name is not known here: see [web] allowed_hosts.",
    422: "A parameter or the body is not what the description asks for.",
    429: "Too many requests: wait as long as Retry-After says.",
    500: "A bug in edge-guard.",
    503: "The store fails at this moment; nothing was done.",
    507: "The disk is full.",
}
"""Every status that says no."""


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused.

    Attributes
    ----------
    detail : str
        What is wrong, naming the parameter, key or value.
    remedy : str
        What to do about it; empty where that goes without saying.
    """

    detail: str
    remedy: str = ""


class RefusedRequest(HTTPException):
    """A request that is answered with a `Problem`.

    Parameters
    ----------
    status : int
    detail : str
    remedy : str, optional
    """

    def __init__(self, status: int, detail: str, remedy: str = "") -> None:
        super().__init__(status, detail)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Linked(Generic[T]):
    """A page of a long list: its body, and the address of the next page, in the ``Link`` header."""

    body: T
    following: str | None


def linked(body: T, request: Request, **cursor: object) -> Linked[T]:
    """Return a page; ``cursor`` are the parameters that lead to the next, all None on the last."""
    if all(value is None for value in cursor.values()):
        return Linked(body, None)
    query = dict(request.query_params) | {key: str(value) for key, value in cursor.items()}
    return Linked(body, f"{request.url.path}?{urlencode(query)}")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route declares to refuse beyond what every route does."""
    return {status: {"description": MEANINGS[status]} for status in statuses}


class Sent(Generic[T]):
    """A dependency that gives the body of a request, once it is checked.

    Parameters
    ----------
    kind : type
    most_bytes : int
    """

    def __init__(self, kind: type[T], most_bytes: int = MOST_COMMAND_BYTES) -> None:
        self.kind = kind
        self.most_bytes = most_bytes

    async def __call__(self, request: Request) -> T:
        """Return the body.

        Raises
        ------
        RefusedRequest
            413, 415, 422: it is too large, no JSON, or not what it should be.
        """
        sent = request.headers.get("content-type", "")
        if sent.partition(";")[0].strip().lower() != JSON:
            what = "no content type" if not sent else f"content type {sent[:100]!r}"
            raise RefusedRequest(415, f"the body has {what}", f"send {JSON}")
        try:
            said = msgspec.json.decode(await body_of(request, self.most_bytes))
            return msgspec.convert(_with_integers(said), self.kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedRequest(422, f"body: {error}", "see /api/openapi.json") from error


def _with_integers(value: Any) -> Any:
    """Return decoded JSON with 3.0 as the integer that it is in JSON Schema."""
    if isinstance(value, float) and abs(value) <= _EXACT and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return value


class Route(APIRoute):
    """A route whose answer and body are typed by msgspec.

    Attributes
    ----------
    answer : type
        What the endpoint returns: encoded as JSON, unless it is a ``Response`` already.
    sent : Sent or None
        What it takes.
    needs : tuple of (str, str or None) or None
        Role of a person, scope of a token; None: anybody may.
    keyed : bool
        It is a write that honours an ``Idempotency-Key``: each but those of raw bytes, which are
        known by their content.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.answer = get_type_hints(endpoint, include_extras=True)["return"]
        super().__init__(path, _encoded(endpoint), **options | {"response_model": None})
        # Strangers learn nothing of what a route takes.
        self.dependant.dependencies.sort(key=lambda one: not hasattr(one.call, "needs"))
        calls = [one.call for one in self.dependant.dependencies]
        self.sent = next((call for call in calls if isinstance(call, Sent)), None)
        needs = [getattr(call, "needs", None) for call in calls]
        self.needs = next((need for need in needs if need is not None), None)
        raw = "requestBody" in (self.openapi_extra or {})
        self.keyed = not raw and not WRITES.isdisjoint(self.methods or ())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; a write with a key once only."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if not self.keyed:
                return await handle(request)
            if (needs := self.needs) is not None:  # a kept answer, too, is for who may ask for it
                await run_in_threadpool(lambda: demand(person(request), *needs))
            most_bytes = 0 if self.sent is None else self.sent.most_bytes
            response: Response = await request.app.state.once.answer(request, most_bytes, handle)
            return response

        return answer


def _encoded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return an endpoint with the same parameters that answers in JSON."""

    @wraps(endpoint)
    async def waited(**given: Any) -> Response:
        if inspect.iscoroutinefunction(endpoint):
            return _response(await endpoint(**given))
        return await run_in_threadpool(lambda: _response(endpoint(**given)))

    return waited


def _response(value: Any) -> Response:
    if isinstance(value, Response):
        return value
    headers = {}
    if isinstance(value, Linked):
        if value.following is not None:
            headers["Link"] = f'<{value.following}>; rel="next"'
        value = value.body
    return Response(msgspec.json.encode(value), media_type=JSON, headers=headers)
