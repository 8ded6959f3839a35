"""Which requests are taken: for a host that is this collector, and of bounded size.

A page of another site can point a name of its own at this machine (DNS rebinding); the browser then
takes both for one site. Only the ``Host`` header gives that away.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_guard.config import WebTable
from edge_guard.publish.messages import MOST_COMMAND_BYTES


class KnownHosts:
    """Refuses requests for a host that is not this collector, with status 421.

    Known are loopback names, IP addresses, this machine's name, ``[web] host`` and
    ``[web] allowed_hosts``.

    Parameters
    ----------
    app : ASGIApp
    config : WebTable
    """

    def __init__(self, app: ASGIApp, config: WebTable) -> None:
        self._app = app
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._names = {"localhost", own, short, f"{short}.local", config.host.lower()}
        self._names |= {name.lower() for name in config.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan" or self._is_known(_host(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            words = "this host name is not known here: add it to [web] allowed_hosts"
            await JSONResponse({"detail": words}, 421)(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        return host in self._names or _is_address(host)


async def body_of(request: Request, most_bytes: int = MOST_COMMAND_BYTES) -> bytes:
    """Return what was sent, unless it is larger than it may be."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise HTTPException(413, f"this takes at most {most_bytes} bytes")
    return bytes(body)


def _host(scope: Scope) -> str:
    """Return the name or address that a request is for, "" where it says none that is one."""
    sent = [value for name, value in scope["headers"] if name == b"host"]
    try:
        (header,) = sent
        return (urlsplit(f"//{header.decode('ascii')}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
