"""Cameras: the newest frame only, reconnection, silence, hanging drivers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from footage import MjpegCamera, ScriptedCamera, number_of, picture

from edge_guard.errors import SourceError
from edge_guard.sources import Damaged, SourceState, live, open_source
from edge_guard.sources.contract import TRANSITIONS, Life
from edge_guard.sources.live import Backoff, LiveSource
from edge_guard.types import Exposure, Frame

WAIT_S = 30.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


class Hanging(ScriptedCamera):
    """A camera whose driver never returns."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def read(self) -> np.ndarray | None:
        self.released.wait()
        raise SourceError("camera 0 has stopped giving frames")


class Fast(ScriptedCamera):
    """A camera that gives each frame when asked, and then waits for its end."""

    def read(self) -> np.ndarray | None:
        item = self.script.get()
        if isinstance(item, Exception):
            raise item
        return item


def test_only_the_newest_frame_is_kept_and_the_others_are_counted():
    camera = Fast()
    source = LiveSource("0", "belt", camera.connect)
    for number in range(5):
        camera.script.put(picture(number))
    until(lambda: source.dropped.get("newer-frame") == 4)
    frame = source.read(WAIT_S)
    assert isinstance(frame, Frame)
    assert (frame.sequence, number_of(frame.image)) == (4, 4)
    camera.script.put(SourceError("gone"))
    source.close()
    assert source.dropped == {"newer-frame": 4}


def test_a_frame_nobody_read_is_counted_at_the_close():
    camera = Fast()
    source = LiveSource("0", "belt", camera.connect)
    camera.script.put(picture(1))
    until(lambda: source.state is SourceState.RUNNING)
    camera.script.put(SourceError("gone"))
    source.close()
    assert source.dropped == {"closed": 1}


def test_an_undecodable_frame_is_said_and_counted_once():
    camera = Fast()
    source = LiveSource("0", "belt", camera.connect)
    camera.script.put(None)
    damaged = source.read(WAIT_S)
    assert isinstance(damaged, Damaged)
    assert "cannot be decoded" in damaged.cause
    camera.script.put(None)
    camera.script.put(picture(1))
    until(lambda: source.dropped.get("undecodable") == 2)
    until(lambda: source.state is SourceState.RUNNING)
    frame = source.read(WAIT_S)
    while isinstance(frame, Damaged):
        frame = source.read(WAIT_S)
    assert isinstance(frame, Frame)
    assert frame.sequence == 2
    camera.script.put(SourceError("gone"))
    source.close()
    assert source.dropped == {"undecodable": 2}


def test_a_lost_camera_is_found_again_and_says_why_meanwhile():
    camera = Fast()
    source = LiveSource("0", "belt", camera.connect)
    camera.script.put(picture(1))
    assert source.read(WAIT_S) is not None
    camera.refusals = 1
    camera.script.put(SourceError("camera 0 has stopped giving frames"))
    until(lambda: source.state is SourceState.RETRYING)
    assert "stopped" in source.cause
    until(lambda: "not there" in source.cause)
    camera.script.put(picture(2))
    frame = source.read(WAIT_S)
    assert isinstance(frame, Frame)
    assert frame.sequence == 1
    assert (source.state, source.cause) == (SourceState.RUNNING, "")
    assert camera.closed == 1
    camera.script.put(SourceError("gone"))
    source.close()
    assert camera.closed == camera.connections == 2


def test_an_impatient_source_refuses_a_missing_camera_a_patient_one_waits():
    camera = ScriptedCamera()
    camera.refusals = 2
    with pytest.raises(SourceError, match="not there"):
        LiveSource("0", "belt", camera.connect)
    source = LiveSource("0", "belt", camera.connect, patient=True)
    camera.script.put(picture(1))
    assert source.read(WAIT_S) is not None
    source.close()


def test_a_silent_camera_counts_as_retrying_though_its_read_hangs(monkeypatch):
    monkeypatch.setattr(live, "SILENCE_S", 0.1)
    monkeypatch.setattr(live, "CLOSE_S", 0.1)
    camera = Hanging()
    source = LiveSource("0", "belt", camera.connect)
    until(lambda: source.read(0.05) is None and source.state is SourceState.RETRYING)
    assert "no frame for" in source.cause
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 5
    assert source.state is SourceState.ENDED
    camera.released.set()
    until(lambda: camera.closed == 1)  # the thread that was left behind tidies up


