"""The OpenAPI description, completed from the types of each route's answer and body."""

from __future__ import annotations

import inspect
from typing import Any, get_args, get_origin

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from edge_guard.collector.web.api.once import HEADER, KEY
from edge_guard.collector.web.api.route import JSON, MEANINGS, Linked, Problem, Route
from edge_guard.collector.web.gate import COOKIE
from edge_guard.collector.webhooks.notices import KINDS, Notice

_ALWAYS = (401, 403, 421, 422, 429, 500, 503)
_WITH_BODY = (408, 413, 415)
_USUAL = {"viewer": "read", "operator": "label", "engineer": "admin"}
_REF = "#/components/schemas/{name}"
_ABOUT = """Everything that the page can do. Long lists are paged: follow the address in the `Link`
header. Writes may be repeated: the same thing said twice is stored once, and a write with an
`Idempotency-Key` is answered once; its answer is kept for a day, and the key of one that got none
for 30. A bundle, which is known by its content, takes no key. Times are milliseconds since the
Unix epoch where the name ends in `_ms`, else RFC 3339. Whoever refuses says what is wrong
(`detail`) and what to do (`remedy`)."""
_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A program's token; its scopes say what it may.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Of a person who is signed in at the page; the role says what they may.",
    },
}


def describe(api: FastAPI) -> None:
    """Have the application serve its whole description at ``/openapi.json``."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(document(api))
        return made

    api.openapi = openapi  # type: ignore[method-assign]


def document(api: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of an interface."""
    routes = [route for route in api.routes if isinstance(route, Route)]
    described = get_openapi(title=api.title, version=api.version, description=_ABOUT, routes=routes)
    described["servers"] = [{"url": "/api"}]
    kinds = [Problem, Notice, *(kind for route in routes for kind in _kinds(route))]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    found = dict(zip(map(str, kinds), schemas, strict=True))
    for route in routes:
        for method in route.methods or ():
            operation = described["paths"][route.path_format][method.lower()]
            _complete(operation, route, found)
    described["components"] = {
        "schemas": {name: _tidied(part) for name, part in sorted(components.items())},
        "responses": {str(status): _problem(status) for status in MEANINGS},
        "securitySchemes": _SECURITY,
    }
    described["webhooks"] = {kind: {"post": _told(kind)} for kind in KINDS}
    return described


def _kinds(route: Route) -> list[Any]:
    answer = _answer(route)
    kinds = [] if answer is None else [answer]
    return kinds if route.sent is None else [*kinds, route.sent.kind]


def _answer(route: Route) -> Any:
    """Return the type of a route's answer; None where it is no JSON."""
    answer = route.answer
    if get_origin(answer) is Linked:
        return get_args(answer)[0]
    return None if isinstance(answer, type) and issubclass(answer, Response) else answer


def _complete(operation: dict[str, Any], route: Route, found: dict[str, dict[str, Any]]) -> None:
    operation["operationId"] = route.name
    operation["security"] = []
    words = "Anybody may."
    if route.needs is not None:
        role, scope = route.needs
        scope = scope or _USUAL[role]
        operation["security"] = [{"token": [scope]}, {"session": [role]}]
        words = f"Needs the role {role}, or a token for {scope}."
    about = inspect.cleandoc(route.endpoint.__doc__ or "").replace("\n", " ")
    operation["description"] = f"{about} {words}"
    answers = operation["responses"]
    if (kind := _answer(route)) is not None:
        answers["200"] = {"description": "Done.", "content": _json(found[str(kind)])}
    if get_origin(route.answer) is Linked:
        answers["200"]["headers"] = {"Link": _LINK}
    if route.sent is not None:
        operation["requestBody"] = {"required": True, "content": _json(found[str(route.sent.kind)])}
    if route.keyed:
        operation.setdefault("parameters", []).append(_KEY)
    with_body = _WITH_BODY if route.sent is not None else ()
    also = (409,) if route.keyed else ()
    refused = {*_ALWAYS, *with_body, *also, *(int(n) for n in answers if int(n) >= 400)}
    for status in sorted(refused):
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name="Problem")}
    return {"description": MEANINGS[status], "content": _json(schema)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {JSON: {"schema": schema}}


_LINK = {
    "description": 'The next page, as `<ADDRESS>; rel="next"`; absent on the last one.',
    "schema": {"type": "string"},
}
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same request with the same key is answered once.",
    "schema": {"type": "string", "pattern": KEY},
}


def _told(kind: str) -> dict[str, Any]:
    """Return what a webhook sends."""
    return {
        "summary": KINDS[kind],
        "requestBody": {"content": _json({"$ref": _REF.format(name="Notice")})},
        "responses": {"2XX": {"description": "Taken; anything else is tried again."}},
    }


def _tidied(part: dict[str, Any]) -> dict[str, Any]:
    if "description" in part:
        part["description"] = inspect.cleandoc(part["description"])
    return part
