"""Every refusal of the interface in one form: what is wrong, and what to do about it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import Match

from edge_guard.collector.web.api.route import JSON, Problem, Route
from edge_guard.collector.web.gate import VISIT

log = logging.getLogger(__name__)

_USUAL = {
    401: "sign in at the page, or send a token: Authorization: Bearer …",
    403: "ask somebody who may, or send a token that was made for it",
    404: "/api/openapi.json lists what there is",
    405: "/api/openapi.json lists what there is",
}


def answer_problems(api: FastAPI) -> None:
    """Have the application answer all its refusals as a `Problem`."""
    api.add_exception_handler(AnyHTTPException, _refused)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(RequestValidationError, _unfit)
    api.add_exception_handler(SQLAlchemyError, _store_fails)
    api.add_exception_handler(OSError, _store_fails)  # of the picture store
    api.add_exception_handler(Exception, _bug)


def _refused(request: Request, error: Any) -> Response:
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    remedy = getattr(error, "remedy", "") or _USUAL.get(error.status_code, "")
    return _problem(error.status_code, detail, remedy, headers)


def _methods(request: Request) -> list[str]:
    """Return every method of a path, whichever of its routes answers."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    here = [route for route in routes if route.matches(request.scope)[0] != Match.NONE]
    return sorted({method for route in here for method in route.methods or ()})


def _unfit(_request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    words = f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return _problem(422, words, "see /api/openapi.json")


def _store_fails(request: Request, error: Any) -> Response:
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.error("a request cannot be answered: the store fails (%s)", cause)
    # What drivers say names hosts, paths and tables: nothing for strangers.
    known = getattr(request.scope.get(VISIT), "person", None) is not None
    why = f" ({cause})" if known else ""
    remedy = "try again; the collector's log says more"
    return _problem(503, f"the store fails{why}", remedy, {"Retry-After": "5"})


def _bug(_request: Request, error: Any) -> Response:
    return _problem(500, f"a bug in edge-guard ({type(error).__name__})", "see the collector's log")


def _problem(status: int, detail: str, remedy: str, headers: Any = None) -> Response:
    said = Problem(_sayable(detail), _sayable(remedy))
    return Response(msgspec.json.encode(said), status, headers, JSON)


def _sayable(words: str) -> str:
    return words.encode(errors="replace").decode()
