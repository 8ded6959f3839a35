"""The JSON interface of a running collector: scopes, pages, repeated writes, hostile requests."""

from __future__ import annotations

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import running
from brokers import Listener, Mosquitto
from signed_in import SignedIn, fill

from edge_guard.collector.people import SCOPES

BUNDLE = Path(__file__).parents[2] / "models" / "demo_line.guard"
# The same collector with smaller bounds: 0.5 s and 2 MiB for an upload, 1 MiB for a file.
BOUNDED = """
import resource, sys
from edge_guard.collector.web.api import bundles as routes
from edge_guard.cli.main import main
routes.MOST_BUNDLE_BYTES = 2 << 20
routes.LONGEST_UPLOAD_S = 0.5
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
sys.exit(main())
"""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedIn]:
    folder = tmp_path_factory.mktemp("api")
    with (
        Mosquitto(folder) as broker,
        SignedIn(folder, broker.port) as started,
        Listener(broker.port) as line,
    ):
        fill(started, line)
        yield started


@pytest.fixture(scope="module")
def document(collector: SignedIn) -> dict[str, Any]:
    found: dict[str, Any] = collector.get("/api/openapi.json")
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), "/api" + path, operation


def concrete(path: str) -> str:
    """The path of something that does not exist, so that nothing is done."""
    for name, value in (("digest", "0" * 64), ("wanted", "pause"), ("name", "none")):
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{number}", "999999")


def test_each_route_asks_for_the_scope_that_it_declares(
    collector: SignedIn, document: dict[str, Any]
) -> None:
    for method, path, operation in operations(document):
        place = concrete(path)
        body = {} if method == "POST" else None
        if not operation["security"]:
            assert collector.ask(method, place, body, scope=None).status not in (401, 403), path
            continue
        (scope,) = operation["security"][0]["token"]
        refused = collector.ask(method, place, body, scope=None)
        assert refused.status == 401, path
        assert refused.said["detail"]
        for other in SCOPES:
            answer = collector.ask(method, place, body, scope=other)
            allowed = other in (scope, "admin")
            assert (answer.status != 403) == allowed, (method, path, other, answer)
            assert answer.status != 401


def test_unknown_methods_and_paths_are_told_what_there_is(
    collector: SignedIn, document: dict[str, Any]
) -> None:
    for path, methods in document["paths"].items():
        answer = collector.ask("PATCH", "/api" + concrete(path), {})
        assert answer.status == 405, path
        assert answer.headers["Allow"] == ", ".join(sorted(m.upper() for m in methods)), path
        assert set(answer.said) == {"detail", "remedy"}
    assert collector.ask("GET", "/api/nothing").said["remedy"] == (
        "/api/openapi.json lists what there is"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/events",
        "/api/alarms/history",
        "/api/commands",
        "/api/labels",
        "/api/trail",
        "/api/summaries?device=1&stream=top",
    ],
)
def test_long_lists_are_paged_by_links(collector: SignedIn, path: str) -> None:
    for number in range(5):
        order = {"device_id": 1, "action": {"kind": "capture", "stream": "top"}, "id": f"p{number}"}
        assert collector.ask("POST", "/api/commands", order).status == 200
    labels = [{"event": 1, "answer": answer} for answer in ("right", "wrong", "unsure")]
    assert collector.ask("POST", "/api/labels", {"labels": labels}).status == 200
    whole = rows_of(collector.get(path + ("&" if "?" in path else "?") + "limit=500"))
    place, seen = path + ("&" if "?" in path else "?") + "limit=2", []
    while place:
        answer = collector.ask("GET", place)
        seen += rows_of(answer.said)
        place = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert len(seen) >= 3
    assert seen == whole


def rows_of(said: Any) -> list[Any]:
    rows: list[Any] = said["events"] if isinstance(said, dict) else said
    return rows


def test_devices_are_paged_and_have_streams(collector: SignedIn) -> None:
    (device,) = collector.get("/api/devices?limit=1")
    assert collector.get("/api/devices?after=1") == []
    assert collector.ask("GET", "/api/devices?after=99").status == 404
    assert collector.get("/api/devices/1") == device
    assert collector.get("/api/devices/1/streams") == device["state"]["streams"]
    assert collector.ask("GET", "/api/devices/9").status == 404


def test_many_labels_are_answered_one_by_one(collector: SignedIn) -> None:
    newest = collector.get("/api/events?limit=2")["events"]
    sent = [
        {"event": newest[0]["id"], "answer": "wrong", "label": "scratch"},
        {"event": 10**12, "answer": "right"},
        {"event": newest[1]["id"], "answer": "right"},
    ]
    first = collector.ask("POST", "/api/labels", {"labels": sent}, scope="label")
    assert [one["outcome"] for one in first.said] == ["stored", "unknown", "stored"]
    assert first.said[0]["judgement"]["who"] == "for-label"
    again = collector.ask("POST", "/api/labels", {"labels": sent}, scope="label")
    assert again.said == first.said
    assert collector.get(f"/api/events/{newest[0]['id']}")["judged"] == "wrong"
    forged = {"labels": [sent[0] | {"who": "ada"}]}
    assert collector.ask("POST", "/api/labels", forged, scope="label").status == 403
    many = {"labels": sent[:1] * 501}
    assert collector.ask("POST", "/api/labels", many).status == 422


