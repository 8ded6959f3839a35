"""A bundle offered by a command: fetched, compared, taken over, or refused with the reason."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from brokers import Mosquitto
from devices import Counter
from test_commands_obeyed import ask, order
from test_reload import bundle, in_use, looping, running

from edge_guard.publish.messages import OfferBundle


class Pages(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[str]:
    """The address of a web server over ``tmp_path``."""
    handler = partial(Pages, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def offer(pages: str, path: Path, **changes: object) -> OfferBundle:
    content = path.read_bytes()
    fields = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), **changes}
    return OfferBundle(stream="s", url=f"{pages}/{path.name}", **fields)  # type: ignore[arg-type]


def test_an_offered_bundle_guards_the_stream_or_is_refused(
    broker: Mosquitto, tmp_path: Path, pages: str
) -> None:
    with Counter(broker.port) as collector, running(looping(tmp_path, broker)) as daemon:
        taken = ask(collector, order(offer(pages, bundle(tmp_path, "new"))))
        assert (taken.outcome, taken.message) == ("done", "bundle new guards stream s")
        assert in_use(daemon) == "new"

        foreign = bundle(tmp_path, "foreign", "another")
        reply = ask(collector, order(offer(pages, foreign)))
        assert (reply.outcome, "another model" in reply.message) == ("failed", True), reply
        dark = bundle(tmp_path, "dark", failure="a dark picture was accepted")
        reply = ask(collector, order(offer(pages, dark)))
        assert (reply.outcome, "dark picture" in reply.message) == ("failed", True), reply
        swapped = ask(collector, order(offer(pages, dark, sha256="0" * 64)))
        assert (swapped.outcome, "sha-256 differs" in swapped.message) == ("failed", True)
        assert in_use(daemon) == "new"
        assert daemon.streams["s"].reporter.alarms(), "an alarm says so"

        other = ask(collector, order(offer(pages, foreign, other_model=True)))
        assert (other.outcome, in_use(daemon)) == ("done", "foreign")
        assert not [p for p in (tmp_path / "spool" / "bundles").iterdir() if "fetched" in p.name]
