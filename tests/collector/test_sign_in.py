"""The door of a running collector, tried over the wire: sessions, tokens, other sites, guessing."""

from __future__ import annotations

import json
import sqlite3
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from brokers import free_port
from resender import wait_until
from running import Running
from visitor import COOKIE, PASSWORD, Answer, Visitor, people
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edge_guard.collector.people.sessions import digest

EVIL = "<img src=x onerror=alert(1)>"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@dataclass
class House:
    """A collector with people."""

    collector: Running
    tokens: dict[str, str]
    _cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def visitor(self, name: str = "", **more: dict[str, str]) -> Visitor:
        """Return a stranger, or somebody in a session that lasts: hashing takes its time."""
        if name and name not in self._cookies:
            self._cookies[name] = self.fresh(name).cookies
        cookies = {"cookies": dict(self._cookies[name])} if name else {}
        return Visitor(self.collector.url, **cookies, **more)

    def fresh(self, name: str) -> Visitor:
        """Return somebody in a session of their own."""
        found = Visitor(self.collector.url)
        assert found.sign_in(name).status == 303
        return found

    def program(self, name: str) -> Visitor:
        return self.visitor(headers={"Authorization": f"Bearer {self.tokens[name]}"})

    def people(self, action: str, *words: str) -> str:
        return people(self.collector.config, action, str(self.collector.config), *words)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    running = Running(folder, free_port())
    found = House(running, {})
    for name, role in (("Ada", "engineer"), ("Olga", "operator"), ("Vic", "viewer")):
        found.people("add", name, "--role", role)
    config = str(running.config)
    for name, scopes in (("reads", "read"), ("labels", "label"), ("rules", "admin")):
        words = ("token", "create", config, "--name", name, "--scope", scopes)
        found.tokens[name] = people(running.config, *words)
    with running:
        yield found


def test_strangers_get_the_form_and_nothing_else(house: House) -> None:
    stranger = house.visitor()
    answer = stranger.get("/events?kind=all&stream=a%2Fb")
    assert answer.status == 303
    place = answer.headers["Location"]
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(place).query)["next"] == [
        "/events?kind=all&stream=a%2Fb"
    ]
    for path in ("/", "/event/1", "/people", "/no-such-page", "/_nicegui/x", "/favicon.ico/"):
        assert stranger.get(path).status in (303, 401), path
    for path in ("/api/devices", "/api/openapi.json", "/api/pictures/" + "0" * 64, "/api/nothing"):
        answer = stranger.get(path)
        assert answer.status == 401, path
        assert "Bearer" in answer.headers["WWW-Authenticate"]
        assert answer.json()["remedy"]
    form = stranger.get(place)
    assert form.status == 200
    assert 'value="/events?kind=all&amp;stream=a%2Fb"' in form.text()
    assert "<script" not in form.text()


def test_health_tells_strangers_one_word(house: House) -> None:
    assert house.visitor().get("/api/health").json() == {"status": "degraded"}
    assert "broker" in house.visitor("Vic").get("/api/health").json()
    assert "broker" in house.program("reads").get("/api/health").json()


def test_signing_in_gives_a_new_cookie_that_scripts_cannot_read(house: House) -> None:
    visitor = house.visitor(cookies={COOKIE: "planted-by-somebody-else"})
    answer = visitor.sign_in("ADA", next="/events")
    assert (answer.status, answer.headers["Location"]) == (303, "/events")
    assert visitor.cookies[COOKIE] != "planted-by-somebody-else"
    cookie = answer.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=604800"):
        assert word in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie  # there is no TLS here: the browser would not send it back
    first = visitor.cookies[COOKIE]
    assert visitor.get("/api/devices").status == 200
    assert visitor.sign_in("Ada").status == 303
    assert visitor.cookies[COOKIE] != first
    assert house.visitor(cookies={COOKIE: first}).get("/api/devices").status == 401


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/\\evil", "javascript:alert(1)", "/a\r\nb"]
)
def test_nobody_is_led_to_another_site(house: House, place: str) -> None:
    form = house.visitor().get("/sign-in?next=" + urllib.parse.quote(place))
    assert 'name="next" value="/"' in form.text()


