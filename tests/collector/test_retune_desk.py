"""Retunes in the database: one at a time for a stream, nothing half done, labels as stored."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from reports import Reporter, Sent
from sqlalchemy import select, update

from edge_guard.collector.judgements import Judgements
from edge_guard.collector.parse import parse
from edge_guard.collector.people import Person
from edge_guard.collector.retunes import reading
from edge_guard.collector.retunes.desk import LOST_MS, Desk, TakenError, UnknownStreamError
from edge_guard.collector.retunes.reading import bundle_of, frames_of
from edge_guard.collector.schema import devices, events, retunes
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import ReferencesError
from edge_guard.retune.frames import Frames, gathered, read_labels, write_labels
from edge_guard.retune.settings import Wishes
from edge_guard.types import Reason, Verdict

PARENT = ("demo@0123456789ab", "a" * 64)
ADA, BEN = Person("Ada", "engineer"), Person("Ben", "engineer")
UNSURE = (Reason("confidence", "the model is not sure enough", 0.4),)


def put(store: Store, *sent: Sent | None) -> None:
    messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
    store.apply([message for message in messages if message is not None])


@pytest.fixture
def desk(store: Store) -> Desk:
    put(store, Reporter().event()[0])
    return Desk(store, Trail(store))


def test_a_retune_is_told_and_trailed(desk: Desk, store: Store) -> None:
    wishes = Wishes(target=0.98, review_budget=0.2, who="Ada")
    begun = desk.begin(1, "top", PARENT, wishes, ADA)
    assert (begun.state, begun.who, begun.wishes) == ("running", "Ada", wishes)
    desk.end(begun.id, "certified: …", "demo@ba9876543210", "b" * 64)
    done = desk.get(begun.id)
    assert (done.state, done.bundle, done.told) == ("done", "demo@ba9876543210", "certified: …")
    second = desk.begin(1, "top", PARENT, Wishes(), BEN)
    desk.end(second.id, "87 more labels are needed")
    assert [one.state for one in desk.newest(5, 1, "top")] == ["failed", "done"]
    assert [one.id for one in desk.newest(5, before=second.id)] == [begun.id]
    assert desk.newest(5, 1, "side") == []
    said = [(entry.who, entry.action) for entry in Trail(store).entries(10)]
    assert said[:4] == [
        ("Ben", "retune.failed"),
        ("Ben", "retune.start"),
        ("Ada", "retune.done"),
        ("Ada", "retune.start"),
    ]


def test_two_engineers_at_once_are_one_and_a_told_other(desk: Desk) -> None:
    ready, told = threading.Barrier(6), []

    def ask(number: int) -> None:
        ready.wait()
        try:
            desk.begin(1, "top", PARENT, Wishes(), Person(f"engineer {number}", "engineer"))
        except TakenError as error:
            told.append(str(error))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    running = desk.newest(10)
    assert len(running) == 1
    assert set(told) == {
        f"{running[0].who} is retuning this stream at this moment: see what comes of it"
    }
    assert len(told) == 5
    assert desk.begin(1, "side", PARENT, Wishes(), BEN).stream == "side"


def test_whoever_looked_before_another_retuned_is_told_what_changed(desk: Desk) -> None:
    first = desk.begin(1, "top", PARENT, Wishes(), ADA, newest=0)
    desk.end(first.id, "certified", "demo@ba9876543210", "b" * 64)
    with pytest.raises(TakenError, match="Ada has retuned this stream since you looked and made"):
        desk.begin(1, "top", PARENT, Wishes(), BEN, newest=0)
    assert [one.id for one in desk.newest(5)] == [first.id]
    assert desk.begin(1, "top", PARENT, Wishes(), BEN, newest=first.id).who == "Ben"


def test_a_lost_retune_stands_in_nobodys_way_and_its_late_end_changes_nothing(
    desk: Desk, store: Store
) -> None:
    lost = desk.begin(1, "top", PARENT, Wishes(), ADA)
    desk.renew(lost.id)
    with store.writing() as connection:
        old = retunes.c.renewed_ms - LOST_MS - 1
        connection.execute(update(retunes).values(renewed_ms=old))
    again = desk.begin(1, "top", PARENT, Wishes(), BEN)
    assert "stopped" in desk.get(lost.id).told
    desk.end(lost.id, "certified", "demo@ba9876543210", "b" * 64)
    assert (desk.get(lost.id).state, desk.get(lost.id).bundle) == ("failed", "")
    assert desk.get(again.id).state == "running"


def test_an_unknown_device_is_refused(desk: Desk) -> None:
    with pytest.raises(UnknownStreamError, match="no device 7"):
        desk.begin(7, "top", PARENT, Wishes(), ADA)
    assert desk.newest(5) == []


def test_frames_are_those_of_the_bundle_with_the_newest_words(store: Store, tmp_path: Path) -> None:
    device = Reporter()
    accepted = {"verdict": Verdict.ACCEPT, "reasons": ()}
    put(
        store,
        device.event(sampled=0.25, confidence=0.9, **accepted)[0],
        device.event(sampled=0.25, confidence=0.4, reasons=UNSURE)[0],
        device.event(sampled=0.25, confidence=0.8)[0],  # flagged by the guards
        device.event(confidence=0.7, reasons=UNSURE)[0],  # flagged, labelled, never drawn
        device.event(confidence=0.7)[0],  # neither
    )
    Reporter(stream="side")
    words = Judgements(store)
    for event, answer in ((1, "wrong"), (1, "right"), (2, "unsure"), (4, "wrong")):
        words.add(event, answer, who="Ada")
    with store.engine.connect() as connection:
        found = frames_of(connection, 1, "top", "a3f1c09be27d")
        assert frames_of(connection, 1, "top", "another") == []
        assert frames_of(connection, 1, "side", "a3f1c09be27d") == []
        assert bundle_of(connection, 1, "top") == "a3f1c09be27d"
        assert bundle_of(connection, 1, "side") is None
    frames = gathered(found)
    assert len(frames) == 4
    order = np.argsort(frames.confidence)
    assert frames.confidence[order].tolist() == [0.4, 0.7, 0.8, 0.9]
    assert frames.open[order].tolist() == [True, True, False, True]
    assert frames.judged[order].tolist() == [True, True, False, True]
    assert frames.wrong[order].tolist() == [True, True, False, False]
    assert frames.unsure[order].tolist() == [True, False, False, False]
    assert frames.drawn[order].tolist() == [True, False, True, True]
    assert frames.accepted[order].tolist() == [False, False, False, True]
    write_labels(found, tmp_path / "labels.csv")
    assert same(read_labels(tmp_path / "labels.csv"), frames)


def test_frames_of_earlier_bundles_leave_room_for_all_of_this_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest fix the ladder: they are all there, or nothing is."""
    device, old, new = Reporter(), "demo@0123456789ab", "demo@ba9876543210"
    for bundle, confidence in ((old, 0.1), (old, 0.2), (new, 0.3), (new, 0.4), (old, 0.5)):
        put(store, device.event(sampled=0.5, bundle=bundle, confidence=confidence)[0])
    monkeypatch.setattr(reading, "MOST_FRAMES", 3)
    with store.engine.connect() as connection:
        assert [f.confidence for f in frames_of(connection, 1, "top", new)] == [0.3, 0.4]
        assert [f.confidence for f in frames_of(connection, 1, "top", old)] == [0.1, 0.2, 0.5]
        monkeypatch.setattr(reading, "MOST_FRAMES", 2)
        assert len(frames_of(connection, 1, "top", new)) == 2
        with pytest.raises(ReferencesError, match="more than 2 frames of 'top' under bundle demo@"):
            frames_of(connection, 1, "top", old)


def same(a: Frames, b: Frames) -> bool:
    names = ("confidence", "open", "accepted", "judged", "wrong", "unsure", "probability")
    columns = all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=True) for n in names)
    return columns and (a.first_ms, a.last_ms, a.digest) == (b.first_ms, b.last_ms, b.digest)


def test_the_state_says_which_bundle_runs(store: Store) -> None:
    device = Reporter()
    put(store, device.event()[0], device.state())
    with store.engine.connect() as connection:
        assert connection.scalar(select(devices.c.state)) is not None
        assert connection.scalar(select(events.c.id)) == 1
        assert bundle_of(connection, 1, "top") == "a3f1c09be27d"
