"""What every database behind the collector must do; run on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import Reporter, Sent, picture, reference
from sqlalchemy import text
from sqlalchemy.event import listen
from sqlalchemy.exc import DatabaseError

from edge_guard.collector.changes import Applied
from edge_guard.collector.parse import Message, parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.store import Store
from edge_guard.publish.messages import BootReceipt, Event, decode, encode
from edge_guard.types import Verdict


def open_store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder / 'c.sqlite'}", PictureStore(folder / "frames"))


def parsed(*sent: Sent | None) -> list[Message | str]:
    messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
    return [message for message in messages if message is not None]


def put(store: Store, *sent: Sent | None) -> Applied:
    return store.apply(parsed(*sent))


def receipt(applied: Applied, boot: str) -> BootReceipt:
    return next(boots[boot] for boots in applied.receipts.values() if boot in boots)


def test_an_event_is_complete_when_its_picture_is_stored(store: Store) -> None:
    device, queries = Reporter(), Queries(store.engine)
    jpeg = picture(1)
    event, image = device.event(jpeg)
    first = put(store, event)
    assert receipt(first, device.boot) == BootReceipt(device.boot, 0, 0)
    (row,) = queries.events(10)
    assert not row.has_picture
    second = put(store, image)
    assert second.events == first.events == [row.id]
    assert receipt(second, device.boot) == BootReceipt(device.boot, 1, 1)
    (row,) = queries.events(10)
    assert row.has_picture
    assert row.event.image is not None
    assert store.pictures.get(row.event.image.sha256) == jpeg


def test_a_picture_may_arrive_before_its_event(store: Store) -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    assert receipt(put(store, image), device.boot).highest == 0
    assert receipt(put(store, event), device.boot).contiguous == 1
    assert Queries(store.engine).events(10)[0].has_picture


def test_repetitions_change_nothing_and_are_answered(store: Store) -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    batch = [event, image, device.summary(), device.result(), device.alarm()]
    put(store, *batch)
    before = dump(store)
    again = put(store, *batch, *batch)
    assert again.events == []
    assert receipt(again, device.boot) == BootReceipt(device.boot, 4, 4)
    assert dump(store) == before


def test_a_picture_given_up_later_completes_its_event(store: Store) -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    put(store, event)
    given_up = msgspec.structs.replace(decode(event[1], Event), image=None, image_dropped="quota")
    applied = put(store, (event[0], encode(given_up)))
    assert receipt(applied, device.boot).contiguous == 1
    (row,) = Queries(store.engine).events(10)
    assert row.event.image_dropped == "quota"
    late = put(store, image)
    assert (late.refused, late.events) == ([], [])


def test_a_picture_that_is_not_the_announced_one_is_refused(store: Store) -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    assert image is not None
    put(store, event)
    applied = put(store, (image[0], picture(2)))
    assert applied.refused == [(0, "picture differs from its event")]
    other_stream = image[0].replace("/image/top/", "/image/side/")
    assert put(store, (other_stream, image[1])).refused
    assert [path for path in store.pictures.folder.rglob("*") if path.is_file()] == []
    assert Queries(store.engine).refusals() == {"picture differs from its event": 2}
    assert receipt(put(store, image), device.boot).contiguous == 1


def test_gaps_are_named_and_dropped_sequences_close_them(store: Store) -> None:
    device = Reporter()
    sent = [device.event()[0] for _ in range(9)]
    applied = put(store, *(sent[n] for n in (0, 1, 4, 8)))
    assert receipt(applied, device.boot) == BootReceipt(device.boot, 2, 9, ((3, 4), (6, 8)))
    applied = put(store, device.dropped((3, 4), (6, 6), (9, 9)))
    assert receipt(applied, device.boot) == BootReceipt(device.boot, 6, 10, ((7, 8),))
    put(store, sent[2])  # what arrives after its report is stored all the same
    (row,) = Queries(store.engine).devices()
    assert (row.stored, row.dropped, row.missing) == (6, 2, 2)
    assert row.events == 5
    assert Queries(store.engine).losses() == {"event/quota": 3}  # 9 was stored


def test_a_report_may_be_about_an_earlier_boot(store: Store) -> None:
    old, new = Reporter(boot="old"), Reporter(boot="new")
    put(store, old.event()[0])
    applied = put(store, new.dropped((2, 5), of_boot="old"))
    assert receipt(applied, "old") == BootReceipt("old", 5, 5)
    assert receipt(applied, "new") == BootReceipt("new", 1, 1)


def test_boots_and_devices_of_one_name_are_kept_apart(store: Store) -> None:
    reporters = [
        Reporter(site=site, line=line, boot=boot)
        for site in ("a", "b")
        for line in ("1", "2")
        for boot in ("x", "y")
    ]
    for reporter in reporters:
        put(store, reporter.event()[0])
    queries = Queries(store.engine)
    assert len(queries.events(100)) == len(reporters)
    assert [row.stored for row in queries.devices()] == [2, 2, 2, 2]


def test_a_greeting_names_the_last_boots(store: Store) -> None:
    for boot in ("one", "two"):
        put(store, Reporter(boot=boot).event()[0])
    applied = put(store, Reporter(boot="three").state())
    (boots,) = applied.receipts.values()
    assert {name: known.highest for name, known in boots.items()} == {"one": 1, "two": 1}


def test_the_last_will_keeps_what_the_device_told_of_its_streams(store: Store) -> None:
    device = Reporter()
    put(store, device.state(backlog=7))
    put(store, device.state("offline", streams=(), causes=("connection lost",)))
    (row,) = Queries(store.engine).devices()
    assert row.state is not None
    assert (row.state.state, row.state.backlog) == ("offline", 7)
    assert [stream.name for stream in row.state.streams] == ["top"]


def test_an_alarm_is_as_new_as_its_sequence(store: Store) -> None:
    device, queries = Reporter(), Queries(store.engine)
    raised, cleared = device.alarm("raised"), device.alarm("cleared")
    put(store, raised)
    assert [row.alarm.cause for row in queries.standing_alarms()] == ["illumination"]
    put(store, cleared)
    assert queries.standing_alarms() == []
    later = Reporter(boot="later")
    raised_again, cleared_again = later.alarm("raised"), later.alarm("cleared")
    put(store, cleared_again)
    put(store, raised_again)  # overtaken on the way
    assert queries.standing_alarms() == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_standing_alarms_are_found_without_reading_all_that_ever_were(store: Store) -> None:
    one, other = Reporter(), Reporter("cam-2", boot="other")
    put(store, *(one.alarm("raised" if n % 2 else "cleared") for n in range(20)))
    put(store, other.alarm("cleared"), other.alarm("raised"))
    asked: list[tuple[str, Any]] = []
    listen(store.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    found = Queries(store.engine).standing_alarms()
    assert {row.device for row in found} == {"cam-1", "cam-2"}
    sentence, values = asked[-1]
    with store.engine.connect() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sentence}", values).all()
    plan = [str(step[3]) for step in steps]
    seeks = "USING COVERING INDEX alarms_in_order ((device_id,stream,alarm)<(?,?,?))"
    assert any(step.startswith("SEARCH") and step.endswith(seeks) for step in plan), plan
    (first,) = (step for step in plan if step.startswith("SCAN alarms"))  # its last entry only
    assert first == "SCAN alarms USING COVERING INDEX alarms_in_order"


def test_standing_alarms_are_the_newest_words_of_many(store: Store) -> None:
    reporters = [Reporter(f"cam-{n}", boot=f"{n}{s}", stream=s) for n in range(3) for s in "ab"]
    assert Queries(store.engine).standing_alarms() == []
    expected = set()
    for n, one in enumerate(reporters):
        states = ["raised", "cleared", "raised"][: 1 + n % 3]
        put(
            store,
            *(one.alarm(state) for state in states),
            one.drift("raised"),
            one.drift("cleared"),
        )
        if states[-1] == "raised":
            expected.add((f"cam-{n // 2}", one.stream, len(states)))
    found = Queries(store.engine).standing_alarms()
    assert {(row.device, row.alarm.stream, row.alarm.sequence) for row in found} == expected
    assert len(found) == len(expected)


def test_results_are_counted_by_minute_and_verdict(store: Store) -> None:
    device = Reporter()
    at = 1_760_000_000.0
    batch = [device.result(Verdict.ACCEPT, at) for _ in range(5)]
    batch += [device.result(Verdict.REVIEW, at + 60)]
    put(store, *batch)
    put(store, *batch)
    minute = int(at // 60)
    rows = Queries(store.engine).frames_per_minute(1, "top", 0)
    assert rows == [(minute, "accept", 5), (minute + 1, "review", 1)]


def test_lists_are_paged_without_gap_or_repetition(store: Store) -> None:
    one, other = Reporter(), Reporter("cam-2", stream="side")
    put(store, *(device.event()[0] for _ in range(25) for device in (one, other)))
    queries = Queries(store.engine)
    seen: list[int] = []
    before = None
    while rows := queries.events(7, before):
        seen += [row.id for row in rows]
        before = rows[-1].id
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 50
    assert {row.device for row in queries.events(50, device=2)} == {"cam-2"}
    assert len(queries.events(50, device=1, stream="top")) == 25
    assert queries.events(50, device=1, stream="side") == []


def test_sequences_scattered_too_widely_are_refused_until_gaps_fill(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_guard.collector.progress.MOST_RANGES", 3)
    device = Reporter()
    sent = [device.event()[0] for _ in range(9)]
    applied = put(store, *(sent[n] for n in (1, 3, 5, 7)))
    assert applied.refused == [(3, "too many gaps")]
    assert put(store, sent[6]).refused == []
    assert put(store, *sent).refused == []
    assert receipt(put(store, sent[0]), device.boot).contiguous == 9


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 9))
def test_any_order_and_any_repetition_end_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: int
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))
    device, chance = Reporter(), random.Random(seed)
    sent: list[Sent] = []
    for n in range(8):
        sent += [one for one in device.event(picture(n % 5)) if one is not None]
        sent += [device.summary(), device.result()]
    messages = sent + chance.choices(sent, k=20)
    chance.shuffle(messages)
    for batch in chunks(messages, cuts):
        applied = put(store, *batch)
        assert applied.refused == []
    assert receipt(put(store, sent[0]), device.boot) == BootReceipt(device.boot, 24, 24)
    queries = Queries(store.engine)
    rows = queries.events(100)
    assert sorted(row.event.sequence for row in rows) == [1 + 3 * n for n in range(8)]
    assert all(row.has_picture for row in rows)
    assert sum(n for _, _, n in queries.frames_per_minute(1, "top", 0)) == 8
    assert len(queries.summaries(1, "top", 0)) == 8
    store.close()


def chunks(items: list[Sent], size: int) -> Iterable[list[Sent]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def test_a_batch_that_fails_leaves_nothing(store: Store) -> None:
    device = Reporter()
    with full_disk(store):
        before = dump(store)
        with pytest.raises(DatabaseError, match="disk full"):
            put(store, device.event()[0], device.summary())
        assert dump(store) == before
    assert put(store, device.event()[0], device.summary()).refused == []


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """Have the database itself fail at summaries."""
    if store.engine.dialect.name == "sqlite":
        begin = ["CREATE TRIGGER full_disk BEFORE INSERT ON summaries BEGIN {}; END"]
        failing, end = "SELECT RAISE(ABORT, 'disk full')", "DROP TRIGGER full_disk"
    else:
        begin = [
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {}; END$$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON summaries EXECUTE FUNCTION full_disk()",
        ]
        failing, end = "RAISE 'disk full'", "DROP FUNCTION full_disk CASCADE"
    for statement in begin:
        execute(store, statement.format(failing))
    yield
    execute(store, end)


def execute(store: Store, statement: str) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql(statement)


def test_an_event_that_announces_a_stored_picture_is_complete(store: Store) -> None:
    device = Reporter()
    jpeg = picture(3)
    put(store, *device.event(jpeg))
    again, _ = device.event(jpeg)  # a frozen camera: the same picture, another event
    assert receipt(put(store, again), device.boot).contiguous == 2
    assert decode(again[1], Event).image == reference(jpeg)


def dump(store: Store) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with store.engine.connect() as connection:
        for table in ("boots", "events", "pictures", "results", "summaries", "alarms", "losses"):
            rows += [(table, *row) for row in connection.execute(text(f"SELECT * FROM {table}"))]
    return sorted(rows, key=str)
