"""Every route of the page and the interface asks for the role and scope that this table names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import free_port
from running import Running
from visitor import Visitor, people

from edge_guard.collector.people import ROLES, SCOPES

OPEN = "open"
READ, LABEL, COMMAND = ("viewer", "read"), ("operator", "label"), ("operator", "command")
RETUNE, ROLLOUT, ADMIN = ("engineer", "retune"), ("engineer", "rollout"), ("engineer", "admin")
PAGE = ("viewer", None)
ENGINEERS = ("engineer", None)  # no token opens a page

NEEDS: dict[str, str | tuple[str, str | None]] = {
    "GET /sign-in": OPEN,
    "POST /sign-in": OPEN,
    "GET /api/health": OPEN,
    "GET /api/bundles/{digest}": OPEN,  # devices know the digest, and have no accounts
    "POST /sign-out": PAGE,
    "GET /password": PAGE,
    "POST /password": PAGE,
    "GET /": PAGE,
    "GET /events": PAGE,
    "GET /event/{event_id}": PAGE,
    "GET /device/{device_id}": PAGE,
    "GET /stream/{device_id}/{stream}": PAGE,
    "GET /review": PAGE,
    "GET /review/agreement": PAGE,
    "GET /retune/{device_id}/{stream}": ENGINEERS,
    "GET /bundles": PAGE,
    "GET /rollouts": PAGE,
    "GET /rollouts/new": PAGE,
    "GET /rollouts/{number}": PAGE,
    "GET /datasets": ENGINEERS,
    "GET /people": ENGINEERS,
    "GET /trail": ENGINEERS,
    "GET /api/openapi.json": ("viewer", "any"),
    "GET /api/devices": READ,
    "GET /api/devices/{number}": READ,
    "GET /api/devices/{number}/streams": READ,
    "GET /api/events": READ,
    "GET /api/events/{number}": READ,
    "GET /api/events/{number}/judgements": READ,
    "POST /api/events/{number}/judgements": LABEL,
    "GET /api/labels": READ,
    "POST /api/labels": LABEL,
    "GET /api/pictures/{digest}": READ,
    "GET /api/pictures/{digest}/small": READ,
    "GET /api/alarms": READ,
    "GET /api/alarms/history": READ,
    "GET /api/summaries": READ,
    "GET /api/results": READ,
    "GET /api/accuracy": READ,
    "GET /api/commands": READ,
    "GET /api/commands/{name}": READ,
    "POST /api/commands": COMMAND,
    "POST /api/bundles": ROLLOUT,
    "GET /api/datasets": ADMIN,
    "GET /api/datasets/{number:int}": ADMIN,
    "GET /api/datasets/{number:int}/dataset.zip": ADMIN,
    "POST /api/datasets": ADMIN,
    "POST /api/datasets/preview": ADMIN,
    "GET /api/retunes": READ,
    "GET /api/retunes/{number:int}": READ,
    "POST /api/retunes": RETUNE,
    "POST /api/retunes/preview": RETUNE,
    "POST /api/review/take": LABEL,
    "POST /api/review/answers": LABEL,
    "POST /api/review/undo": LABEL,
    "POST /api/review/skip": LABEL,
    "POST /api/review/leave": LABEL,
    "POST /api/review/settle": ("engineer", "label"),
    "GET /api/review/agreement": READ,
    "GET /api/review/labels": READ,
    "POST /api/review/labels": LABEL,
    "GET /api/rollouts": READ,
    "GET /api/rollouts/{number}": READ,
    "POST /api/rollouts": ROLLOUT,
    "POST /api/rollouts/{number}/{wanted}": ROLLOUT,
    "GET /api/webhooks": READ,
    "POST /api/webhooks/dead/{wanted}": ADMIN,
    "GET /api/me": READ,
    "GET /api/people": ADMIN,
    "GET /api/trail": ADMIN,
}
ASSETS = re.compile(r"\w+ /_nicegui(_ws$|/)")
"""NiceGUI's own: closed to strangers by the gate."""
VALUES = {"digest": "0" * 64, "name": "x", "stream": "s", "wanted": "pause"}


