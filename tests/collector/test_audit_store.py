"""Audits in the database: old ones are migrated, lies refused, people's words only added."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from reports import Reporter, Sent

from edge_guard.collector.accuracy import accuracy_of
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.parse import RefusedError, parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.store import Store
from edge_guard.publish.messages import AccuracyBasis, AccuracyCounts
from edge_guard.types import Verdict

BASIS = AccuracyBasis("bins", (0.7, 0.99), 0.95, 500, 0.0, 0.01, 16, 0.01)


def open_store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder / 'c.sqlite'}", PictureStore(folder / "frames"))


def put(store: Store, *sent: Sent | None) -> None:
    messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
    store.apply([message for message in messages if message is not None])


def audited(device: Reporter, **changes: Any) -> Sent:
    fields = {"verdict": Verdict.ACCEPT, "reasons": (), "sampled": 0.25}
    return device.event(**(fields | changes))[0]


def as_before_audits(folder: Path) -> None:
    """Take the database back to what the first version made."""
    with sqlite3.connect(folder / "c.sqlite") as db:
        db.execute("DROP INDEX events_audited")
        db.execute("DROP INDEX events_drawn")
        db.execute("DROP TABLE judgements")
        db.execute("ALTER TABLE events DROP COLUMN sampled")
        db.execute("DELETE FROM migrations WHERE name IN ('0002-audits', '0015-drawn')")


def test_a_database_from_before_audits_is_brought_up_to_date(tmp_path: Path) -> None:
    device, store = Reporter(), open_store(tmp_path)
    put(store, device.event()[0])
    store.close()
    as_before_audits(tmp_path)
    store = open_store(tmp_path)
    put(store, audited(device))
    queries, judgements = Queries(store.engine), Judgements(store)
    (flagged,), (drawn,) = queries.events(9), queries.events(9, kind="audit")
    assert (flagged.event.sampled, drawn.event.sampled) == (None, 0.25)
    assert judgements.add(flagged.id, "right") is not None
    assert judgements.add(drawn.id, "wrong", "Anna", "scratch") is not None
    assert [frame.judged for frame in judgements.audited(1, "top", 0)] == ["wrong"]
    with store.engine.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM events WHERE device_id = 1 AND stream = 'top'"
            " AND sampled IS NOT NULL AND occurred_ms >= 0"
        ).all()
    assert "events_audited" in str(plan)
    store.close()


@pytest.mark.parametrize("sampled", [0.0, -0.1, 1.5, 1e-300])
def test_a_probability_that_is_none_is_refused(sampled: float) -> None:
    with pytest.raises(RefusedError, match="malformed probability"):
        parse(*audited(Reporter(), sampled=sampled), "edge-guard/v1")


@pytest.mark.parametrize(
    "accuracy",
    [
        AccuracyCounts((1, 2, 3), BASIS),
        AccuracyCounts((-1, 2), BASIS),
        AccuracyCounts((), AccuracyBasis("bins", (), 0.9, 1, 0.0, 0.0, 1, 0.01)),
        AccuracyCounts((1, 2), AccuracyBasis("bins", (0.5, 7.0), 0.9, 1, 0.0, 0.0, 1, 0.01)),
        AccuracyCounts((1,) * 65, AccuracyBasis("x", (0.5,) * 65, 0.9, 1, 0.0, 0.0, 1, 0.01)),
    ],
)
def test_counts_that_do_not_fit_are_refused(accuracy: AccuracyCounts) -> None:
    with pytest.raises(RefusedError, match="malformed counts"):
        parse(*Reporter().summary(accuracy=accuracy), "edge-guard/v1")


def test_the_same_word_at_once_is_stored_once(store: Store) -> None:
    put(store, audited(Reporter()))
    judgements = Judgements(store)
    threads = [threading.Thread(target=judgements.add, args=(1, "right", "Anna")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(judgements.of(1)) == 1
    judgements.add(1, "wrong", "Anna")
    judgements.add(1, "right", "Anna")
    assert [one.answer for one in judgements.of(1)] == ["right", "wrong", "right"]
    assert judgements.add(2, "right") is None


def test_only_the_newest_bundle_counts(store: Store) -> None:
    device = Reporter()
    counts = AccuracyCounts((100, 900), BASIS)
    verdicts = {"accept": 1000}
    for window in range(2):
        put(store, device.summary(window=window, verdicts=verdicts, reasons={}, accuracy=counts))
    put(store, audited(device))
    Judgements(store).add(1, "right")
    summaries = [summary for _, summary in Queries(store.engine).summaries(1, "top", 0)]
    frames = Judgements(store).audited(1, "top", 0)
    known = accuracy_of(summaries, frames, "")
    assert known.estimate is not None
    assert known.estimate.frames == 2000
    before = replace(frames[0], bundle="the one before", judged="wrong")
    assert accuracy_of(summaries, [*frames, before], "").audit == known.audit
    assert known.audit.accuracy is not None
    assert (known.audit.accuracy.yes, known.audit.accuracy.n) == (1, 1)
    assert accuracy_of([], frames, "").hidden == "there are no summaries"
    without = [parse(*device.summary(window=9), "edge-guard/v1")]
    assert without[0] is not None
    hidden = accuracy_of([without[0].body], frames, "")  # type: ignore[list-item]
    assert "labelled references" in hidden.hidden
    assert asdict(hidden)["estimate"] is None
