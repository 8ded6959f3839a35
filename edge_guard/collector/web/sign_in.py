"""``/sign-in``, ``/sign-out``, ``/password``: plain forms, without script or websocket."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from html import escape
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from edge_guard.collector.people import Person
from edge_guard.collector.people.attempts import Attempts
from edge_guard.collector.people.passwords import FEWEST, MOST
from edge_guard.collector.people.roster import MOST_LETTERS, folded
from edge_guard.collector.people.visits import Visit
from edge_guard.collector.web.access import at_least, visit_of
from edge_guard.collector.web.gate import cookie_name
from edge_guard.collector.web.site import Site
from edge_guard.errors import ConfigError

STYLE = Path(__file__).with_name("style.css")
MOST_BYTES = 8192
_NOBODY_YET = (
    "Nobody can sign in yet. On the collector’s machine: "
    "edge-guard people add COLLECTOR.toml NAME --role engineer"
)
_WRONG = "Name or password is wrong."


def doors(site: Site) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    site : Site
    """
    routes, attempts = APIRouter(), Attempts()

    @routes.get("/sign-in")
    def form(next: str = "/") -> HTMLResponse:
        nobody = site.people.roster.empty()
        return _page(site, _sign_in_form(next, ""), _NOBODY_YET if nobody else "")

    @routes.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        return await _sign_in(site, attempts, request)

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        visit = visit_of(request)
        if visit.sha256:
            await asyncio.to_thread(_sign_out, site, visit)
        answer = RedirectResponse("/sign-in", 303)
        with_tls = request.url.scheme == "https"  # browsers heed no other word on a __Host- cookie
        answer.delete_cookie(cookie_name(request.scope), secure=with_tls, httponly=True)
        return answer

    @routes.get("/password")
    def password_form(who: Annotated[Person, Depends(at_least("viewer"))]) -> HTMLResponse:
        return _page(site, _password_form(who.name), "")

    @routes.post("/password")
    async def change(
        request: Request, who: Annotated[Person, Depends(at_least("viewer"))]
    ) -> Response:
        return await _change(site, attempts, request, who)

    return routes


def refusal(site: Site, error: HTTPException) -> HTMLResponse:
    """Return the page for a person whose role does not suffice."""
    words = f"{error.detail[:1].upper()}{error.detail[1:]}. Ask an engineer for it."
    return _page(site, '<a class="button" href="/">Back to the plant</a>', words, 403)


async def _sign_in(site: Site, attempts: Attempts, request: Request) -> Response:
    said = await _form(request)
    name, address = said.get("name", "").strip(), address_of(request)
    back = _within(said.get("next", "/"))
    if wait := attempts.begin(folded(name), address):
        return _later(site, _sign_in_form(back, name), wait)
    number = await asyncio.to_thread(site.people.roster.recognise, name, said.get("password", ""))
    if number is None:
        await asyncio.to_thread(_note_failure, site, name, address)
        return _page(site, _sign_in_form(back, name), _WRONG, 401)
    before = visit_of(request)
    token = await asyncio.to_thread(site.people.sessions.open, number, address, before.sha256)
    if token is None:  # removed at this very moment
        return _page(site, _sign_in_form(back, name), _WRONG, 401)
    attempts.succeeded(folded(name), address)
    if before.sha256:
        before.end()
    visit = site.people.visits.of_session(token)
    who = await asyncio.to_thread(visit.look, True)
    if who is not None:
        await asyncio.to_thread(site.trail.note, who, "sign-in", address)
    answer = RedirectResponse(back, 303)
    answer.set_cookie(
        cookie_name(request.scope),
        token,
        max_age=site.people.longest_s,
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",  # with "strict", a link in an alarm's e-mail would ask to sign in again
    )
    return answer


def _sign_out(site: Site, visit: Visit) -> None:
    who = visit.person
    site.people.sessions.end(visit.sha256)
    visit.end()
    if who is not None:
        site.trail.note(who, "sign-out", who.name)


def _note_failure(site: Site, name: str, address: str) -> None:
    # A name that nobody has may be a password in the wrong field: it is not written down.
    known = site.people.roster.knows(name)
    site.trail.note(known or "somebody", "sign-in.failed", address)


async def _change(site: Site, attempts: Attempts, request: Request, who: Person) -> Response:
    said, address = await _form(request), address_of(request)
    visit = visit_of(request)
    if not visit.sha256:
        raise HTTPException(403, "nobody is signed in whose password could be changed")
    if wait := attempts.begin(folded(who.name), address):
        return _later(site, _password_form(who.name), wait)
    roster, old, new = site.people.roster, said.get("password", ""), said.get("new", "")
    if await asyncio.to_thread(roster.recognise, who.name, old) is None:
        return _page(site, _password_form(who.name), "The present password is wrong.", 401)
    attempts.succeeded(folded(who.name), address)
    if new != said.get("again", ""):
        return _page(site, _password_form(who.name), "The new passwords differ.", 422)
    try:
        await asyncio.to_thread(roster.set_password, who.name, new, who, visit.sha256)
    except ConfigError as error:
        return _page(site, _password_form(who.name), f"{error}.", 422)
    return RedirectResponse("/", 303)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a form has at most {MOST_BYTES} bytes")
    try:
        sent = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except ValueError as error:
        raise HTTPException(422, "this is no form") from error
    return {name: values[0] for name, values in sent.items()}


def address_of(request: Request) -> str:
    """Return from where a request comes, as far as it is told apart: of IPv6 the network (/64)."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _within(path: str) -> str:
    """Return a path of this site; the start page where it would lead elsewhere."""
    plain = path.startswith("/") and path.isascii() and path.isprintable()
    return path if plain and not path.startswith("//") and "\\" not in path else "/"


def _later(site: Site, form: str, wait: float) -> HTMLResponse:
    seconds = math.ceil(wait)
    answer = _page(site, form, f"Too many attempts: wait {seconds} s, then try again.", 429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _page(site: Site, form: str, trouble: str, status: int = 200) -> HTMLResponse:
    words = f'<p class="door-trouble" role="alert">{escape(trouble)}</p>' if trouble else ""
    title = escape(site.title)
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE.read_text('utf-8')}</style></head>"
        f'<body class="door"><main class="body card door-card"><h1 class="door-title">{title}</h1>'
        f"{words}{form}</main></body></html>",
        status,
        {"Cache-Control": "no-store"},
    )


def _sign_in_form(back: str, name: str) -> str:
    return (
        '<form method="post" action="/sign-in">'
        f'<input type="hidden" name="next" value="{escape(_within(back))}">'
        + _field("Name", "name", "text", "username", MOST_LETTERS, name)
        + _field("Password", "password", "password", "current-password", MOST)
        + '<button class="button is-here">Sign in</button></form>'
    )


def _password_form(name: str) -> str:
    new = f"New password, {FEWEST} letters or more"
    return (
        f"<p>The password of {escape(name)}. Other browsers are signed out.</p>"
        '<form method="post" action="/password">'
        + _field("Present password", "password", "password", "current-password", MOST)
        + _field(new, "new", "password", "new-password", MOST)
        + _field("New password again", "again", "password", "new-password", MOST)
        + '<button class="button is-here">Change it</button> '
        '<a class="link" href="/">back</a></form>'
    )


def _field(words: str, name: str, kind: str, hint: str, most: int, value: str = "") -> str:
    return (
        f'<label class="door-field">{words}<input name="{name}" type="{kind}" '
        f'autocomplete="{hint}" maxlength="{most}" value="{escape(value)}" required></label>'
    )
