"""A collector with people and tokens, asked over HTTP as programs do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from brokers import Listener
from reports import Reporter, picture
from resender import wait_until
from running import Running

from edge_guard.collector.people import SCOPES
from edge_guard.collector.people.house import opened
from edge_guard.config import load_collector_config


class Answer(NamedTuple):
    """What came back; ``said`` is the JSON, or the bytes of anything else."""

    status: int
    headers: Mapping[str, str]
    said: Any


class SignedIn(Running):
    """Has an engineer, and a token for each scope; asks with the token for ``admin``."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        super().__init__(folder, broker_port)
        with opened(load_collector_config(self.config)) as keepers:
            keepers.roster.add("ada", "engineer", "correct horse battery staple", "test")
            self.tokens = {
                scope: keepers.tokens.create(f"for-{scope}", [scope], 1, "test") for scope in SCOPES
            }

    def get(self, path: str) -> Any:
        return self.ask("GET", path).said

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = "admin",
    ) -> Answer:
        """Send one request; ``body`` is sent as JSON unless it is bytes."""
        sent = dict(headers or {})
        if scope is not None:
            sent["Authorization"] = f"Bearer {self.tokens[scope]}"  # type: ignore[index]
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            said = answer.read()
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            return Answer(answer.status, answer.headers, json.loads(said) if is_json else said)
        finally:
            connection.close()


def fill(collector: SignedIn, line: Listener, events: int = 7) -> None:
    """Report a little of everything, and wait until it is stored."""
    wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
    device = Reporter()
    line.publish(*device.state())
    for number in range(events):
        for part in device.event(picture(number)):
            if part is not None:
                line.publish(*part)
    for number in range(3):
        line.publish(*device.alarm("cleared" if number % 2 else "raised"))
        line.publish(*device.summary(window=number))
        line.publish(*device.result())
    stored = events + 9
    wait_until(lambda: [row["stored"] for row in collector.get("/api/devices")] == [stored])
