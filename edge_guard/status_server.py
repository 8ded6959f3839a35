"""``/metrics`` and ``/health`` over HTTP, read only, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

import msgspec

from edge_guard.errors import ConfigError
from edge_guard.metrics import Status, exposition

log = logging.getLogger(__name__)

_CLIENT_SECONDS = 5.0
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class StatusServer:
    """Serves a device's metrics and health until it is closed.

    ``/health`` answers 200 when nothing is wrong, else 503, with the causes as JSON.

    Parameters
    ----------
    host : str
    port : int
        0: any free one.
    status : callable
        Returns the status of now.

    Attributes
    ----------
    port : int

    Raises
    ------
    ConfigError
        Nothing can listen there.
    """

    def __init__(self, host: str, port: int, status: Callable[[], Status]) -> None:
        class Handler(_Handler):
            current = staticmethod(status)

        try:
            self._server = _Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"[metrics] cannot listen on {host} port {port}: {error}", "choose another port"
            ) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking a name server, which may be away, for this machine's name."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Note a client that went away or sent nonsense."""
        log.debug("metrics: a request of %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    current: Callable[[], Status]
    timeout = _CLIENT_SECONDS
    server_version = "edge-guard"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, _TEXT, exposition(self.current()))
        elif path == "/health":
            causes = self.current().causes
            code = HTTPStatus.SERVICE_UNAVAILABLE if causes else HTTPStatus.OK
            said = {"state": "degraded" if causes else "online", "causes": causes}
            self._answer(code, "application/json", msgspec.json.encode(said))
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"see /metrics and /health\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: who asks is no news."""

    def _answer(self, code: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
