"""Answers to repeated requests are remembered for a day, on each kind of database."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from edge_guard.collector.repeats import Kept, OtherBodyError, Repeats, UnderWayError
from edge_guard.collector.schema import answers
from edge_guard.collector.store import Store


def test_the_first_answer_is_given_again(store: Store) -> None:
    repeats, other = Repeats(store), Repeats(store)
    assert repeats.begin("ada POST /x k1", b"body") is None
    with pytest.raises(UnderWayError):
        other.begin("ada POST /x k1", b"body")
    repeats.keep("ada POST /x k1", 200, b"{}\x00")
    assert other.begin("ada POST /x k1", b"body") == Kept(200, b"{}\x00")
    with pytest.raises(OtherBodyError):
        other.begin("ada POST /x k1", b"other")
    assert other.begin("bob POST /x k1", b"body") is None


def test_what_failed_may_be_done_again(store: Store) -> None:
    repeats = Repeats(store)
    assert repeats.begin("k", b"") is None
    repeats.forget("k")
    assert repeats.begin("k", b"changed") is None


def later(store: Store, ms: int) -> None:
    with store.writing() as connection:
        connection.execute(update(answers).values(begun_ms=answers.c.begun_ms - ms))


def test_a_request_whose_collector_was_killed_may_be_made_again(store: Store) -> None:
    repeats = Repeats(store)
    assert repeats.begin("k", b"") is None
    later(store, 61_000)
    assert repeats.begin("k", b"") is None
    with pytest.raises(UnderWayError):
        repeats.begin("k", b"")


def test_answers_are_forgotten_after_a_day(store: Store) -> None:
    repeats = Repeats(store)
    assert repeats.begin("k", b"") is None
    repeats.keep("k", 200, b"")
    later(store, 86_400_001)
    assert repeats.begin("k", b"another body") is None
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(answers)) == 1


def test_of_many_at_once_one_is_answered(store: Store) -> None:
    done: list[object] = []
    start = threading.Barrier(6)

    def ask() -> None:
        start.wait()
        try:
            done.append(Repeats(store).begin("k", b""))
        except UnderWayError as error:
            done.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in done if one is None]) == 1
    assert len(done) == 6