def test_a_write_whose_collector_was_killed_is_told_and_not_done_again(
    collector: SignedIn,
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    order = {"device_id": 1, "action": {"kind": "capture", "stream": "top"}}
    collector.ask("POST", "/api/commands", order, key)
    before = len(collector.get("/api/commands?limit=500"))
    with sqlite3.connect(collector.folder / "c.sqlite") as database:  # as if killed in between
        database.execute("UPDATE answers SET status = NULL, begun_ms = begun_ms - 61000")
    again = collector.ask("POST", "/api/commands", order, key)
    assert (again.status, "in progress" in again.said["detail"]) == (409, True)
    assert "take a new key" in again.said["remedy"]
    assert len(collector.get("/api/commands?limit=500")) == before


def test_a_write_with_a_key_is_done_once(collector: SignedIn) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    order = {"device_id": 1, "action": {"kind": "capture", "stream": "top"}}
    before = len(collector.get("/api/commands?limit=500"))
    first = collector.ask("POST", "/api/commands", order, key)
    again = collector.ask("POST", "/api/commands", order, key)
    assert (first.status, again.said) == (200, first.said)
    assert (first.headers["Idempotency-Replayed"], again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )
    assert len(collector.get("/api/commands?limit=500")) == before + 1
    other = collector.ask("POST", "/api/commands", order | {"valid_seconds": 5}, key)
    assert (other.status, other.said["remedy"]) == (422, "take a new key")
    assert collector.ask("POST", "/api/commands", order, key, scope="command").said != first.said
    assert collector.ask("POST", "/api/commands", order | {"device_id": 9}, key).status == 422
    new = {"Idempotency-Key": "k" * 128}
    assert collector.ask("POST", "/api/commands", order | {"device_id": 9}, new).status == 404
    assert collector.ask("POST", "/api/commands", order, new).status == 200  # nothing was done
    assert collector.ask("POST", "/api/commands", order, {"Idempotency-Key": ""}).status == 422


def test_a_write_without_a_body_is_done_once(collector: SignedIn) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = collector.ask("POST", "/api/webhooks/dead/forget", None, key)
    again = collector.ask("POST", "/api/webhooks/dead/forget", None, key)
    assert (first.status, first.headers["Idempotency-Replayed"]) == (200, None)
    assert (again.said, again.headers["Idempotency-Replayed"]) == (first.said, "true")
    other = collector.ask("POST", "/api/webhooks/dead/again", None, key)  # another request
    assert (other.status, other.headers["Idempotency-Replayed"]) == (200, None)
    assert collector.ask("POST", "/api/rollouts/1/pause", None, key).status == 404


def test_a_write_whose_answer_cannot_be_kept_is_told_and_not_done_again(
    collector: SignedIn,
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    order = {"device_id": 1, "action": {"kind": "capture", "stream": "top"}}
    before = len(collector.get("/api/commands?limit=500"))
    with sqlite3.connect(collector.folder / "c.sqlite") as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON answers BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        database.commit()
        try:
            first = collector.ask("POST", "/api/commands", order, key)
        finally:
            database.execute("DROP TRIGGER broken")
    again = collector.ask("POST", "/api/commands", order, key)
    assert (first.status, first.said["device_id"]) == (200, 1)
    assert (again.status, "take a new key" in again.said["remedy"]) == (409, True)
    assert len(collector.get("/api/commands?limit=500")) == before + 1


def test_every_write_but_an_upload_takes_a_key(document: dict[str, Any]) -> None:
    without = [
        path
        for method, path, operation in operations(document)
        if method != "GET"
        and "Idempotency-Key" not in [one["name"] for one in operation.get("parameters", ())]
    ]
    assert without == ["/api/bundles"]


def test_a_kept_answer_is_only_for_who_may_still_ask(collector: SignedIn) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    order = {"device_id": 1, "action": {"kind": "capture", "stream": "top"}}
    assert collector.ask("POST", "/api/commands", order, key, scope="command").status == 200
    change = "UPDATE tokens SET scopes = ? WHERE name = 'for-command'"
    with sqlite3.connect(collector.folder / "c.sqlite") as database:
        database.execute(change, ("read",))
        database.commit()
        try:
            again = collector.ask("POST", "/api/commands", order, key, scope="command")
        finally:
            database.execute(change, ("command",))
    assert (again.status, again.headers["Idempotency-Replayed"]) == (403, None)
    assert collector.ask("POST", "/api/commands", order, key, scope="command").status == 200


DEEP = b'{"labels":' + b"[" * 50_000 + b"]" * 50_000 + b"}"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", {}, 422),
        (b"\xff\xfe", {}, 422),
        (b"null", {}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": "application/json; charset=utf-8"}, 422),
        (b"{}", {"Content-Type": ""}, 415),
        (DEEP, {}, 422),
        (b'{"labels":[{"event":' + b"9" * 4000 + b',"answer":"right"}]}', {}, 422),
        (b'{"labels":[{"event":1e400,"answer":"right"}]}', {}, 422),
        (b'{"labels":[{"event":1,"answer":"right","label":"a\\u0000b"}]}', {}, 422),
        (b'{"labels":[{"event":1,"answer":"right","label":"\\ud800"}]}', {}, 422),
        (b'{"labels":[{"event":1,"answer":"right","colour":1}]}', {}, 422),
        (b'{"labels":[{"event":true,"answer":"right"}]}', {}, 422),
        (b" " * ((1 << 20) + 1), {}, 413),
    ],
)
def test_hostile_bodies_are_refused_clearly(
    collector: SignedIn, body: bytes, headers: dict[str, str], expected: int
) -> None:
    answer = collector.ask("POST", "/api/labels", body, headers)
    assert answer.status == expected, answer
    assert set(answer.said) == {"detail", "remedy"}
    assert len(answer.said["detail"]) < 500


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/events?stream=a%00b", 422),
        ("/api/events?device=" + "9" * 5000, 422),
        ("/api/events?kind=%F0%9F%92%A5", 422),
        ("/api/events/%00", 422),
        ("/api/commands/%00", 422),
        ("/api/pictures/" + "a" * 500, 422),
        ("/api/bundles/..%2f..%2fc.sqlite", 404),
        ("/api//events", 404),
        ("/api/events/", 404),
    ],
)
def test_hostile_addresses_are_refused_clearly(
    collector: SignedIn, path: str, expected: int
) -> None:
    answer = collector.ask("GET", path)
    assert answer.status == expected, answer
    assert set(answer.said) == {"detail", "remedy"}


