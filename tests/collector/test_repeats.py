"""Answers to repeated requests are remembered for a day, on each kind of database."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from edge_guard.collector.repeats import Attempt, Kept, OtherBodyError, Repeats, UnderWayError
from edge_guard.collector.schema import answers
from edge_guard.collector.store import Store


def begun(repeats: Repeats, request: str, body: bytes = b"") -> Attempt:
    attempt = repeats.begin(request, body)
    assert isinstance(attempt, Attempt)
    return attempt


def test_the_first_answer_is_given_again(store: Store) -> None:
    repeats, other = Repeats(store), Repeats(store)
    first = begun(repeats, "ada POST /x k1", b"body")
    with pytest.raises(UnderWayError):
        other.begin("ada POST /x k1", b"body")
    repeats.keep(first, 200, b"{}\x00")
    assert other.begin("ada POST /x k1", b"body") == Kept(200, b"{}\x00")
    with pytest.raises(OtherBodyError):
        other.begin("ada POST /x k1", b"other")
    begun(other, "bob POST /x k1", b"body")


def test_what_failed_may_be_done_again(store: Store) -> None:
    repeats = Repeats(store)
    repeats.forget(begun(repeats, "k"))
    begun(repeats, "k", b"changed")


def later(store: Store, ms: int) -> None:
    with store.writing() as connection:
        connection.execute(update(answers).values(begun_ms=answers.c.begun_ms - ms))


@pytest.mark.parametrize("seconds", [61, 3600])
def test_a_request_without_an_answer_is_not_done_twice(store: Store, seconds: int) -> None:
    repeats = Repeats(store)
    slow = begun(repeats, "k")
    later(store, seconds * 1000)
    with pytest.raises(UnderWayError, match=f"begun {seconds} s ago"):
        Repeats(store).begin("k", b"")
    slow = Attempt(slow.request, slow.begun_ms - seconds * 1000)  # only its row was put back
    repeats.keep(slow, 200, b"slow")
    assert repeats.begin("k", b"") == Kept(200, b"slow")


def test_answers_are_forgotten_after_a_day_and_requests_without_after_thirty(store: Store) -> None:
    repeats = Repeats(store)
    repeats.keep(begun(repeats, "k"), 200, b"")
    later(store, 86_400_001)
    begun(repeats, "k", b"another body")
    later(store, 30 * 86_400_000 - 60_000)
    with pytest.raises(UnderWayError):
        repeats.begin("k", b"another body")
    later(store, 60_001)
    begun(repeats, "k", b"a third")
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
    assert len([one for one in done if isinstance(one, Attempt)]) == 1
    assert len(done) == 6
