"""The review queue on both databases: its order, its leases, words taken back, second looks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import Reporter, Sent, picture
from sqlalchemy import inspect, select, text
from sqlalchemy.event import listen
from sqlalchemy.schema import DropTable

from edge_guard.collector.judgements import ConflictError, Judgements
from edge_guard.collector.parse import parse
from edge_guard.collector.queries import Queries
from edge_guard.collector.review.exchange import labelled
from edge_guard.collector.review.looks import LEASE_MS, OwnLookError, TakenLookError
from edge_guard.collector.review.queue import REST_MS, UNDERWAY_MS, ReviewQueue
from edge_guard.collector.review.seconds import seconds
from edge_guard.collector.review.waiting import Only, waiting
from edge_guard.collector.schema import migrate, review_items
from edge_guard.collector.store import Store
from edge_guard.types import Reason, Verdict

NOW = 2_000_000_000_000
CONFIDENCE = Reason("confidence", "The model is not sure.", 0.61, (0.9, None), None)


def put(store: Store, *sent: Sent | None) -> None:
    messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
    store.apply([message for message in messages if message is not None])


def flag(store: Store, device: Reporter, **changes: Any) -> int:
    """Store a frame with its picture; return its event."""
    put(store, *device.event(picture(device.sequence), **changes))
    return Queries(store.engine).events(1, kind="all")[0].id


def taken(queue: ReviewQueue, most: int = 100, who: str = "", **options: Any) -> list[int]:
    """Return the events of the frames that are offered now, which are lent then."""
    fields = {"holder": f"tab-of-{who}", "now": NOW} | options
    return [lent.event_id for lent in queue.take(who, most=most, **fields)]


def test_the_frames_whose_look_is_worth_most_come_first(store: Store) -> None:
    device = Reporter()
    many = [flag(store, device, incident="dirt") for _ in range(5)]
    far = flag(store, device, reasons=(Reason("nearest", "far", 9.0, (None, 3.0), None),))
    near = flag(store, device, reasons=(Reason("energy", "near", 3.1, (None, 3.0), None),))
    fresh = flag(store, device, incident="scratches")
    drawn = flag(store, device, verdict=Verdict.ACCEPT, reasons=(), sampled=0.02)
    assert taken(ReviewQueue(store)) == [drawn, near, many[0], fresh, far, *many[1:]]


def test_what_nobody_can_judge_is_not_asked(store: Store) -> None:
    device, queue = Reporter(), ReviewQueue(store)
    flag(store, device, label=None, verdict=Verdict.INVALID)
    event, image = device.event(picture(7))
    put(store, event)
    assert taken(queue) == []  # its picture is on its way
    put(store, image)
    assert taken(queue) == []
    assert len(taken(queue, now=NOW + UNDERWAY_MS)) == 1
    assert queue.progress("", now=NOW + UNDERWAY_MS).left == 1


def test_a_frame_whose_picture_is_gone_leaves_the_queue(store: Store) -> None:
    device, queue = Reporter(), ReviewQueue(store)
    flag(store, device)
    with store.writing() as connection:
        connection.execute(text("DELETE FROM pictures"))
    assert queue.progress("").left == 1
    assert taken(queue) == []
    assert queue.progress("").left == 0


def test_a_backlog_without_pictures_does_not_hold_up_the_queue(store: Store) -> None:
    queue = ReviewQueue(store)
    many(store, 3000)
    with store.writing() as connection:
        connection.execute(text("UPDATE events SET complete = FALSE, sha256 = 'not here'"))
    last = flag(store, Reporter("cam-2"))
    with store.writing() as connection:
        connection.execute(text(f"UPDATE review_items SET rank = {NOW} WHERE event_id = {last}"))
    executed: list[str] = []
    listen(store.engine, "before_cursor_execute", lambda *told: executed.append(told[2]))
    assert taken(queue, 4) == [last]
    assert len(executed) < 12, "one statement for a few frames each"
    assert queue.progress("").left == 3002
    assert len(taken(queue, 4, now=NOW + UNDERWAY_MS - 1)) == 0


def test_two_reviewers_never_get_the_same_frame(store: Store) -> None:
    device, queue = Reporter(), ReviewQueue(store)
    frames = {flag(store, device) for _ in range(5)}
    anna = taken(queue, 2, "Anna")
    bo = taken(queue, 9, "Bo")
    assert len(anna) == 2
    assert set(anna) | set(bo) == frames
    assert not set(anna) & set(bo)
    assert queue.progress("Bo", holder="tab-of-Bo", now=NOW).lent == 2
    queue.give_back("tab-of-Anna")
    assert taken(queue, 9, "Bo") == anna
    assert taken(queue, 9, "Anna", now=NOW + LEASE_MS - 1) == []
    assert taken(queue, 9, "Anna", now=NOW + LEASE_MS) == [*anna, *bo]


def test_a_lease_is_kept_by_who_still_works(store: Store) -> None:
    queue = ReviewQueue(store)
    flag(store, Reporter())
    (lent,) = queue.take("Anna", "tab-1", now=NOW)
    later = NOW + LEASE_MS - 1
    assert queue.keep([lent.item], "tab-2", later) == []
    assert queue.keep([lent.item, 999], "tab-1", later) == [lent.item]
    assert queue.take("Bo", "tab-2", now=later + LEASE_MS - 1) == []
    assert queue.take("Bo", "tab-2", now=later + LEASE_MS) == [lent]
    assert queue.keep([lent.item], "tab-1", later + LEASE_MS) == []


def test_a_skipped_frame_rests_and_comes_back_behind_the_others(store: Store) -> None:
    device, queue = Reporter(), ReviewQueue(store)
    skipped, other = flag(store, device), flag(store, device)
    (lent,) = queue.take("Anna", "tab-1", now=NOW)
    queue.skip(lent.item, "tab-2", NOW)  # not its holder
    assert taken(queue) == [other]
    queue.give_back("tab-of-")
    queue.skip(lent.item, "tab-1", NOW)
    assert taken(queue) == [other]
    queue.take_back(lent.item, "tab-1", NOW)
    assert queue.keep([lent.item], "tab-1", NOW) == [lent.item]
    queue.skip(lent.item, "tab-1", NOW)
    assert taken(queue, now=NOW + REST_MS) == [other, skipped]


def test_filters_choose_a_part(store: Store) -> None:
    top, side = Reporter("cam-1"), Reporter("cam-2", line="line-4", stream="side")
    one = flag(store, top)
    two = flag(store, side, reasons=(CONFIDENCE,))
    queue = ReviewQueue(store)
    parts = {
        Only(line="plant/line-3"): [one],
        Only(line="plant"): [],
        Only(device=2): [two],
        Only(device=1, stream="side"): [],
        Only(stream="side"): [two],
        Only(reason="fused"): [one],
        Only(reason="confidence", line="plant/line-4"): [two],
    }
    for only, expected in parts.items():
        assert queue.progress("", only).left == len(expected)
        assert taken(queue, only=only) == expected
        queue.give_back("tab-of-")
    assert queue.reasons() == ["confidence", "fused"]
    assert queue.lines() == ["plant/line-3", "plant/line-4"]


def test_answers_empty_the_queue_and_undo_fills_it_again(store: Store) -> None:
    queue, words = ReviewQueue(store), Judgements(store, second_share=0.0)
    event = flag(store, Reporter())
    (lent,) = queue.take("Anna", "tab-1")
    word = words.add(event, "wrong", "Anna", "scratch", "request-1")
    assert word is not None
    assert words.add(event, "wrong", "Anna", "scratch", "request-1") == word
    assert words.requested("request-1") == word
    assert queue.progress("Anna").left == 0
    assert queue.progress("Anna").hour == 1
    assert words.withdraw(word.id, "Bo") is None
    taken_back = words.withdraw(word.id, "Anna", "request-2", "tab-1")
    assert taken_back is not None
    assert words.withdraw(word.id, "Anna", "request-2", "tab-1") == taken_back
    assert words.withdraw(taken_back.id, "Anna") is None
    assert words.standing(event) == []
    assert [one.answer for one in words.of(event)] == ["wrong", "withdrawn"]
    assert Queries(store.engine).events(1)[0].judged is None
    assert queue.progress("Anna").hour == 0
    assert queue.keep([lent.item], "tab-1") == [lent.item]
    assert words.add(event, "wrong", "Anna", "scratch") != word


def test_the_word_before_the_one_taken_back_counts_again(store: Store) -> None:
    queue, words = ReviewQueue(store), Judgements(store, second_share=0.0)
    event = flag(store, Reporter())
    words.add(event, "right", "Anna")
    last = words.add(event, "wrong", "Bo")
    assert last is not None
    words.withdraw(last.id, "Bo")
    assert Queries(store.engine).events(1)[0].judged == "right"
    assert queue.progress("Bo").left == 0


def test_a_second_look_is_blind_and_by_somebody_else(store: Store) -> None:
    queue, words = ReviewQueue(store), Judgements(store, second_share=0.05, chance=lambda: 0.049)
    event = flag(store, Reporter())
    words.add(event, "right", "Anna")
    assert taken(queue, who="Anna") == []
    assert queue.progress("Anna").left == 0
    (lent,) = queue.take("Bo", "tab-of-Bo")
    assert (lent.event_id, lent.look, queue.look(lent.item)) == (event, 2, (event, 2))
    assert (seconds(store).waiting, seconds(store).people) == (1, 1)
    second = words.add(event, "wrong", "Bo", "dent", blind=True)
    assert second is not None
    assert Queries(store.engine).events(1)[0].judged == "right"
    assert taken(queue, who="Cy") == []
    found = seconds(store)
    assert found.agreement is not None
    assert (found.agreement.n, found.agreement.agreed, found.waiting) == (1, 0, 0)
    assert [(one.first.who, one.second.label) for one in found.open] == [("Anna", "dent")]
    words.add(event, "wrong", "engineer", "dent")
    assert seconds(store).open == []
    words.withdraw(second.id, "Bo")
    assert seconds(store).agreement is None
    assert taken(queue, who="Bo") == [event]


def test_a_second_look_is_answered_once_and_not_by_who_had_the_first(store: Store) -> None:
    words = Judgements(store, chance=lambda: 0.0)
    event = flag(store, Reporter())
    with pytest.raises(TakenLookError):
        words.add(event, "wrong", "Bo", blind=True)
    words.add(event, "right", "Anna")
    with pytest.raises(OwnLookError):
        words.add(event, "wrong", "Anna", blind=True)
    second = words.add(event, "wrong", "Bo", None, "second-look-1", blind=True)
    with pytest.raises(TakenLookError):
        words.add(event, "right", "Cy", blind=True)
    assert words.add(event, "wrong", "Bo", None, "second-look-1", blind=True) == second
    assert [one.who for one in words.of(event)] == ["Anna", "Bo"]


def test_a_request_is_of_one_word_only(store: Store) -> None:
    words, device = Judgements(store, chance=lambda: 0.0), Reporter()
    event, other = flag(store, device), flag(store, device)
    said = words.add(event, "wrong", "Anna", "dent", "request-1")
    assert said is not None
    others: list[tuple[int, Any, str, str | None, bool]] = [
        (other, "wrong", "Anna", "dent", False),
        (event, "right", "Anna", None, False),
        (event, "wrong", "Bo", "dent", False),
        (event, "wrong", "Anna", "scratch", False),
        (event, "wrong", "Anna", "dent", True),
    ]
    for number, answer, who, label, blind in others:
        with pytest.raises(ConflictError, match="another answer"):
            words.add(number, answer, who, label, "request-1", blind=blind)
    with pytest.raises(ConflictError, match="another answer"):
        words.withdraw(said.id, "Anna", "request-1")
    assert words.add(event, "wrong", "Anna", "dent", "request-1") == said
    assert (words.of(event), words.of(other)) == ([said], [])


@pytest.mark.parametrize("answer", ["right", "unsure"])
def test_only_a_wrong_answer_has_another_label(store: Store, answer: Any) -> None:
    words, event = Judgements(store), flag(store, Reporter(), sampled=0.02)
    said = words.add(event, answer, "Anna", "scratch", "request-1")
    assert said is not None
    assert said.label is None
    assert words.add(event, answer, "Anna", "scratch", "request-1") == said
    expected = "ok" if answer == "right" else None
    assert [one.label for one in labelled(store)] == [expected]
    assert [one.truth for one in words.audited(1, "top", 0)] == [expected]
    with store.writing() as connection:  # as older collectors have stored it
        connection.execute(text("UPDATE judgements SET label = 'scratch'"))
    if answer == "right":
        assert [one.label for one in labelled(store)] == [expected]
        assert [one.truth for one in words.audited(1, "top", 0)] == [expected]


def test_no_second_look_is_drawn_beyond_the_share(store: Store) -> None:
    queue, words = ReviewQueue(store), Judgements(store, second_share=0.05, chance=lambda: 0.05)
    words.add(flag(store, Reporter()), "right", "Anna")
    assert taken(queue, who="Bo") == []


def test_a_first_word_taken_back_takes_its_second_look_with_it(store: Store) -> None:
    queue, words = ReviewQueue(store), Judgements(store, chance=lambda: 0.0)
    event = flag(store, Reporter())
    word = words.add(event, "right", "Anna")
    assert word is not None
    words.withdraw(word.id, "Anna")
    assert [(lent.event_id, lent.look) for lent in queue.take("Bo", "tab", 9)] == [(event, 1)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("flag"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["take", "answer", "skip", "leave", "undo"]), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1_000, LEASE_MS // 2, LEASE_MS, REST_MS])),
    ),
    max_size=25,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_nothing_is_lent_twice_at_once_and_everything_is_offered(
    store: Store, steps: list[tuple[str, int]]
) -> None:
    model = Model(store)
    for name, which in steps:
        getattr(model, name)(which)
    model.drain()


class Model:
    """Three reviewers at one queue, and what each of them holds."""

    def __init__(self, store: Store) -> None:
        with store.writing() as connection:
            for table in ("review_items", "judgements"):
                connection.execute(text(f"DELETE FROM {table}"))
        self.store, self.queue = store, ReviewQueue(store)
        self.words = Judgements(store, second_share=0.0)
        self.now, self.device = NOW, Reporter(boot=f"b{id(self)}")
        self.held: dict[int, tuple[int, int]] = {}
        self.waiting: set[int] = set()
        self.said: list[tuple[int, int]] = []
        self.event_of: dict[int, int] = {}

    def flag(self, which: int) -> None:
        event = flag(self.store, self.device, incident=f"i{which}")
        with self.store.engine.connect() as connection:
            query = select(review_items.c.id).where(review_items.c.event_id == event)
            item = connection.scalars(query).one()
        self.waiting.add(item)
        self.event_of[item] = event

    def take(self, who: int) -> None:
        for lent in self.queue.take(f"p{who}", f"tab-{who}", 2, now=self.now):
            assert lent.item in self.waiting
            assert self.held.get(lent.item, (0, 0))[1] <= self.now, "lent twice"
            self.held[lent.item] = (who, self.now + LEASE_MS)

    def answer(self, who: int) -> None:
        for item in self._of(who)[:1]:
            word = self.words.add(self.event_of[item], "right", f"p{who}")
            assert word is not None
            self.said.append((word.id, item))
            self.waiting.remove(item)
            del self.held[item]

    def undo(self, who: int) -> None:
        if self.said:
            word, item = self.said.pop()
            said_by = next(one.who for one in self.words.of(self.event_of[item]) if one.id == word)
            self.words.withdraw(word, said_by)
            self.waiting.add(item)

    def skip(self, who: int) -> None:
        for item in self._of(who)[:1]:
            self.queue.skip(item, f"tab-{who}", self.now)
            self.held[item] = (-1, self.now + REST_MS)

    def leave(self, who: int) -> None:
        self.queue.give_back(f"tab-{who}")
        self.held = {item: one for item, one in self.held.items() if one[0] != who}

    def wait(self, ms: int) -> None:
        self.now += ms

    def drain(self) -> None:
        """Whatever happened, all that waits is offered once every lease is over."""
        offered = self.queue.take("last", "tab-last", 1000, now=self.now + REST_MS)
        assert {lent.item for lent in offered} == self.waiting
        assert self.queue.progress("last").left == len(self.waiting)

    def _of(self, who: int) -> list[int]:
        return [item for item, (held_by, _) in self.held.items() if held_by == who]


@pytest.mark.parametrize(
    ("only", "index"),
    [
        (Only(), "review_next"),
        (Only(device=1), "review_next_of_device"),
        (Only(line="plant/line-3"), "review_next_of_line"),
        (Only(reason="fused"), "review_next_of_reason"),
    ],
)
def test_the_next_frame_comes_from_an_index(store: Store, only: Only, index: str) -> None:
    many(store, 4000)
    query = waiting("Anna", only, NOW).limit(4)
    compiled = query.compile(store.engine, compile_kwargs={"literal_binds": True})
    with store.engine.connect() as connection:
        if store.engine.dialect.name == "sqlite":
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))
            plan = " ".join(row.detail for row in rows)
            assert "TEMP B-TREE" not in plan
            assert f"USING INDEX {index} " in plan
        else:
            connection.execute(text("ANALYZE"))
            plan = " ".join(row[0] for row in connection.execute(text(f"EXPLAIN {compiled}")))
            assert "Sort" not in plan
            assert "review_next" in plan


def many(store: Store, n: int) -> None:
    """Copy one frame of the queue, each copy with a trouble of its own."""
    flag(store, Reporter())
    with store.writing() as connection:
        columns = [column["name"] for column in inspect(connection).get_columns("events")]
        copied = ", ".join(column for column in columns if column not in ("id", "sequence"))
        numbers = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) ".format
        )
        connection.execute(
            text(
                f"INSERT INTO events (sequence, {copied}) {numbers(n)}"
                f"SELECT 1000 + i, {copied} FROM events, n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO review_items (event_id, look, device_id, stream, line, reason, "
                "crowd, place, rank, lease_until_ms) "
                "SELECT e.id, 1, e.device_id, 'top', 'plant/line-' || (e.id % 40), "
                "'guard-' || (e.id % 20), 'c', 1, e.received_ms + e.id, 0 "
                "FROM events e WHERE e.sequence > 1000"
            )
        )


def test_a_database_from_before_the_queue_is_brought_up_to_date(store: Store) -> None:
    device, words = Reporter(), Judgements(store, second_share=0.0)
    judged, left = flag(store, device), flag(store, device)
    words.add(judged, "right", "Anna")
    with store.writing() as connection:
        connection.execute(DropTable(review_items))
        for name in ("by_who", "withdrawn", "requested"):
            connection.execute(text(f"DROP INDEX judgements_{name}"))
        for name in ("withdraws", "blind", "request"):
            connection.execute(text(f"ALTER TABLE judgements DROP COLUMN {name}"))
        connection.execute(text("DELETE FROM migrations WHERE name = '0006-reviews'"))
        assert migrate(connection) == ["0006-reviews"]
    assert taken(ReviewQueue(store)) == [left]
    (word,) = words.standing(judged)
    assert (word.answer, word.blind, word.withdraws) == ("right", False, None)


def test_deleting_an_event_takes_it_out_of_the_queue(store: Store) -> None:
    event = flag(store, Reporter())
    with store.writing() as connection:
        connection.execute(text(f"DELETE FROM events WHERE id = {event}"))
    assert ReviewQueue(store).progress("").left == 0


def test_who_repeats_themselves_after_somebody_else_is_heard(store: Store) -> None:
    words = Judgements(store, second_share=0.0)
    event = flag(store, Reporter())
    first = words.add(event, "right", "Anna")
    assert words.add(event, "right", "Anna") == first
    words.add(event, "wrong", "Bo")
    assert words.add(event, "right", "Anna") != first
    assert Queries(store.engine).events(1)[0].judged == "right"