def test_orders_are_not_taken_from_other_sites(collector: SignedIn) -> None:
    for path in ("/api/labels", "/api/commands", "/api/bundles"):
        answer = collector.ask("POST", path, {}, {"Origin": "http://elsewhere.example"})
        assert answer.status == 403


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api"}]
    known = set(document["components"]["schemas"])
    text = json.dumps(document)
    refs = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert refs <= known
    assert "HTTPValidationError" not in text
    for method, path, operation in operations(document):
        assert operation["description"], path
        ok = operation["responses"]["200"]
        assert ok["content"], (method, path)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert answer == {"$ref": f"#/components/responses/{status}"}
                assert status in document["components"]["responses"]


@pytest.fixture
def bounded(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SignedIn]:
    plain = running.command
    monkeypatch.setattr(
        running, "command", lambda config: [plain(config)[0], "-c", BOUNDED, *plain(config)[3:]]
    )
    with SignedIn(tmp_path, broker.port) as started:
        yield started


def test_uploads_are_bounded_in_time_number_and_size(bounded: SignedIn) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    large = bounded.ask("POST", "/api/bundles", b"x" * ((2 << 20) + 1), kind)
    assert (large.status, large.said["detail"]) == (413, "a bundle has at most 2097152 bytes")
    full = bounded.ask("POST", "/api/bundles", b"x" * ((1 << 20) + 1), kind)
    assert (full.status, full.said["remedy"]) == (507, "free space on its disk")
    assert bounded.ask("POST", "/api/bundles", b"no bundle", kind).status == 422

    statuses: list[int] = []
    begun = threading.Event()
    slow = threading.Thread(target=stall, args=(bounded, begun, statuses))
    slow.start()
    assert begun.wait(10)
    busy = bounded.ask("POST", "/api/bundles", b"x", kind)
    slow.join()
    assert (busy.status, statuses) == (409, [408])
    leftovers = list((bounded.folder / "frames" / "bundles").iterdir())
    assert leftovers == []
    assert bounded.ask("POST", "/api/bundles", b"no bundle", kind).status == 422


def stall(collector: SignedIn, begun: threading.Event, statuses: list[int]) -> None:
    """Begin an upload and never end it."""
    parts = urlsplit(collector.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("POST", "/api/bundles")
    connection.putheader("Authorization", f"Bearer {collector.tokens['admin']}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"x" * 10)
    folder = collector.folder / "frames" / "bundles"
    while not any(folder.glob(".upload-*")):
        pass
    begun.set()
    statuses.append(connection.getresponse().status)
    connection.close()


def test_the_examples_of_the_documentation_run(collector: SignedIn) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    lines = re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    examples = [line for line in lines if line.startswith("curl ")]
    assert len(examples) >= 6
    (token,) = [line for line in lines if "token create" in line]
    made = shell(collector, token.replace("edge-guard", f"{sys.executable} -m edge_guard.cli.main"))
    secret = made.stdout.split()[-1]
    for example in examples:
        done = shell(collector, example.replace("http://collector:8080", collector.url), secret)
        assert done.returncode == 0, (example, done.stderr)
        assert done.stdout.startswith(("{", "[")), example
    said = collector.get("/api/events/1/judgements")
    assert ("wrong", "mes") in [(one["answer"], one["who"]) for one in said]


def shell(collector: SignedIn, command: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """Run a line as a reader of the documentation would."""
    return subprocess.run(
        command,
        shell=True,
        cwd=collector.folder,
        env=os.environ | {"TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
