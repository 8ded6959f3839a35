"""Somebody at the collector's door: requests as they go over the wire, with a jar for cookies."""

from __future__ import annotations

import http.client
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from edge_guard.cli.main import main

PASSWORD = "correct horse battery"
COOKIE = "edge-guard-session"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def text(self) -> str:
        return self.body.decode()


@dataclass
class Visitor:
    """One browser, or one program with a token."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    context: Any = None  # of TLS

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request; cookies that come back are kept."""
        where = urlsplit(self.url)
        if where.scheme == "https":
            line: http.client.HTTPConnection = http.client.HTTPSConnection(
                where.netloc, timeout=30, context=self.context
            )
        else:
            line = http.client.HTTPConnection(where.netloc, timeout=30)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        line.request(method, path, body, sent)
        answer = line.getresponse()
        found = Answer(answer.status, answer.headers, answer.read())
        line.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return found

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def submit(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Send a form, as the site's own page does."""
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url}
        return self.ask("POST", path, urlencode(fields).encode(), **(form | headers))

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Send JSON, as the site's own page does."""
        own = {"Content-Type": "application/json", "Origin": self.url}
        return self.ask("POST", path, json.dumps(body).encode(), **(own | headers))

    def sign_in(self, name: str, password: str = PASSWORD, **more: str) -> Answer:
        return self.submit("/sign-in", {"name": name, "password": password} | more)


def people(config: Path, *words: str) -> str:
    """Run ``edge-guard people`` and return what it prints."""
    secret = config.parent / "password"
    secret.write_text(PASSWORD)
    more = ("--password-file", str(secret)) if words[0] in ("add", "password") else ()
    with redirect_stdout(StringIO()) as out:
        assert main(["people", *words, *more]) == 0
    return out.getvalue().strip()