def test_a_form_that_was_tampered_with_leads_nowhere(house: House) -> None:
    answer = house.visitor().sign_in("Vic", next="//evil.example")
    assert answer.headers["Location"] == "/"


def test_a_wrong_name_and_a_wrong_password_look_the_same(house: House) -> None:
    known = house.visitor().sign_in("Vic", "wrong wrong wrong")
    unknown = house.visitor().sign_in("Vid", "wrong wrong wrong")
    assert known.status == unknown.status == 401
    assert known.text().replace("Vic", "Vid") == unknown.text()
    assert house.visitor().sign_in(EVIL, EVIL).text().count("<img") == 0
    for name in ("", "\0", "x" * 9000, "\u202e"):
        assert house.visitor().sign_in(name, "x").status in (401, 413, 422)


def test_what_other_sites_send_changes_nothing(house: House) -> None:
    ada = house.visitor("Ada")
    body = {"events": []}
    for words in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": house.collector.url + "0"},
        {"Origin": house.collector.url.replace("127.0.0.1", "localhost")},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ):
        for path in ("/api/commands", "/sign-out", "/password", "/sign-in"):
            assert ada.post(path, body, **words).status == 403, (path, words)
    without = ada.ask("POST", "/sign-out")
    assert without.status == 403  # a cookie, and no word where it comes from
    own = {"Sec_Fetch_Site": "same-origin", "Origin": house.collector.url}
    assert ada.post("/api/commands", body, **own).status == 422
    assert ada.get("/api/devices", Origin="https://evil.example").status == 200  # reads no answer
    poll = SOCKET.replace("websocket", "polling")
    assert ada.get(poll, Origin="https://evil.example").status == 403
    assert ada.get(poll).status == 403
    assert ada.get(poll, Origin=house.collector.url).status == 200
    assert house.visitor().get(poll, Origin=house.collector.url).status == 401


def test_programs_need_no_origin_and_get_what_their_scopes_say(house: House) -> None:
    reads, labels, rules = (house.program(name) for name in ("reads", "labels", "rules"))
    assert reads.get("/api/devices").status == 200
    assert labels.get("/api/devices").status == 403
    answers = [one.ask("POST", "/api/labels", b"[]").status for one in (reads, labels, rules)]
    assert answers[0] == 403
    assert 403 not in answers[1:]
    assert 401 not in answers[1:]
    assert rules.get("/people").status == 303, "pages are for people"
    for wrong in ("egt_nonsense", "", house.tokens["reads"][:-1]):
        stranger = house.visitor(headers={"Authorization": f"Bearer {wrong}"})
        assert stranger.get("/api/devices").status == 401
    listed = people(house.collector.config, "token", "list", str(house.collector.config), "--json")
    used = {row["name"]: row["used_ms"] for row in map(json.loads, listed.splitlines())}
    assert used["reads"] and used["rules"]


def test_signing_out_ends_the_session_at_once(house: House) -> None:
    olga = house.fresh("Olga")
    kept = dict(olga.cookies)
    assert olga.get("/api/devices").status == 200
    assert olga.submit("/sign-out", {}).headers["Location"] == "/sign-in"
    assert not olga.cookies[COOKIE]
    assert house.visitor(cookies=kept).get("/api/devices").status == 401


def test_a_new_password_ends_other_sessions(house: House) -> None:
    house.people("add", "Pat", "--role", "viewer")
    here, there = house.fresh("Pat"), house.fresh("Pat")
    new = PASSWORD + " staple"
    fields = {"password": "not it at all", "new": new, "again": new}
    assert here.submit("/password", fields).status == 401
    assert here.submit("/password", fields | {"password": PASSWORD, "again": "x"}).status == 422
    short = {"password": PASSWORD, "new": "short", "again": "short"}
    assert "10 to 256 letters" in here.submit("/password", short).text()
    assert here.submit("/password", fields | {"password": PASSWORD}).status == 303
    assert here.get("/api/devices").status == 200
    wait_until(lambda: there.get("/api/devices").status == 401, 5)
    assert house.visitor().sign_in("Pat").status == 401
    assert house.visitor().sign_in("Pat", new).status == 303
    assert house.visitor().get("/password").status == 303
    assert house.program("rules").submit("/password", fields).status == 401


