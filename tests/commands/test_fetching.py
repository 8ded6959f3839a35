"""Fetching an offered bundle from a real web server that does as it likes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port

from edge_guard.commands import fetching
from edge_guard.commands.fetching import fetch_bundle
from edge_guard.errors import BundleError
from edge_guard.publish.messages import OfferBundle

CONTENT = bytes(range(256)) * 4000


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        if self.path == "/garbage":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            return
        if self.path == "/drop":  # one byte, then nothing for as long as anybody waits
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT[:1])
            self.wfile.flush()
            self.rfile.read(1)
            return
        body = {"/good": CONTENT, "/short": CONTENT[:-1], "/long": CONTENT * 3}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def offer(url: str, digest: str | None = None) -> OfferBundle:
    digest = digest or hashlib.sha256(CONTENT).hexdigest()
    return OfferBundle(stream="s", url=url, sha256=digest, size_bytes=len(CONTENT))


def test_the_offered_bytes_arrive(base: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "offered.guard"
    fetch_bundle(offer(f"{base}/good"), path, None)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/short", "ends too early"),
        ("/long", "larger than announced"),
        ("/none", "Not Found"),
        ("/moved", "Found"),
        ("/garbage", "cannot be fetched"),
    ],
)
def test_anything_else_is_refused_and_removed(
    base: str, tmp_path: Path, page: str, words: str
) -> None:
    path = tmp_path / "offered.guard"
    with pytest.raises(BundleError, match=words):
        fetch_bundle(offer(f"{base}{page}"), path, None)
    assert not path.exists()


def test_another_file_of_the_same_size_is_refused(base: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="sha-256 differs"):
        fetch_bundle(offer(f"{base}/good", "0" * 64), tmp_path / "x", None)
    assert not (tmp_path / "x").exists()


def test_a_server_that_trickles_is_given_up(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LONGEST_SECONDS", 0.0)
    with pytest.raises(BundleError, match="too slowly"):
        fetch_bundle(offer(f"{base}/drop"), tmp_path / "x", None)
    assert not (tmp_path / "x").exists()


def test_an_absent_server_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/good"
    with pytest.raises(BundleError, match="cannot be fetched"):
        fetch_bundle(offer(url), tmp_path / "x", None)
