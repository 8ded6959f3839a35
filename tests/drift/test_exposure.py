"""Exposure and gain, where the camera tells them: a lamp that auto-exposure makes up for."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixed_camera import Camera, fitted, judged, pictures

from edge_guard.drift.exposure import FRAMES, PATIENCE, ExposureWatch
from edge_guard.drift.incident import Report
from edge_guard.drift.model import DriftModel
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.sensitivity import sentences
from edge_guard.sources.capture import Capture
from edge_guard.types import Exposure, Frame, Image


@pytest.fixture(scope="module")
def model() -> DriftModel:
    return fitted(pictures(200, 0))


class Telling(Camera):
    """A camera whose driver tells how it takes each frame."""

    def take(self, images: list[Image], time: float, gain: float = 10.0) -> list[Report]:
        said = []
        for image in images:
            seen = self._meter.measure(image)
            wobble = 1.0 + 0.03 * np.sin(self.sequence)
            frame = Frame(
                "s", self.sequence, image, 10**18, (self.sequence + 1) * 10**8,
                exposure=Exposure(time * wobble, gain),
            )  # fmt: skip
            self.sequence += 1
            report = self.monitor.update(frame, judged(self._rng), seen.statistics, seen.cells)
            said += [report] if report else []
        return said


def brighter(images: list[Image], levels: int) -> list[Image]:
    return [np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8) for image in images]


def usual(model: DriftModel) -> Telling:
    camera = Telling(Monitor(model))
    camera.monitor._exposure._frames = FRAMES - 40
    assert not camera.take(pictures(45, 1), 100.0)
    return camera


def test_a_lamp_that_auto_exposure_makes_up_for_is_noticed(
    model: DriftModel, tmp_path: Path
) -> None:
    camera = usual(model)
    said = camera.take(pictures(30, 2), 150.0)
    assert len(said) == 1 and said[0].state == "raised"
    evidence = said[0].evidence
    assert evidence.family == "illumination" and evidence.size is None
    assert evidence.words.startswith("less light from the lamp, which the camera makes up for: ")
    assert "exposure time went from 10" in evidence.words and "gain" not in evidence.words
    assert evidence.since_frame == 45
    camera.monitor.save(tmp_path / "drift.npz")
    again = Monitor(model)
    assert again.restore(tmp_path / "drift.npz") == "" and again._exposure.moved
    cleared = camera.take(pictures(150, 3), 100.0)
    assert cleared[-1].state == "cleared"


def test_a_camera_that_was_set_otherwise_is_told_from_another_lamp(model: DriftModel) -> None:
    camera = usual(model)
    said = camera.take(brighter(pictures(60, 4), 12), 150.0)
    assert said[0].evidence.family == "illumination"
    assert said[-1].evidence.words.startswith("more light: the camera's exposure time went from")
    camera = usual(model)
    said = camera.take(brighter(pictures(60, 5), -12), 150.0)
    assert said[-1].evidence.words.startswith("less light, although the camera's exposure time")


def test_a_gain_that_was_zero_can_rise(model: DriftModel) -> None:
    watch = ExposureWatch()
    for _ in range(FRAMES):
        watch.update(Exposure(nan, 0.0))
    for _ in range(PATIENCE - 1):
        watch.update(Exposure(nan, 16.0))
    assert not watch.moved and watch.outside
    watch.update(Exposure(nan, 16.0))
    assert watch.moved
    assert watch._in_words() == "the camera's gain went from 0 to 16"
    watch.update(Exposure(nan, 0.0))
    assert not watch.outside


def test_what_is_not_told_is_nothing(model: DriftModel) -> None:
    watch = ExposureWatch()
    for told in (None, Exposure(nan, nan), Exposure(100.0, nan)):
        for _ in range(FRAMES):
            watch.update(told)
    assert not watch.outside and not watch.moved
    assert any("exposure time or gain" in told for told in sentences(model.spec))


class Handle:
    """A V4L2 device as OpenCV shows it: −1 for controls that it does not have."""

    def __init__(self, **controls: float) -> None:
        self.controls, self.asked = controls, 0

    def get(self, prop: int) -> float:
        self.asked += 1
        names = {cv2.CAP_PROP_EXPOSURE: "exposure", cv2.CAP_PROP_GAIN: "gain"}
        return self.controls.get(names[prop], -1.0)


def test_a_camera_tells_what_its_driver_has() -> None:
    assert Capture(Handle(exposure=156.0, gain=0.0), "c", tells=True).exposure() == (156.0, 0.0)
    half = Capture(Handle(exposure=156.0), "c", tells=True).exposure()
    assert half is not None and half.time == 156.0 and isnan(half.gain)
    mute = Handle()
    capture = Capture(mute, "c", tells=True)
    assert capture.exposure() is None and capture.exposure() is None
    assert mute.asked == 2  # not asked again
    assert Capture(Handle(exposure=1.0), "file.avi").exposure() is None
