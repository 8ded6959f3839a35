"""The web server in a thread: pages, JSON interface, security headers."""

from __future__ import annotations

import logging
import socket
import threading
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import app as pages
from nicegui import ui
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_guard.collector.web.admission import KnownHosts
from edge_guard.collector.web.api import PLACE, interface
from edge_guard.collector.web.gate import Gate, out_of_order
from edge_guard.collector.web.pages import register
from edge_guard.collector.web.sign_in import doors
from edge_guard.collector.web.site import Site
from edge_guard.config import WebTable
from edge_guard.errors import ConfigError

log = logging.getLogger(__name__)

START_S = 30.0
STOP_S = 10.0
ICON = Path(__file__).with_name("icon.svg")
HEADERS = {
    # NiceGUI compiles its templates in the browser, hence the two "unsafe" of script-src.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with it browsers hide the origin of a form from the site itself as well.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class WebServer:
    """Serves the pages until stopped.

    Parameters
    ----------
    config : WebTable
        Port 0 takes a free one.
    site : Site

    Raises
    ------
    ConfigError
        The address cannot be listened on.
    """

    def __init__(self, config: WebTable, site: Site) -> None:
        self._socket = _listen(config.host, config.port)
        host = f"[{config.host}]" if ":" in config.host else config.host
        scheme = "https" if config.certificate_file else "http"
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.include_router(doors(site))
        app.mount(PLACE, interface(site))
        for part in (app, pages):
            part.add_exception_handler(SQLAlchemyError, _store_fails)
        app.add_middleware(Gate, visits=site.people.visits)
        app.add_middleware(KnownHosts, config=config)
        app.add_middleware(SecurityHeaders)
        register(site)
        ui.run_with(
            app,
            title=config.title,
            favicon=ICON,
            dark=None,  # as the system has it
            tailwind=False,
            show_welcome_message=False,
        )
        self._server = uvicorn.Server(_settings(app, config))
        self._thread = threading.Thread(target=self._run, name="collector-web", daemon=True)

    def start(self) -> None:
        """Return when pages are served.

        Raises
        ------
        ConfigError
            The server did not start.
        """
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise ConfigError(f"the page at {self.url} did not start", "see the log above")
            time.sleep(0.02)

    def stop(self) -> None:
        """Close all connections; returns when the thread has ended."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


class SecurityHeaders:
    """Adds ``HEADERS`` to every answer, and over TLS that it is to stay so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with the headers added."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _store_fails(request: Request, error: Exception) -> Response:
    log.error("%s cannot be shown: the store fails (%s)", request.url.path, error)
    return out_of_order(request.url.path)


def _settings(app: FastAPI, config: WebTable) -> uvicorn.Config:
    settings = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=1,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies),
        ssl_certfile=config.certificate_file,
        ssl_keyfile=config.key_file,
        server_header=False,
    )
    try:
        settings.load()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"[web] certificate_file {config.certificate_file} and key_file {config.key_file} "
            f"cannot be used ({error})",
            "give a certificate and its key, both PEM, the key without a password",
        ) from error
    return settings


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"the page cannot be served on [web] host {host}, port {port} ({error})",
            "choose another port, or stop the program that uses it",
        ) from error
