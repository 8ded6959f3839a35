"""What is old or too much goes, oldest first and counted; what people need stays."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from reports import Reporter, Sent, picture, reference
from sqlalchemy import event as happening
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from edge_guard.collector.feed import Feed
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.parse import parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.retention import Retention, deletion
from edge_guard.collector.schema import discarded, events, pictures, results, summaries
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.config import RetentionTable
from edge_guard.types import Verdict

DAY = 86_400.0


class Shelf:
    """A store with a retention whose clock stands as many days later as told."""

    def __init__(self, store: Store) -> None:
        self.store, self.device = store, Reporter()
        self.queries, self.judgements = Queries(store.engine), Judgements(store)
        self.feed = Feed(self.queries, LinkStatus("connected", ""))

    def retention(self, days_later: float = 0.0, **limits: float) -> Retention:
        table = RetentionTable(**limits)  # type: ignore[arg-type]
        return Retention(self.store, table, self.feed, lambda: time.time() + days_later * DAY)

    def put(self, *sent: Sent | None) -> None:
        messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
        self.store.apply([message for message in messages if message is not None])

    def frame(self, seed: int, verdict: Verdict, **changes: object) -> str:
        """Store a frame with a picture; return the picture's digest."""
        jpeg = picture(seed)
        self.put(*self.device.event(jpeg, verdict=verdict, **changes))
        return reference(jpeg).sha256

    def left(self) -> list[int]:
        """Return the sequences of the frames that are stored, oldest first."""
        return sorted(row.event.sequence for row in self.queries.events(500, kind="all"))

    def count(self, table: object) -> int:
        with self.store.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


@pytest.fixture
def shelf(store: Store) -> Shelf:
    return Shelf(store)


def test_old_frames_go_with_their_pictures_except_judged_and_unreviewed_ones(shelf: Shelf) -> None:
    unreviewed = shelf.frame(1, Verdict.REVIEW)
    shelf.frame(2, Verdict.REVIEW)
    sampled = shelf.frame(3, Verdict.ACCEPT, sampled=0.5, reasons=())
    shelf.frame(4, Verdict.ACCEPT, sampled=0.5, reasons=())
    shelf.frame(5, Verdict.INVALID, label=None)
    for number in (2, 4):
        assert shelf.judgements.add(number, "wrong", "Anna", "scratch") is not None
    assert shelf.retention(9.0, days=10).sweep() == ""
    assert shelf.left() == [1, 2, 3, 4, 5]
    trouble = shelf.retention(11.0, days=10).sweep()
    assert shelf.left() == [1, 2, 4]
    assert "frames up to 11.0 days old are kept beyond [retention] days = 10" in trouble
    assert shelf.store.pictures.get(sampled) is None
    assert shelf.store.pictures.get(unreviewed) == picture(1)
    assert shelf.count(pictures) == 3
    gone = deletion.deleted(shelf.store)
    assert (gone["frames (age)"], gone["pictures (age)"]) == (2, 2)
    assert gone["picture bytes (age)"] == len(picture(3)) + len(picture(5))
    note = Trail(shelf.store).entries(1)[0]
    assert (note.who, note.action, note.details) == ("collector", "retention.delete", gone)
    assert shelf.retention(11.0, days=10, unreviewed_days=10).sweep() == ""
    assert shelf.left() == [2, 4]  # what people said stays whatever is set


def test_the_oldest_go_until_the_size_is_kept(shelf: Shelf) -> None:
    for seed in range(1, 13):
        shelf.frame(seed, Verdict.INVALID, label=None)
    sizes = [len(picture(seed)) for seed in range(1, 13)]
    retention = shelf.retention()
    retention._sweep_large(sum(sizes[-5:]))
    assert shelf.left() == [8, 9, 10, 11, 12]
    assert deletion.deleted(shelf.store)["picture bytes (size)"] == sum(sizes[:7])


