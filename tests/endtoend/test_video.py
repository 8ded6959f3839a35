"""A real quantized model on a real video: device, Mosquitto and collector as real processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from bottle import FRAMES, Calibrated
from brokers import Mosquitto
from devices import wait_until
from line import Device, StoredEvent, picture, stored_boots
from running import Running

from edge_guard.types import Image

SPAN = range(465, 525)
"""Frames of the video: ten accepted ones, then flagged ones."""

pytestmark = pytest.mark.timeout(600)  # the first test waits for calibration


def frames(video: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(video))
    while True:
        there, image = capture.read()
        if not there:
            return
        yield image


@pytest.fixture(scope="module")
def span(calibrated: Calibrated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless cut of the video."""
    path = tmp_path_factory.mktemp("span") / "span.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 30.0, (640, 360))
    for number, image in enumerate(frames(calibrated.video)):
        if number in SPAN:
            writer.write(image)
    writer.release()
    return path


def check_picture(folder: Path, event: StoredEvent) -> Image:
    """Return the event's picture, decoded, once it is what the event says."""
    content = picture(folder, event)
    assert hashlib.sha256(content).hexdigest() == event.sha256
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (360, 640, 3)
    return image


def settle(collector: Running, device: Device) -> None:
    """Return once the collector knows of no gap and the device waits for nothing."""
    wait_until(lambda: collector.get("/api/health")["missing"] == 0, 30)
    assert device.waiting() == (0, 0)
    assert collector.terminate() == 0


def test_three_hundred_frames_of_a_video_support_no_promise(calibrated: Calibrated) -> None:
    refused = calibrated.refused
    assert refused.returncode == 4
    (line,) = [one for one in refused.stderr.splitlines() if one.startswith("edge-guard:")]
    assert "independent" in line
    assert "--advisory" in line
    assert not list(calibrated.bundle.parent.glob("refused*.guard*"))  # what was captured stays


def test_every_flagged_frame_of_the_video_arrives_with_its_picture(
    calibrated: Calibrated, broker: Mosquitto, tmp_path: Path
) -> None:
    with (
        Running(tmp_path, broker.port) as collector,
        Device(tmp_path, broker.port, calibrated.bundle) as device,
    ):
        device.start(calibrated.video)
        last = device.finish()
        settle(collector, device)
    assert last["frames"] == FRAMES
    assert last["verdicts"]["accept"] > FRAMES / 3  # empty counter, and bottles as in the first 300
    assert last["verdicts"]["review"] > 100  # other bottles, a shifted camera
    assert last["events"]["pending"] == 0
    (boot,) = stored_boots(tmp_path)
    assert (boot.complete, boot.dropped) == (boot.highest, 0) == (last["events"]["produced"], 0)
    assert [event.flag for event in boot.events] == device.flagged(0)
    assert len(boot.events) == FRAMES - last["verdicts"]["accept"]
    by_frame = {event.flag[0]: event for event in boot.events}
    for number, image in enumerate(frames(calibrated.video)):
        if number in by_frame:
            stored = check_picture(tmp_path, by_frame[number])
            assert cv2.absdiff(stored, image).mean() < 3.0  # JPEG at quality 90


@pytest.mark.parametrize("persistence", [True, False])
def test_kill_9_of_device_broker_and_collector_loses_and_doubles_nothing(
    calibrated: Calibrated, span: Path, tmp_path: Path, persistence: bool
) -> None:
    with (
        Mosquitto(tmp_path, persistence=persistence) as broker,
        Running(tmp_path, broker.port) as collector,
        Device(tmp_path, broker.port, calibrated.bundle) as device,
    ):
        device.start(span, loop=True)
        device.wait_flagged(60)
        device.kill()
        device.start(span, loop=True)
        device.wait_flagged(30)
        broker.kill()
        device.wait_flagged(60)
        broker.start()
        device.wait_flagged(120)
        device.kill()
        device.start(span, loop=True)
        device.wait_flagged(30)
        collector.kill()
        broker.kill()
        broker.start()
        device.wait_flagged(60)
        collector.start()
        device.kill()
        device.start(span, frames_per_second=30.0)
        last = device.finish()
        settle(collector, device)
    assert last["frames"] == len(SPAN)
    assert last["events"]["pending"] == 0
    boots = stored_boots(tmp_path)
    for boot, announced in zip(boots, device.announced(), strict=True):
        flags = [event.flag for event in boot.events]
        # what was announced is stored, once, in order; a kill may fall between the two
        assert flags[: len(announced)] == announced
        assert len(flags) - len(announced) in (0, 1)
        assert len({event.sequence for event in boot.events}) == len(flags)
        assert (boot.complete, boot.dropped) == (boot.highest, 0)
        for event in boot.events:
            assert event.complete
            check_picture(tmp_path, event)