def test_a_role_taken_away_is_gone_in_a_second_and_so_is_a_person(house: House) -> None:
    house.people("add", "Tim", "--role", "engineer")
    tim = house.visitor("Tim")
    assert tim.get("/people").status == 200
    house.people("role", "Tim", "--role", "viewer")
    wait_until(lambda: tim.get("/people").status == 403, 5)
    house.people("remove", "Tim")
    wait_until(lambda: tim.get("/").status == 303, 5)


def open_socket(house: House, visitor: Visitor, origin: str = "") -> ClientConnection:
    cookie = f"{COOKIE}={visitor.cookies.get(COOKIE, '')}"
    return connect(
        house.collector.url.replace("http", "ws") + SOCKET,
        additional_headers={"Cookie": cookie, "Origin": origin or house.collector.url},
        open_timeout=10,
    )


def test_a_websocket_needs_a_session_and_the_own_origin(house: House) -> None:
    vic = house.visitor("Vic")
    for visitor, origin in ((house.visitor(), ""), (vic, "https://evil.example"), (vic, "null")):
        with pytest.raises(InvalidStatus) as refused, open_socket(house, visitor, origin):
            pass
        assert refused.value.response.status_code == 403
    with open_socket(house, vic) as socket:
        assert socket.recv(timeout=10).startswith("0{")


def test_an_open_websocket_ends_with_its_session(house: House) -> None:
    vic = house.fresh("Vic")
    with open_socket(house, vic) as socket:
        assert socket.recv(timeout=10).startswith("0{")
        socket.send("40")
        assert socket.recv(timeout=10).startswith("40")
        vic.submit("/sign-out", {})
        said = []
        with pytest.raises(ConnectionClosed) as closed:
            while True:  # NiceGUI asks every few seconds whether the browser is there
                said.append(socket.recv(timeout=20))
                socket.send("3")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert '42["try_reconnect",{}]' in said


def test_what_happens_at_the_door_is_in_the_trail(house: House) -> None:
    house.fresh("Ada")
    house.visitor().sign_in("Ada", "wrong wrong wrong")
    house.visitor().sign_in("my secret, typed into the wrong field", "x")
    lines = people(house.collector.config, "trail", str(house.collector.config))
    assert "Ada  sign-in  127.0.0.1" in lines
    assert "Ada  sign-in.failed  127.0.0.1" in lines
    assert "somebody  sign-in.failed  127.0.0.1" in lines
    assert "secret" not in lines
    assert PASSWORD not in lines
    assert PASSWORD not in house.collector.log()


def test_guesses_made_all_at_once_are_slowed_down_too(house: House) -> None:
    house.people("add", "Gil", "--role", "viewer")

    def guess(n: int) -> Answer:
        return house.visitor().sign_in("Gil", f"guess number {n}")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(16)))
    statuses = [one.status for one in answers]
    assert statuses.count(401) >= 5
    assert statuses.count(429) >= 6
    refused = next(one for one in answers if one.status == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert "wait" in refused.text()


def test_no_page_is_framed_and_the_form_is_not_kept(house: House) -> None:
    answer = house.visitor().get("/sign-in")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Strict-Transport-Security"] is None


def test_sessions_that_are_idle_or_old_have_ended(house: House) -> None:
    for column in ("used_ms", "opened_ms"):
        vic = house.fresh("Vic")
        assert vic.get("/api/devices").status == 200
        with sqlite3.connect(house.collector.folder / "c.sqlite", timeout=30) as db:
            old = f"UPDATE sessions SET {column} = {column} - 8 * 24 * 3600 * 1000"
            db.execute(f"{old} WHERE sha256 = ?", (digest(vic.cookies[COOKIE]),))
        wait_until(lambda v=vic: v.get("/api/devices").status == 401, 5)  # type: ignore[misc]