def test_a_size_that_cannot_be_kept_is_trouble(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    jpeg = picture(1, 3000, 2400)
    shelf.put(*shelf.device.event(jpeg))
    retention = shelf.retention(max_picture_bytes=1_000_000)
    assert len(jpeg) > 1_000_000
    retention.start()
    deadline = time.monotonic() + 10
    while not (trouble := told(shelf.feed)):
        assert time.monotonic() < deadline
    retention.stop()
    assert "more than [retention] max_picture_bytes = 1,000,000" in trouble
    assert trouble in caplog.text
    assert shelf.left() == [1]


def told(feed: Feed) -> str:
    news = feed.since(0)
    assert news is not None
    return news.overfull


def test_a_picture_that_another_frame_shows_stays(shelf: Shelf) -> None:
    digest = shelf.frame(1, Verdict.INVALID, label=None)
    shelf.frame(1, Verdict.REVIEW)
    shelf.retention(11.0, days=10).sweep()
    assert shelf.left() == [2]
    assert shelf.store.pictures.get(digest) == picture(1)


def test_an_event_that_waits_for_its_picture_stays_until_it_has_it(shelf: Shelf) -> None:
    event, image = shelf.device.event(picture(1), verdict=Verdict.INVALID, label=None)
    shelf.put(event)
    shelf.retention(11.0, days=10).sweep()
    shelf.put(image)
    assert shelf.left() == [1]
    shelf.retention(11.0, days=10).sweep()
    assert shelf.left() == []
    shelf.put(event, image)  # sent again: the receipt was lost
    assert shelf.left() == []
    assert shelf.queries.devices()[0].missing == 0


def test_old_reports_go_but_an_alarm_that_stands(shelf: Shelf) -> None:
    device, now = shelf.device, time.time()
    shelf.put(
        device.alarm("raised", at=now - 20 * DAY),
        device.alarm("cleared", at=now - 19 * DAY),
        device.alarm("raised", at=now - 18 * DAY),
        *(device.summary(at=now - age * DAY) for age in (20, 11, 9)),
        *(device.result(at=now - age * DAY) for age in (20, 11, 9)),
    )
    shelf.retention(report_days=10).sweep()
    gone = deletion.deleted(shelf.store)
    assert gone == {"alarms (age)": 2, "summaries (age)": 2, "results (age)": 2}
    assert (shelf.count(summaries), shelf.count(results)) == (1, 1)
    assert [row.alarm.state for row in shelf.queries.standing_alarms()] == ["raised"]


def test_pictures_without_frame_and_files_without_row_go_after_a_day(shelf: Shelf) -> None:
    _, image = shelf.device.event(picture(1))
    shelf.put(image)  # its event never comes
    shelf.frame(2, Verdict.REVIEW)
    stray = shelf.store.pictures.put(picture(3))
    path = PictureStore(shelf.store.pictures.folder).path(stray)
    half = path.with_name(f".{stray}.1.2")
    half.write_bytes(b"cut")
    shelf.retention().sweep()
    assert shelf.store.pictures.get(stray) is not None
    shelf.retention(1.1).sweep()
    assert shelf.store.pictures.get(stray) is None
    assert not half.exists()
    assert shelf.count(pictures) == 1
    assert shelf.store.pictures.get(reference(picture(2)).sha256) is not None
    gone = deletion.deleted(shelf.store)
    assert (gone["pictures (orphaned)"], gone["pictures (without a row)"]) == (1, 1)


def test_a_picture_that_came_back_is_not_discarded(shelf: Shelf) -> None:
    digest = shelf.frame(1, Verdict.INVALID, label=None)
    with pytest.raises(OSError, match="busy"), refusing(shelf.store.pictures):
        shelf.retention(11.0, days=10).sweep()
    assert shelf.count(events) == 0
    assert shelf.count(discarded) == 1  # waits for the next sweep
    shelf.frame(1, Verdict.REVIEW)
    shelf.retention().sweep()
    assert shelf.count(discarded) == 0
    assert shelf.store.pictures.get(digest) == picture(1)


class refusing:
    """Has a picture store fail to delete."""

    def __init__(self, pictures: PictureStore) -> None:
        self.pictures = pictures

    def __enter__(self) -> None:
        self.before = self.pictures.remove

        def fail(_: object) -> None:
            raise OSError("busy")

        self.pictures.remove = fail  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        self.pictures.remove = self.before  # type: ignore[method-assign]


def test_a_sweep_while_frames_are_stored_loses_no_picture(shelf: Shelf) -> None:
    """The same few pictures come and go all the time: each frame must keep its own."""
    stop, failures = threading.Event(), []

    def sweep() -> None:
        retention = shelf.retention(11.0, days=10)
        while not stop.is_set():
            try:
                retention.sweep()
            except OperationalError as error:
                failures.append(error)

    thread = threading.Thread(target=sweep)
    thread.start()
    for n in range(60):
        verdict = Verdict.REVIEW if n % 3 == 0 else Verdict.INVALID
        shelf.frame(n % 4, verdict)
    stop.set()
    thread.join(30)
    assert failures == []
    rows = shelf.queries.events(500)
    assert sum(row.event.verdict == Verdict.REVIEW for row in rows) == 20
    for row in rows:
        assert row.has_picture
        assert row.event.image is not None
        assert shelf.store.pictures.get(row.event.image.sha256) is not None


def test_collectors_that_sweep_together_delete_and_count_once(shelf: Shelf) -> None:
    for seed in range(40):
        shelf.frame(seed, Verdict.INVALID, label=None)
    sweeps = [shelf.retention(11.0, days=10) for _ in range(3)]
    threads = [threading.Thread(target=one.sweep) for one in sweeps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    gone = deletion.deleted(shelf.store)
    assert (gone["frames (age)"], gone["pictures (age)"]) == (40, 40)
    assert (shelf.count(events), shelf.count(discarded)) == (0, 0)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_is_old_is_found_by_an_index(shelf: Shelf) -> None:
    asked: list[tuple[str, object]] = []
    happening.listen(
        shelf.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4])
    )
    shelf.retention(days=1, report_days=1, unreviewed_days=1).sweep()
    shelf.retention(days=1)._too_old()
    plans = []
    with shelf.store.engine.connect() as connection:
        for sentence, values in list(asked):
            if "events.received_ms" in sentence or sentence.startswith("DELETE FROM"):
                explained = f"EXPLAIN QUERY PLAN {sentence}"
                plans.append(str(connection.exec_driver_sql(explained, values).all()))
    assert len([plan for plan in plans if "events_by_arrival" in plan]) == 4
    assert len([plan for plan in plans if "_by_time" in plan]) == 2
    for plan in plans:
        assert not re.search("SCAN (events|summaries|alarms|results|pictures|judgements)", plan)
        assert "TEMP B-TREE" not in plan


def test_a_database_from_before_gets_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'c.sqlite'}"
    store = Store(url, PictureStore(tmp_path / "frames"))
    names = (
        "events_by_arrival",
        "events_by_picture",
        "summaries_by_time",
        "alarms_by_time",
        "results_by_minute",
    )
    with store.writing() as connection:
        for index in names:
            connection.execute(text(f"DROP INDEX {index}"))
        for table in ("deletions", "discarded"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DELETE FROM migrations WHERE name = '0005-retention'"))
    store.close()
    store = Store(url, PictureStore(tmp_path / "frames"))
    shelf = Shelf(store)
    shelf.frame(1, Verdict.INVALID, label=None)
    shelf.retention(2.0, days=1).sweep()
    assert shelf.left() == []
    store.close()
