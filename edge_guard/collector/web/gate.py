"""Lets in who may come in: the one place that all requests and websockets pass.

Whoever has neither a session nor a token gets the sign-in form, the state of health in one word,
and bundles by their unguessable digest (devices fetch them, and have no accounts); nothing else,
so that a new page is closed until somebody opens it here. What a role may do is said by the routes
and pages (``access.at_least``).

What a browser sends for a page of another site must not count as the person's own wish (CSRF). A
session comes by cookie, which browsers add to such requests too, so every request that changes
something must say where it comes from: ``Sec-Fetch-Site: same-origin``, which no page can forge,
or where browsers do not send it (before 2023, or without TLS) an ``Origin`` that is this site. A
websocket and its polling stand-in, of which NiceGUI itself checks no origin, are held to the same.
Browsers send no token of themselves, and a program without session need not say its origin. See
OWASP, Cross-Site Request Forgery Prevention, "Fetch Metadata headers" and "Verifying origin".
"""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import quote, urlsplit

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_guard.collector.people import Person
from edge_guard.collector.people.visits import Visit, Visits

log = logging.getLogger(__name__)

COOKIE = "edge-guard-session"
VISIT = "edge_guard.visit"
"""Where the visit stands in the ASGI scope."""
_SOCKET = "/_nicegui_ws/"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = re.compile(r"/sign-in|/favicon\.ico|/api/health|/api/bundles/[0-9a-f]{64}")
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)
_RELOAD = '42["try_reconnect",{}]'
"""Has NiceGUI's page load itself again, and so find the sign-in form."""
_BY_OTHERS = "orders are not taken from pages of other sites"
_STRANGER = {
    "detail": "nobody is signed in",
    "remedy": "sign in at the page, or send a token: Authorization: Bearer …",
}

_AGAIN_S = 5
_FAILS = {
    "detail": "the store fails at this moment; nothing was done",
    "remedy": "try again; the collector's log says more",
}
_FAILS_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Out of order</title>'
    f'<meta http-equiv="refresh" content="{_AGAIN_S}"></head><body><h1>The collector’s store fails '
    "at this moment</h1><p>Nothing was done, and nothing is lost: devices keep what they have. "
    "This page tries again by itself; the collector’s log says more.</p></body></html>"
)


class Gate:
    """Finds out who asks, and refuses strangers and what other sites send.

    Parameters
    ----------
    app : ASGIApp
    visits : Visits
    """

    def __init__(self, app: ASGIApp, visits: Visits) -> None:
        self._app, self._visits = app, visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            visit = await self._visit(scope, headers)
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            log.error("nobody can be recognised: the store fails (%s)", cause)
            if not _is_open(scope):
                await _answer(out_of_order(scope["path"]), scope, send)
                return
            visit = Visit(lambda _: None)
        scope[VISIT] = visit
        if not _is_own(scope, headers, visit):
            await _answer(JSONResponse({"detail": _BY_OTHERS, "remedy": ""}, 403), scope, send)
        elif visit.person is None and not _is_open(scope):
            await _answer(_turn_away(scope), scope, send)
        elif scope["type"] == "websocket":
            watched = Watched(visit, receive, send)
            await self._app(scope, watched.receive, watched.send)
        else:
            await self._app(scope, receive, send)

    async def _visit(self, scope: Scope, headers: Headers) -> Visit:
        used = not scope["path"].startswith(_SOCKET)
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and scope["path"].startswith("/api/"):
            visit = self._visits.of_token(token.strip())
            await _look(visit, used)
            return visit
        token = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
        if token:
            visit = self._visits.of_session(token)
            if await _look(visit, used, patient=not used) is not None:
                return visit
        visit = self._visits.seat(any(name in headers for name in _FORWARDED))
        await _look(visit, used, patient=not used)
        return visit


class Watched:
    """A websocket that ends when its session does.

    Parameters
    ----------
    visit : Visit
    receive, send : callable
        Of the websocket.
    """

    def __init__(self, visit: Visit, receive: Receive, send: Send) -> None:
        self._visit, self._receive, self._send = visit, receive, send
        self._ended = False

    async def receive(self) -> Message:
        """Return what the browser says, or that it has gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        event = (message.get("text") or "").startswith('42["event"')
        if await self._goes_on(used=event):
            return message
        return {"type": "websocket.disconnect", "code": 1008}

    async def send(self, message: Message) -> None:
        """Tell the browser something, unless nobody is signed in there any more."""
        if message["type"] == "websocket.send":
            await self._goes_on(used=False)
        if not self._ended:
            await self._send(message)

    async def _goes_on(self, used: bool) -> bool:
        try:
            who = await _look(self._visit, used, patient=True)
        except SQLAlchemyError as error:
            log.error("an open page ends: the store fails for too long (%s)", error)
            who = None
        if who is None and not self._ended:
            self._ended = True
            await self._send({"type": "websocket.send", "text": _RELOAD})
            await self._send({"type": "websocket.close", "code": 1008})
        return not self._ended


def cookie_name(scope: Scope) -> str:
    """Return the name of the session's cookie; over TLS, one that no other host can set."""
    return f"__Host-{COOKIE}" if scope["scheme"] in ("https", "wss") else COOKIE


def out_of_order(path: str) -> Response:
    """Return what a request gets while the database cannot be asked."""
    headers = {"Retry-After": str(_AGAIN_S), "Cache-Control": "no-store"}
    if path.startswith(("/api", "/_nicegui")):
        return JSONResponse(_FAILS, 503, headers)
    return HTMLResponse(_FAILS_PAGE, 503, headers)


async def _look(visit: Visit, used: bool, patient: bool = False) -> Person | None:
    if visit.is_fresh(used):
        return visit.person
    return await asyncio.to_thread(visit.look, used, patient)


def _is_own(scope: Scope, headers: Headers, visit: Visit) -> bool:
    """Tell whether nothing is to be changed, or this site's own page or a program asks for it."""
    if scope.get("method") in _SAFE and not scope["path"].startswith(_SOCKET):
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None or not visit.sha256
    try:
        said = urlsplit(origin)
    except ValueError:
        return False
    with_tls = scope["scheme"] in ("https", "wss")
    return said.netloc == headers.get("host") and (said.scheme == "https" or not with_tls)


def _is_open(scope: Scope) -> bool:
    return scope["type"] == "http" and _OPEN.fullmatch(scope["path"]) is not None


def _turn_away(scope: Scope) -> Response:
    path: str = scope["path"]
    if scope.get("method") not in ("GET", "HEAD") or path.startswith(("/api", "/_nicegui")):
        return JSONResponse(_STRANGER, 401, {"WWW-Authenticate": "Bearer"})
    asked = quote(path)
    if query := scope["query_string"].decode("ascii", "replace"):
        asked += f"?{query}"
    after = "" if asked == "/" else f"?next={quote(asked, safe='')}"
    return RedirectResponse(f"/sign-in{after}", 303)


async def _answer(response: Response, scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