def test_a_bug_in_the_capture_thread_is_a_failure_not_a_silence():
    camera = Fast()
    source = LiveSource("0", "belt", camera.connect)
    camera.script.put(ZeroDivisionError("driver"))
    with pytest.raises(SourceError, match="ZeroDivisionError"):
        source.read(WAIT_S)
    assert source.state is SourceState.FAILED
    assert source.finished


def test_a_network_camera_comes_back_after_it_was_unplugged():
    with MjpegCamera() as camera:
        source = open_source(camera.address, stream="belt")
        assert source.live
        assert source.read(WAIT_S) is not None
        port = camera.port
    until(lambda: source.read(0.1) is None and source.state is SourceState.RETRYING)
    assert camera.address in source.cause
    last = sum(source.dropped.values())
    with MjpegCamera(port):
        frame = source.read(WAIT_S)
        while frame is None:
            frame = source.read(WAIT_S)
        assert isinstance(frame, Frame)
        assert frame.sequence >= last
        assert source.state is SourceState.RUNNING
        source.close()


def test_backoff_doubles_up_to_its_cap_with_jitter():
    backoff = Backoff(first_s=1.0, cap_s=8.0)
    waits = [backoff.next_s() for _ in range(200)]
    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8], strict=False):
        assert longest / 2 <= wait <= longest
    assert all(4 <= wait <= 8 for wait in waits[3:])
    assert len(set(waits[3:])) > 100
    backoff.reset()
    assert backoff.next_s() <= 1.0


@pytest.mark.parametrize("start", SourceState)
@pytest.mark.parametrize("end", SourceState)
def test_only_allowed_transitions_happen(start, end):
    life = Life()
    if start is not SourceState.STARTING:
        if start is SourceState.RETRYING:
            life.move(SourceState.RUNNING)
        life.move(start, "first")
    allowed = end in TRANSITIONS[start] or (end is start and TRANSITIONS[start])
    assert life.move(end, "second") == bool(allowed)
    assert life.state is (end if allowed else start)
    assert life.cause == ("second" if allowed else "first" if start != "starting" else "")


def test_drops_are_counted_from_any_thread():
    life = Life()
    threads = [
        threading.Thread(target=lambda: [life.drop("x") for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert life.dropped == {"x": 2000}


def test_a_hung_driver_is_left_behind_and_the_camera_opened_anew(monkeypatch):
    monkeypatch.setattr(live, "HUNG_S", 0.05)
    monkeypatch.setattr(live, "CLOSE_S", 0.1)
    hanging, healthy = Hanging(), Fast()
    cameras = iter([hanging, healthy])
    source = LiveSource("0", "belt", lambda: next(cameras).connect())
    healthy.script.put(picture(7))
    frames = []
    until(lambda: bool(frames.append(source.read(0.05)) or any(frames)))
    assert number_of(next(frame for frame in frames if frame).image) == 7
    assert source.beyond_repair == ""
    hanging.released.set()
    until(lambda: hanging.closed == 1)
    healthy.script.put(SourceError("gone"))
    source.close()


def test_a_driver_that_hangs_again_and_again_is_beyond_repair(monkeypatch):
    monkeypatch.setattr(live, "HUNG_S", 0.02)
    monkeypatch.setattr(live, "CLOSE_S", 0.1)
    camera = Hanging()
    source = LiveSource("0", "belt", camera.connect)
    until(lambda: source.read(0.02) is None and bool(source.beyond_repair))
    assert "hang in its driver" in source.beyond_repair
    connections = camera.connections
    assert source.read(0.1) is None
    assert camera.connections == connections == live.MOST_LEFT_BEHIND + 1
    camera.released.set()
    until(lambda: camera.closed == connections)
    until(lambda: source.beyond_repair == "")
    source.close()


def test_a_frame_carries_how_the_camera_took_it():
    class Telling(ScriptedCamera):
        def exposure(self) -> Exposure:
            return Exposure(156.0, 4.0)

    camera = Telling()
    source = LiveSource("camera 0", "s", camera.connect)
    camera.script.put(picture(3))
    frame = source.read(5)
    source.close()
    assert isinstance(frame, Frame) and frame.exposure == (156.0, 4.0)