def address(route: str) -> tuple[str, str]:
    """Method, and a path in which every parameter has a value."""
    method, path = route.split(" ")
    path = path.replace("dead/{wanted}", "dead/again")
    return method, re.sub(r"\{(\w+)(:\w+)?\}", lambda m: VALUES.get(m.group(1), "999999"), path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    found = Running(tmp_path_factory.mktemp("routes"), free_port())
    for role in reversed(ROLES):
        people(found.config, "add", str(found.config), f"the {role}", "--role", role)
    with found:
        yield found


@pytest.fixture(scope="module")
def listed(running: Running) -> list[str]:
    """Every route, from the program itself."""
    text = re.sub(r"port = \d+\ntitle", f"port = {free_port()}\ntitle", running.config.read_text())
    other = running.folder / "other.toml"
    other.write_text(text)
    program = [sys.executable, str(Path(__file__).with_name("route_list.py")), str(other)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [f"{method} {path}" for method, path in json.loads(done.stdout) if method != "HEAD"]


@pytest.fixture(scope="module")
def visitors(running: Running) -> dict[str, Visitor]:
    """Somebody of each role, and a program with each scope."""
    found = {"": Visitor(running.url)}
    for role in ROLES:
        found[role] = Visitor(running.url)
        assert found[role].sign_in(f"the {role}").status == 303
    for scope in SCOPES:
        words = ("token", "create", str(running.config), "--name", scope, "--scope", scope)
        token = people(running.config, *words)
        found[scope] = Visitor(running.url, headers={"Authorization": f"Bearer {token}"})
    return found


def test_the_table_names_every_route_and_no_other(listed: list[str]) -> None:
    named = {route for route in listed if not ASSETS.match(route)}
    assert named - NEEDS.keys() == set(), "say in this table what the new routes need"
    assert NEEDS.keys() - named == set()


def test_assets_are_closed_to_strangers(listed: list[str], visitors: dict[str, Visitor]) -> None:
    assets = [route.replace("MOUNT", "GET") for route in listed if ASSETS.match(route)]
    assert len(assets) > 3
    for route in assets:
        assert visitors[""].ask(*address(route)).status == 401, route


@pytest.mark.parametrize("route", NEEDS)
def test_a_route_lets_in_whom_it_should(route: str, visitors: dict[str, Visitor]) -> None:
    method, path = address(route)
    needs = NEEDS[route]
    for who, visitor in visitors.items():
        if path == "/sign-out" and who in ROLES:
            continue  # test_sign_in does; here the session is still needed
        headers = {"Content_Type": "application/json", "Origin": visitor.url}
        answer = visitor.ask(method, path, b"{}" if method == "POST" else None, **headers)
        door = answer.status == 303 and answer.headers["Location"].startswith("/sign-in")
        let_in = answer.status not in (401, 403) and not door
        if path in ("/sign-in", "/password") and method == "POST":
            let_in = answer.headers["WWW-Authenticate"] is None and answer.status != 403
        assert let_in == may(who, needs), f"{who or 'a stranger'}: {answer.status} {answer.body!r}"
        if not let_in:
            assert answer.status in ((303, 401) if not who or needs[1] is None else (403,)) or (
                who in ROLES and answer.status == 403
            )


@pytest.mark.parametrize(
    ("action", "scope"),
    [
        ({"kind": "capture", "stream": "s"}, None),
        ({"kind": "tighten", "stream": "s", "min_confidence": 0.9}, "retune"),
        (
            {
                "kind": "bundle",
                "stream": "s",
                "url": "http://a.example/b.guard",
                "sha256": "0" * 64,
                "size_bytes": 1,
            },
            "rollout",
        ),
    ],
)
def test_a_command_needs_what_its_action_needs(
    running: Running, visitors: dict[str, Visitor], action: dict[str, object], scope: str | None
) -> None:
    words = ("token", "create", str(running.config), "--scope", f"command,{scope or 'read'}")
    both = people(running.config, *words, "--name", f"both-{scope}")
    asking = visitors | {"both": Visitor(running.url, headers={"Authorization": f"Bearer {both}"})}
    let_in = {"engineer", "admin", "both"} | (set() if scope else {"operator", "command"})
    for who, visitor in asking.items():
        answer = visitor.post("/api/commands", {"device_id": 999999, "action": action})
        expected = (404 if who in let_in else 403) if who else 401
        assert answer.status == expected, f"{who}: {answer.status} {answer.body!r}"
        if who:
            assert answer.json()["remedy"]


def may(who: str, needs: str | tuple[str, str | None]) -> bool:
    if needs == OPEN or not who:
        return needs == OPEN
    role, scope = needs
    if who in ROLES:
        return ROLES.index(who) >= ROLES.index(role)  # type: ignore[arg-type]
    return scope == "any" or (scope is not None and who in (scope, "admin"))
