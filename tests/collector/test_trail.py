"""The audit trail: only added to, on each database; what was done to it all the same shows."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from edge_guard.collector.people import LOCAL
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.schema import MIGRATIONS, migrate
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail


def test_what_was_done_is_read_newest_first_by_pages(store: Store) -> None:
    trail = Trail(store)
    for n in range(5):
        trail.note("Ada", "judgement.add", f"event {n}", {"answer": "right"})
    first = trail.entries(3)
    assert [entry.subject for entry in first] == ["event 4", "event 3", "event 2"]
    assert [entry.subject for entry in trail.entries(3, first[-1].id)] == ["event 1", "event 0"]
    assert (first[0].who, first[0].details) == ("Ada", {"answer": "right"})
    assert first[0].at_ms >= first[2].at_ms > 1_700_000_000_000


def test_the_database_refuses_every_other_change(store: Store) -> None:
    trail = Trail(store)
    trail.note(LOCAL, "person.add", "Ada")
    words = ["UPDATE trail SET who = 'nobody'", "DELETE FROM trail"]
    if store.engine.dialect.name == "postgresql":
        words.append("TRUNCATE trail")
    for statement in words:
        with pytest.raises(DBAPIError, match="only ever added to"), store.writing() as connection:
            connection.execute(text(statement))
    assert [entry.who for entry in trail.entries(9)] == ["local"]
    assert trail.broken() is None


def test_a_note_in_a_transaction_shares_its_fate(store: Store) -> None:
    trail = Trail(store)
    with pytest.raises(ZeroDivisionError), store.writing() as connection:
        trail.note("Ada", "rollout.start", "a.guard", connection=connection)
        raise ZeroDivisionError
    assert trail.entries(9) == []
    with store.writing() as connection:
        trail.note("Ada", "rollout.start", "a.guard", connection=connection)
    assert len(trail.entries(9)) == 1


def test_many_write_at_once_and_the_chain_holds(store: Store) -> None:
    trail = Trail(store)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: trail.note(f"p{n % 4}", "do", str(n)), range(40)))
    assert len(trail.entries(99)) == 40
    assert trail.broken() is None


def test_hostile_words_are_stored_as_they_can_be(store: Store) -> None:
    trail = Trail(store)
    trail.note("A\0b\ud800" + "x" * 300, "do", "<script>" * 99, {"a": "\0\ud800", "b": object()})
    (entry,) = trail.entries(9)
    assert entry.who.startswith("A\\0b?xxx")
    assert len(entry.who) == 128
    assert trail.broken() is None


def test_whoever_owns_the_file_cannot_change_it_unseen(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'c.sqlite'}", PictureStore(tmp_path / "frames"))
    trail = Trail(store)
    for n in range(4):
        trail.note("Ada", "do", str(n))
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.execute("DROP TRIGGER trail_no_update")
        db.execute("UPDATE trail SET who = 'Eve' WHERE id = 3")
    assert trail.broken() == 3
    store.close()


def test_an_older_database_gets_the_same_tables(store: Store) -> None:
    names = "trail, tokens, sessions, people"
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"DROP TABLE {names}"))
        else:
            for name in names.split(", "):
                connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("DELETE FROM migrations WHERE name = '0004-people'"))
        assert "0004-people" in migrate(connection, MIGRATIONS)
    test_the_database_refuses_every_other_change(store)
