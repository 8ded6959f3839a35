"""The monitors at work in a stream: alarms reach the spool, restarts continue, trouble is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from fixed_camera import fitted, judged, pictures

from edge_guard.collector.parse import parse
from edge_guard.config import StreamTable
from edge_guard.drift.model import DriftModel
from edge_guard.drift_watch import NONE, DriftWatch
from edge_guard.gate.gate import Meter
from edge_guard.publish.messages import PREFIX, Alarm, Topics, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.reporting import Reporter
from edge_guard.types import Frame, Image, Result, Verdict

TOPICS = Topics("site", "line", "device")


@pytest.fixture(scope="module")
def model() -> DriftModel:
    return fitted(pictures(200, 0))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "spool", 10_000_000, "device", TOPICS)
    yield opened
    opened.spool.close()


class Line:
    """One stream whose pictures go through the watch, as the daemon does it."""

    def __init__(self, outbox: Outbox, model: DriftModel | None, memory: Path) -> None:
        table = StreamTable(name="top", source="x", bundle="x.guard")
        self.reporter = Reporter(outbox, table, "bundle@1")
        self._outbox, self._model, self._memory = outbox, model, memory
        self._meter, self._number = Meter(), 0
        self.watch = DriftWatch("top", model, self.reporter, memory)

    def show(self, images: list[Image]) -> None:
        rng = np.random.default_rng(self._number)
        for image in images:
            frame = Frame("top", self._number, image, monotonic_ns=(self._number + 1) * 10**8)
            self.watch.take(frame, judged(rng), self._meter.measure(image))
            self._number += 1

    def alarms(self) -> list[Alarm]:
        return [decode(payload, Alarm) for payload in self._outbox.spool.alarms()]


def brighter(images: list[Image], levels: int) -> list[Image]:
    return [np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8) for image in images]


def test_an_alarm_is_on_the_disk_with_its_evidence_and_small_pictures(
    outbox: Outbox, model: DriftModel, tmp_path: Path
) -> None:
    line = Line(outbox, model, tmp_path / "memory.npz")
    line.show(pictures(80, 1))
    assert line.alarms() == [] and line.watch.status == "watching, settling in"
    line.show(brighter(pictures(30, 2), 3))
    (alarm,) = line.alarms()
    assert (alarm.alarm, alarm.state, alarm.cause) == ("drift", "raised", "illumination")
    assert "illumination: more light, +3." in alarm.message or "+2.9" in alarm.message
    assert alarm.drift is not None
    for jpeg in (alarm.drift.before, alarm.drift.after):
        assert jpeg is not None and len(jpeg) <= 3000
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
        assert max(shown.shape[:2]) <= 96
    assert line.reporter.alarms() == (f"top: {alarm.message}",)
    assert set(line.watch.deviations) == {c.name for c in model.spec.channels}
    line.show(pictures(80, 3))
    (alarm,) = line.alarms()
    assert alarm.state == "cleared" and alarm.message.startswith("over: ")
    assert line.reporter.alarms() == ()


def test_a_collector_takes_the_alarm(outbox: Outbox, model: DriftModel, tmp_path: Path) -> None:
    line = Line(outbox, model, tmp_path / "memory.npz")
    line.show(pictures(70, 1))
    line.show(brighter(pictures(30, 2), -9))
    payload = next(iter(outbox.spool.alarms()))
    message = parse(TOPICS.alarm("top", "drift"), payload, PREFIX)
    assert message is not None and isinstance(message.body, Alarm)
    assert message.body.drift is not None and message.body.drift.words == "less light"


def test_a_restart_goes_on_with_the_alarm_and_clears_it(
    outbox: Outbox, model: DriftModel, tmp_path: Path
) -> None:
    memory = tmp_path / "memory.npz"
    line = Line(outbox, model, memory)
    line.show(pictures(30, 1))
    line.show(brighter(pictures(30, 2), 3))
    line.watch.save()
    raised = line.alarms()[0]
    line = Line(outbox, model, memory)
    line.reporter.adopt(raised)
    assert line.watch.status == "a change lasts"
    line.show(brighter(pictures(5, 4), 3))
    assert line.alarms()[0].state == "raised"
    line.show(pictures(80, 5))
    assert line.alarms()[0].state == "cleared"


def test_an_alarm_of_a_boot_whose_state_is_lost_is_cleared_with_the_reason(
    outbox: Outbox, model: DriftModel, tmp_path: Path
) -> None:
    memory = tmp_path / "memory.npz"
    line = Line(outbox, model, memory)
    line.show(pictures(30, 1))
    line.show(brighter(pictures(30, 2), 3))
    raised = line.alarms()[0]
    memory.write_bytes(b"not a state")
    line = Line(outbox, model, memory)
    line.reporter.adopt(raised)
    line.show(pictures(2, 4))
    (alarm,) = line.alarms()
    assert (
        alarm.state == "cleared" and "begin anew: the earlier state cannot be used" in alarm.message
    )


def test_a_bundle_without_monitors_says_so(outbox: Outbox, tmp_path: Path) -> None:
    line = Line(outbox, None, tmp_path / "memory.npz")
    line.show(pictures(3, 1))
    line.watch.save()
    assert line.watch.status == NONE
    assert line.alarms() == [] and line.watch.deviations == {}


def test_a_monitor_that_breaks_is_an_alarm_and_the_stream_goes_on(
    outbox: Outbox, model: DriftModel, tmp_path: Path
) -> None:
    line = Line(outbox, model, tmp_path / "memory.npz")
    broken = SimpleNamespace(statistics=np.zeros(3, np.float32), cells=np.zeros((2, 8, 8)))
    frame = Frame("top", 0, pictures(1, 1)[0])
    assert line.watch.take(frame, Result(Verdict.ACCEPT), broken)  # type: ignore[arg-type]
    line.show(pictures(3, 1))
    (alarm,) = line.alarms()
    assert (alarm.alarm, alarm.state, alarm.cause) == ("monitors", "raised", "failed")
    assert line.watch.status.startswith("failed: ValueError")


def test_blind_monitors_are_an_alarm_until_they_see_again(
    outbox: Outbox, model: DriftModel, tmp_path: Path
) -> None:
    line = Line(outbox, model, tmp_path / "memory.npz")
    line.show(pictures(1, 1))
    for number in range(1, 110):
        line.watch.take(Frame("top", number, pictures(1, 1)[0]), Result(Verdict.INVALID), None)
    (alarm,) = line.alarms()
    assert (alarm.alarm, alarm.state) == ("monitors", "raised")
    assert "the drift monitors are blind: 100 frames in a row were no usable" in alarm.message
    line._number = 200
    line.show(pictures(2, 2))
    assert line.alarms()[0].state == "cleared"
