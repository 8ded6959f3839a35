"""A real HTTP server that webhooks are posted to: it takes, refuses, hangs, redirects."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Got(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def notice(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_signed(self, key: bytes = KEY) -> bool:
        """The specification's own words, computed anew."""
        content = b".".join(
            [self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body]
        )
        expected = base64.b64encode(hmac.digest(key, content, sha256)).decode()
        return self.headers["webhook-signature"] == f"v1,{expected}"


class Receiver:
    """Listens on a free port; ``status`` is what it answers, ``hang`` holds answers back."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.status = 204
        self.answer_headers: dict[str, str] = {}
        self.drip = False
        self.hang = threading.Event()
        self.hang.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(self.path, headers, body))
                receiver.hang.wait(20)
                if receiver.drip:
                    self._drip()
                    return
                self.send_response(receiver.status)
                for name, value in receiver.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def _drip(self) -> None:
                """Send one letter of a header now and then, for ever."""
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
                while receiver.drip:
                    try:
                        self.wfile.write(b"x")
                    except OSError:
                        return
                    threading.Event().wait(0.05)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?plant=north"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drip = False
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ids(self) -> list[str]:
        return [one.id for one in self.got]

    def kinds(self) -> list[str]:
        return [one.notice["type"] for one in self.got]
