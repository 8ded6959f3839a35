"""Which frame is whose: by arrival, offset and deadline; no trigger ends without a word."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from devices import wait_until as until
from footage import ScriptedCamera, number_of, picture

from edge_guard.config import TriggerTable
from edge_guard.intake import Intake
from edge_guard.sources import Damaged, SourceState, live, trigger
from edge_guard.sources.contract import NoFrameError
from edge_guard.sources.live import MOST_PULSES, LiveSource, Pulses
from edge_guard.sources.trigger import Inbox
from edge_guard.sources.triggered import MOST_FRAMES, TriggeredSource
from edge_guard.types import Frame
from edge_guard.worker import Worker

WAIT_S = 30.0
MS = 1_000_000


class Line:
    """A camera whose frames come when a test says, with times that it says."""

    live = True
    address = "camera 0"
    beyond_repair = ""
    cause = ""

    def __init__(self) -> None:
        self.state = SourceState.RUNNING
        self.dropped: dict[str, int] = {}
        self._frames: queue.Queue[Frame | Damaged] = queue.Queue()

    @property
    def finished(self) -> bool:
        return self.state is SourceState.ENDED

    def shoot(self, at_ns: int, number: int = 0) -> None:
        self._frames.put(Frame("belt", 77, picture(number), time.time_ns(), at_ns, "camera 0"))

    def spoil(self, at_ns: int) -> None:
        self._frames.put(Damaged("belt", 78, "torn", time.time_ns(), at_ns, "camera 0"))

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        try:
            return self._frames.get(timeout=timeout_s or None, block=timeout_s > 0)
        except queue.Empty:
            return None

    def close(self) -> None:
        self.state = SourceState.ENDED


class Belt:
    """A triggered source, its camera, and the hand at its bell."""

    def __init__(self, **settings: float) -> None:
        self.line = Line()
        self.source = TriggeredSource(self.line, "belt", topic="t", bell=self, **settings)
        self.inbox = Inbox()
        assert self.source.read(0.0) is None  # from the first reading on it listens
        self.inbox.connected(True)

    def attach(self, topic: str, inbox: Inbox) -> None:
        assert topic == "t"
        self.inbox = inbox

    def detach(self, topic: str, inbox: Inbox) -> None:
        assert (topic, inbox) == ("t", self.inbox)

    def ring(self, part: str, at_ns: int) -> None:
        self.inbox.offer(part.encode(), at_ns)

    def take(self, count: int) -> list[Frame | Damaged]:
        """The next items, all that there are."""
        found = []
        while len(found) < count:
            item = self.source.read(WAIT_S)
            assert item is not None, found
            found.append(item)
        assert [one.sequence for one in found] == list(range(count))
        return found


@pytest.fixture
def belt() -> Iterator[Callable[..., Belt]]:
    open_ = []

    def make(**settings: float) -> Belt:
        open_.append(Belt(**{"deadline_s": 600.0, **settings}))
        return open_[-1]

    yield make
    for one in open_:
        one.source.close()


def words(item: Frame | Damaged) -> str:
    assert isinstance(item, Damaged)
    assert item.guard == "trigger"
    return item.cause


def test_a_frame_is_of_the_trigger_before_it_and_of_one_only(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    one.ring("A", now)
    one.line.shoot(now - 1, 1)  # taken before
    one.line.shoot(now + 5 * MS, 2)
    one.line.shoot(now + 9 * MS, 3)  # nobody's
    one.ring("B", now + 20 * MS)
    one.line.shoot(now + 20 * MS, 4)
    first, second = one.take(2)
    assert (first.part_id, number_of(first.image)) == ("A", 2)
    assert (second.part_id, number_of(second.image)) == ("B", 4)
    assert one.source.dropped == {}
    assert one.source.state is SourceState.RUNNING


def test_the_offset_waits_until_the_part_is_there_though_the_next_has_been_told(belt) -> None:
    one, now = belt(offset_s=0.5), time.monotonic_ns()
    for number, part in enumerate("ABC"):
        one.ring(part, now + number * 200 * MS)
    for number in range(50):  # 20 ms apart; A's moment is 25, B's 35, C's 45
        one.line.shoot(now + number * 20 * MS, number // 10)
    items = one.take(3)
    assert [item.part_id for item in items] == ["A", "B", "C"]
    assert [item.monotonic_ns - now for item in items] == [500 * MS, 700 * MS, 900 * MS]
    assert one.source.dropped == {}


def test_of_two_triggers_before_one_frame_the_newer_gets_it_and_a_person_the_older(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    one.ring("A", now)
    one.ring("B", now + MS)
    one.line.shoot(now + 2 * MS)
    older, newer = one.take(2)
    assert words(older) == "no image of part A: the next trigger came before a frame"
    assert older.part_id == "A"
    assert isinstance(newer, Frame) and newer.part_id == "B"
    assert one.source.dropped == {"trigger-overrun": 1}


def test_a_trigger_without_a_frame_goes_to_a_person_with_the_cameras_cause(belt) -> None:
    one = belt(deadline_s=0.05)
    one.line.cause = "camera 0 is not there"
    one.ring("A", time.monotonic_ns())
    one.ring("", time.monotonic_ns())
    first, second = one.take(2)
    assert words(first) == "no image of part A: no frame came within 0.05 s: camera 0 is not there"
    assert words(second).startswith("no image of a part: ")
    assert abs(first.wall_ns - time.time_ns()) < 60e9
    assert one.source.dropped == {"trigger-without-image": 2}


def test_a_frame_after_the_deadline_is_not_the_parts(belt) -> None:
    one, now = belt(deadline_s=60.0), time.monotonic_ns()
    one.ring("A", now - 61_000 * MS)
    one.line.shoot(now)
    (late,) = one.take(1)
    assert "no frame came within 60 s" in words(late)
    one.ring("B", now)
    one.line.shoot(now + 61_000 * MS)
    assert "no frame came within 60 s" in words(one.source.read(WAIT_S))


def test_an_undecodable_frame_is_its_parts(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    one.ring("A", now)
    one.line.spoil(now + MS)
    (item,) = one.take(1)
    assert isinstance(item, Damaged)
    assert (item.part_id, item.guard, item.cause) == ("A", "gate.format", "torn")
    assert one.source.dropped == {"undecodable": 1}


def test_parts_that_come_faster_than_inspection_go_to_a_person(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    parts = [f"A-{number}" for number in range(MOST_FRAMES + 4)]
    for number, part in enumerate(parts):
        one.ring(part, now + number * MS)
    for number in range(len(parts)):
        one.line.shoot(now + number * MS, number)
    until(lambda: one.source.dropped == {"trigger-overrun": 4})
    items = one.take(len(parts))
    assert [item.part_id for item in items] == parts
    for number, item in enumerate(items[:MOST_FRAMES]):
        assert isinstance(item, Frame) and number_of(item.image) == number
    for item in items[MOST_FRAMES:]:
        assert "faster than they can be inspected" in words(item)


def test_repeated_late_and_unreadable_triggers(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    for _ in range(3):
        one.ring('{"part_id": "A", "id": 1}', now)
    one.inbox.offer(b"B", now, late=True)
    one.inbox.offer(b"\xff", now)
    one.line.shoot(now + MS)
    items = one.take(3)
    assert sorted(item.part_id for item in items) == ["", "A", "B"]
    said = sorted(words(item) for item in items if item.part_id != "A")
    assert said[0].startswith("no image of a part: a trigger cannot be read")
    assert said[1].startswith("no image of part B: its trigger came late")
    assert one.source.dropped == {"trigger-repeated": 2, "trigger-without-image": 2}


def test_what_waits_at_the_close_is_handed_out_or_said(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    one.ring("A", now)
    one.line.shoot(now)
    one.ring("B", now + MS)
    until(lambda: bool(one.source._ready))
    one.source.close()
    assert not one.source.finished
    first, second = one.take(2)
    assert isinstance(first, Frame) and first.part_id == "A"
    assert words(second) == "no image of part B: the device stops"
    assert one.source.finished
    assert one.source.state is SourceState.ENDED


def test_a_broker_that_is_away_shows_in_the_state(belt, monkeypatch: pytest.MonkeyPatch) -> None:
    one = belt()
    monkeypatch.setattr(trigger, "_AWAY_S", -1.0)
    assert (one.source.state, one.source.cause) == (SourceState.RUNNING, "")
    one.inbox.connected(False)
    assert one.source.state is SourceState.RETRYING
    assert "parts pass unseen" in one.source.cause
    one.inbox.connected(True, kept=False)
    assert one.source.state is SourceState.RUNNING
    assert "has kept no triggers" in words(one.take(1)[0])


def test_a_lost_camera_shows_in_the_state_and_triggers_are_still_answered(belt) -> None:
    one = belt(deadline_s=0.05)
    one.line.state, one.line.cause = SourceState.RETRYING, "unplugged"
    assert (one.source.state, one.source.cause) == (SourceState.RETRYING, "unplugged")
    one.ring("A", time.monotonic_ns())
    assert "unplugged" in words(one.take(1)[0])


class Pulsed(ScriptedCamera):
    """A camera in trigger mode: silence is no loss."""

    def read(self) -> np.ndarray | None:
        try:
            item = self.script.get(timeout=0.02)
        except queue.Empty as error:
            raise NoFrameError("camera 0 has stopped giving frames") from error
        if isinstance(item, Exception):
            raise item
        return item


def test_each_pulse_is_a_part() -> None:
    camera = Pulsed()
    camera_source = LiveSource("0", "belt", camera.connect, pulses=Pulses())
    source = TriggeredSource(camera_source, "belt")
    for number in range(3):
        camera.script.put(picture(number))
    items = [source.read(WAIT_S) for _ in range(3)]
    assert [number_of(item.image) for item in items] == [0, 1, 2]
    assert [(item.sequence, item.part_id) for item in items] == [(0, ""), (1, ""), (2, "")]
    camera.script.put(None)
    damaged = source.read(WAIT_S)
    assert isinstance(damaged, Damaged) and "cannot be decoded" in damaged.cause
    assert (source.state, source.live) == (SourceState.RUNNING, False)
    for number in range(4, 4 + MOST_FRAMES + 2):
        camera.script.put(picture(number))
    until(lambda: source.dropped == {"undecodable": 1, "trigger-overrun": 2})
    source.close()
    rest = [source.read(0.0) for _ in range(MOST_FRAMES + 2)]
    assert [isinstance(item, Frame) for item in rest] == [True] * MOST_FRAMES + [False] * 2
    assert source.finished


def test_what_a_pulse_brought_before_anybody_read_is_handed_out_at_the_close() -> None:
    camera = Pulsed()
    camera_source = LiveSource("0", "belt", camera.connect, pulses=Pulses())
    camera.script.put(picture(3))
    until(lambda: bool(camera_source._newest))
    source = TriggeredSource(camera_source, "belt")
    source.close()
    item = source.read(0.0)
    assert isinstance(item, Frame) and number_of(item.image) == 3
    assert source.finished and source.dropped == {}


def test_silence_between_pulses_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENCE_S", 0.0)
    camera = Pulsed()
    source = LiveSource("0", "belt", camera.connect, pulses=Pulses())
    until(lambda: source.state is SourceState.RUNNING)  # it waits, it is not dead
    for _ in range(5):
        assert source.read(0.03) is None
    assert (source.state, camera.connections) == (SourceState.RUNNING, 1)
    source.close()
    silent = LiveSource("0", "belt", camera.connect)
    until(lambda: silent.state is SourceState.RETRYING)  # without a trigger it would be lost
    silent.close()


def test_silence_longer_than_the_line_ever_is_counts_as_loss_until_the_next_pulse() -> None:
    camera = Pulsed()
    source = LiveSource("0", "belt", camera.connect, pulses=Pulses(0.2))
    until(lambda: source.read(0.02) is None and source.state is SourceState.RETRYING)
    assert source.cause == "no frame for 0.2 s"
    assert camera.connections == 1
    camera.script.put(picture(1))
    assert source.read(WAIT_S) is not None
    assert source.state is SourceState.RUNNING
    camera.script.put(Exception("driver"))
    until(lambda: source.finished)
    source.close()


def test_pulses_that_nobody_reads_are_kept_up_to_a_bound_and_counted() -> None:
    camera = Pulsed()
    source = LiveSource("0", "belt", camera.connect, pulses=Pulses())
    for number in range(MOST_PULSES + 2):
        camera.script.put(picture(number))
    until(lambda: source.dropped == {"newer-frame": 2})
    found = [source.read(0.0) for _ in range(MOST_PULSES)]
    assert [item.sequence for item in found] == list(range(2, MOST_PULSES + 2))
    source.close()


def test_what_a_hung_model_leaves_can_still_be_told_to_a_person(belt) -> None:
    one, now = belt(), time.monotonic_ns()
    one.ring("A", now)
    one.line.shoot(now)
    one.ring("B", now + MS)
    until(lambda: bool(one.source._ready))
    trigger_table = TriggerTable(kind="mqtt", topic="t")
    for table, parts in ((None, []), (trigger_table, ["A", "B"])):
        stream = SimpleNamespace(
            name="belt", source=one.source, table=SimpleNamespace(trigger=table)
        )
        worker = Worker(stream, Intake(), SimpleNamespace(run=None), print)
        assert [item.part_id for item in worker.owed()] == parts
    assert one.source.finished
