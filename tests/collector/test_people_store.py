"""People, sessions, tokens and attempts, on each database."""

from __future__ import annotations

import time

import pytest
from resender import wait_until
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.people import LOCAL, Person, passwords
from edge_guard.collector.people.attempts import FREE, LONGEST_S, Attempts
from edge_guard.collector.people.passwords import hashed, matches
from edge_guard.collector.people.roster import Roster
from edge_guard.collector.people.sessions import Sessions, digest
from edge_guard.collector.people.tokens import Tokens
from edge_guard.collector.people.visits import PATIENCE_S, Visits
from edge_guard.collector.schema import people, sessions
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import ConfigError

PASSWORD = "correct horse battery"
HOUR_MS = 3_600_000


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed with less work, as those of an older edge-guard might have been."""
    monkeypatch.setattr(passwords, "_COST", 6)


@pytest.fixture
def roster(store: Store, cheap: None) -> Roster:
    return Roster(store, Trail(store))


@pytest.fixture
def tokens(store: Store) -> Tokens:
    return Tokens(store, Trail(store))


def add(roster: Roster, name: str = "Ada", role: str = "engineer") -> int:
    roster.add(name, role, PASSWORD, "test")  # type: ignore[arg-type]
    number = roster.recognise(name, PASSWORD)
    assert number is not None
    return number


def test_a_password_is_stored_as_its_hash_with_a_salt_of_its_own() -> None:
    one, other = hashed(PASSWORD), hashed(PASSWORD)
    assert one != other
    assert PASSWORD not in one
    assert one.startswith("scrypt$15$8$3$")
    assert matches(PASSWORD, one)
    assert not matches(PASSWORD + " ", one)
    assert matches("ﬁne Ångström passw", hashed("fine Ångström passw"))


def test_roles_may_what_those_before_them_may_and_tokens_what_their_scopes_say() -> None:
    assert Person("a", "engineer").may("operator")
    assert not Person("a", "operator").may("engineer")
    assert not Person("a", "viewer").may("operator", "read")
    reader = Person("t", "viewer", frozenset({"read"}))
    assert reader.may("viewer")
    assert not reader.may("operator")
    labels = Person("t", "operator", frozenset({"label"}))
    assert labels.may("operator")
    assert not labels.may("operator", "command")
    assert not labels.may("viewer")
    assert Person("t", "engineer", frozenset({"admin"})).may("engineer", "rollout")
    assert not Person("t", "engineer", frozenset({"rollout"})).may("engineer")


def test_names_that_look_alike_are_one(roster: Roster) -> None:
    add(roster, "Müller")
    for same in ("MÜLLER", "mu\u0308ller", "Ｍüller"):
        assert roster.recognise(same, PASSWORD) is not None
        with pytest.raises(ConfigError, match="there is Müller already"):
            roster.add(same, "viewer", PASSWORD, "test")


@pytest.mark.parametrize("name", ["", " a", "a\0", "a\nb", "\u202eadA", "x" * 65, "\ud800"])
def test_hostile_names_are_refused_and_never_found(roster: Roster, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a name"):
        roster.add(name, "viewer", PASSWORD, "test")
    assert roster.recognise(name, PASSWORD) is None


def test_names_with_markup_and_quotes_are_stored_as_they_are(roster: Roster) -> None:
    for name in ("<script>alert(1)</script>", "'; DROP TABLE people; --", "{{7*7}}", "Zoë"):
        add(roster, name)
    assert len(roster.members()) == 4


def test_the_first_person_is_an_engineer(roster: Roster) -> None:
    with pytest.raises(ConfigError, match="no engineer yet"):
        add(roster, "Bob", "viewer")
    assert roster.empty()


def test_one_engineer_is_left_to_look_after_the_others(roster: Roster) -> None:
    add(roster, "Ada")
    add(roster, "Bob", "viewer")
    for change in (
        lambda: roster.remove("Ada", "test"),
        lambda: roster.set_role("Ada", "viewer", "test"),
    ):
        with pytest.raises(ConfigError, match="the only engineer"):
            change()
    roster.set_role("Bob", "engineer", "Ada")
    roster.remove("Ada", "Bob")
    with pytest.raises(ConfigError, match="the only engineer"):
        roster.set_role("Bob", "viewer", "Bob")
    assert [(one.name, one.role) for one in roster.members()] == [("Bob", "engineer")]
    roster.remove("Bob", "Bob")
    assert roster.empty()


def test_only_the_hash_of_a_session_is_stored(store: Store, roster: Roster) -> None:
    number = add(roster)
    token = Sessions(store, HOUR_MS, HOUR_MS).open(number, "10.0.0.1")
    with store.engine.connect() as connection:
        row = connection.execute(select(sessions)).one()
        known = connection.execute(select(people)).one()
    assert row.sha256 == digest(token)
    assert token not in str(row) + str(known)
    assert PASSWORD not in str(known)


def test_sessions_end_idle_old_replaced_or_with_their_person(store: Store, roster: Roster) -> None:
    number, open_for_ever = add(roster), Sessions(store, HOUR_MS, HOUR_MS)
    token = open_for_ever.open(number, "a")
    assert open_for_ever.find(digest(token), used=True) == Person("Ada", "engineer")
    time.sleep(0.02)
    assert Sessions(store, 10, HOUR_MS).find(digest(token), used=True) is None
    assert Sessions(store, HOUR_MS, 10).find(digest(token), used=True) is None
    after = open_for_ever.open(number, "a", instead_of=digest(token))
    assert open_for_ever.find(digest(token), used=True) is None
    roster.set_password("Ada", PASSWORD + "!", "Ada", keep=digest(after))
    assert open_for_ever.find(digest(after), used=True) is not None
    other = open_for_ever.open(number, "b")
    roster.set_password("Ada", PASSWORD, "Ada", keep=digest(after))
    assert open_for_ever.find(digest(other), used=True) is None
    assert roster.members()[0].sessions == 1
    roster.end_sessions("Ada", "Ada")
    assert open_for_ever.find(digest(after), used=True) is None
    last = open_for_ever.open(number, "b")
    roster.remove("Ada", "test")
    assert open_for_ever.find(digest(last), used=True) is None


def test_who_is_removed_while_signing_in_gets_no_session(store: Store, roster: Roster) -> None:
    number = add(roster)
    roster.remove("Ada", "test")
    assert Sessions(store, HOUR_MS, HOUR_MS).open(number, "a") is None


def test_a_token_is_for_something(store: Store, tokens: Tokens) -> None:
    with pytest.raises(ConfigError, match="without scopes"):
        tokens.create("idle", [], 1, LOCAL)
    made = tokens.create("old", ["read"], 1, LOCAL)
    with store.writing() as connection:  # as an older edge-guard let it be
        connection.execute(text("UPDATE tokens SET scopes = ''"))
    assert [one.scopes for one in tokens.listed()] == [()]
    assert tokens.find(made) is None


def test_tokens_expire_and_remember_their_last_use(tokens: Tokens) -> None:
    made = tokens.create("mes", ["label", "read"], 1, LOCAL)
    assert tokens.find(made) == Person("mes", "operator", frozenset({"read", "label"}))
    assert tokens.listed()[0].used_ms is not None
    short = tokens.create("short", ["read"], 1e-8, LOCAL)
    time.sleep(0.01)
    assert tokens.find(short) is None
    for wrong in ("", "egt_", made[:-1], made.upper(), "\ud800", "\0"):
        assert tokens.find(wrong) is None
    tokens.revoke("mes", LOCAL)
    assert tokens.find(made) is None


def test_what_engineers_do_to_people_is_in_the_trail(store: Store, roster: Roster) -> None:
    add(roster, "Ada")
    add(roster, "Bob", "viewer")
    roster.set_role("Bob", "operator", Person("Ada", "engineer"))
    roster.remove("Bob", Person("Ada", "engineer"))
    said = [(one.who, one.action, one.subject) for one in Trail(store).entries(9)]
    assert said[:2] == [("Ada", "person.remove", "Bob"), ("Ada", "person.role", "Bob")]
    assert PASSWORD not in str(Trail(store).entries(9))


def visits(store: Store, roster: Roster, tokens: Tokens, sign_in: str, loopback: bool) -> Visits:
    kept = Sessions(store, HOUR_MS, HOUR_MS)
    return Visits(roster, kept, tokens, sign_in, loopback)  # type: ignore[arg-type]


def test_a_seat_is_open_only_to_this_machine_and_until_there_are_people(
    store: Store, roster: Roster, tokens: Tokens
) -> None:
    auto = visits(store, roster, tokens, "auto", loopback=True)
    assert auto.seat(forwarded=False).look(used=True) == LOCAL
    assert auto.seat(forwarded=True).look(used=True) is None
    for closed in (("auto", False), ("required", True), ("required", False)):
        assert visits(store, roster, tokens, *closed).seat(False).look(used=True) is None
    assert visits(store, roster, tokens, "off", False).seat(True).look(used=True) == LOCAL
    add(roster)
    wait_until(lambda: auto.seat(forwarded=False).look(used=False) is None, 5)


def test_visits_of_a_session_share_what_was_seen_and_its_end(
    store: Store, roster: Roster, tokens: Tokens
) -> None:
    found = visits(store, roster, tokens, "required", loopback=True)
    token = Sessions(store, HOUR_MS, HOUR_MS).open(add(roster), "a")
    page, socket = found.of_session(token), found.of_session(token)
    assert page is socket
    assert page.look(used=True) == Person("Ada", "engineer")
    page.end()
    assert socket.look(used=True) is None
    assert found.of_session("nobody's").look(used=True) is None


def test_an_open_page_outlives_a_database_that_is_away_for_a_while(
    store: Store, roster: Roster, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = visits(store, roster, tokens, "required", loopback=True)
    visit = found.of_session(Sessions(store, HOUR_MS, HOUR_MS).open(add(roster), "a"))
    clock = Clock()
    monkeypatch.setattr("edge_guard.collector.people.visits.time.monotonic", clock)
    ada = visit.look(used=True)
    with store.writing() as connection:
        connection.execute(text("ALTER TABLE sessions RENAME TO away"))
    clock.now += 2
    assert visit.look(used=False, patient=True) == ada == Person("Ada", "engineer")
    clock.now += 2
    with pytest.raises(SQLAlchemyError):
        visit.look(used=False)
    clock.now += PATIENCE_S
    with pytest.raises(SQLAlchemyError):
        visit.look(used=False, patient=True)
    with store.writing() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO sessions"))
    assert visit.look(used=True) == ada
    visit.end()
    assert visit.person is None


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_waits_grow_with_failures_and_end() -> None:
    clock = Clock()
    attempts, waits = Attempts(clock), []
    for _ in range(FREE["pair"]):
        assert attempts.begin("ada", "10.0.0.1") == 0
    for _ in range(12):
        wait = attempts.begin("ada", "10.0.0.1")
        waits.append(wait)
        assert wait > 0
        clock.now += wait
        assert attempts.begin("ada", "10.0.0.1") == 0
    assert waits == sorted(waits)
    assert waits[:3] == [1, 2, 4]
    assert waits[-1] == LONGEST_S["pair"]
    clock.now += 4000
    assert attempts.begin("ada", "10.0.0.1") == 0
    assert attempts.begin("ada", "10.0.0.1") == 0


def test_an_attack_on_one_name_from_everywhere_hardly_holds_up_its_owner() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for n in range(5000):
        attempts.begin("ada", f"10.1.{n // 250}.{n % 250}")
    assert 0 < attempts.begin("ada", "10.0.0.1") <= LONGEST_S["name"]
    assert attempts.begin("bob", "10.0.0.1") == 0


def test_one_address_cannot_go_through_all_names() -> None:
    attempts = Attempts(Clock())
    waits = [attempts.begin(f"name {n}", "10.0.0.1") for n in range(100)]
    assert waits.count(0) == FREE["address"]


def test_success_forgets_the_failures_of_the_pair_only() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(4):
        attempts.begin("ada", "10.0.0.1")
    assert attempts.begin("ada", "10.0.0.1") == 0
    attempts.succeeded("ada", "10.0.0.1")
    assert [attempts.begin("ada", "10.0.0.1") for _ in range(5)] == [0] * 5
    assert attempts.begin("ada", "10.0.0.1") > 0


def test_the_memory_of_failures_is_bounded() -> None:
    attempts = Attempts(Clock())
    for n in range(9000):
        attempts.begin(f"name {n}", f"10.{n // 65025}.{n // 255 % 255}.{n % 255}")
    assert len(attempts._failed) <= 20_000
