"""What every source promises, checked on every kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from footage import MjpegCamera, ScriptedCamera, encoded, picture, write_folder, write_video
from pretend_genicam import Camera, bgr8, plant, producer

from edge_guard.config import StreamTable, TriggerTable
from edge_guard.publish.happenings import Received
from edge_guard.sources import Damaged, Source, SourceState, open_source
from edge_guard.sources.live import LiveSource, Pulses
from edge_guard.sources.triggered import TriggeredSource
from edge_guard.trigger_desk import TriggerDesk
from edge_guard.types import Frame

FRAMES = 6
WAIT_S = 20.0
Opened = Iterator[Source]


def network_camera(tmp_path: Path) -> Opened:
    with MjpegCamera() as camera:
        yield open_source(camera.address, stream="belt")


def local_camera(tmp_path: Path) -> Opened:
    camera = ScriptedCamera()
    for number in range(FRAMES):
        camera.script.put(picture(number))
    yield LiveSource("0", "belt", camera.connect)


def patient_camera(tmp_path: Path) -> Opened:
    camera = ScriptedCamera()
    camera.refusals = 1
    for number in range(FRAMES):
        camera.script.put(picture(number))
    yield LiveSource("0", "belt", camera.connect, patient=True)


def video(tmp_path: Path) -> Opened:
    yield open_source(str(write_video(tmp_path / "line.avi", FRAMES)), stream="belt")


def looped_video(tmp_path: Path) -> Opened:
    yield open_source(str(write_video(tmp_path / "line.avi", 2)), stream="belt", loop=True)


def paced_video(tmp_path: Path) -> Opened:
    path = write_video(tmp_path / "line.avi", FRAMES)
    yield open_source(str(path), stream="belt", frames_per_second=50)


def image(tmp_path: Path) -> Opened:
    (tmp_path / "part.jpg").write_bytes(encoded(3, ".jpg"))
    yield open_source(str(tmp_path / "part.jpg"), stream="belt")


def folder(tmp_path: Path) -> Opened:
    yield open_source(str(write_folder(tmp_path / "parts", FRAMES)), stream="belt")


def looped_folder(tmp_path: Path) -> Opened:
    yield open_source(str(write_folder(tmp_path / "parts", 2)), stream="belt", loop=True)


def watched_folder(tmp_path: Path) -> Opened:
    path = write_folder(tmp_path / "parts", FRAMES)
    yield open_source(str(path), stream="belt", watch=True)


def folder_with_damage(tmp_path: Path) -> Opened:
    path = write_folder(tmp_path / "parts", FRAMES)
    (path / "part1.png").write_bytes(b"\x89PNG\r\n\x1a\n, said the file")
    yield open_source(str(path), stream="belt")


def genicam_camera(tmp_path: Path) -> Opened:
    with plant(Camera("SN1", films=bgr8(picture(3)))):
        yield open_source(f"genicam:{producer(tmp_path)}#SN1", stream="belt")


def triggered_by_messages(tmp_path: Path) -> Opened:
    trigger, desk = TriggerTable(kind="mqtt", topic="t", deadline_seconds=60), TriggerDesk()
    desk.follow([StreamTable(name="belt", source="", trigger=trigger)])
    desk.connected(True)
    for number in range(FRAMES):
        desk.hear(Received("t", f"A-{number}".encode()))
    path = str(write_video(tmp_path / "line.avi", 2))
    more = {"loop": True, "frames_per_second": 100.0, "trigger": trigger, "bell": desk}
    yield open_source(path, stream="belt", **more)


def triggered_by_pulses(tmp_path: Path) -> Opened:
    camera = ScriptedCamera()
    for number in range(FRAMES):
        camera.script.put(picture(number))
    yield TriggeredSource(LiveSource("0", "belt", camera.connect, pulses=Pulses()), "belt")


KINDS: list[Callable[[Path], Opened]] = [
    network_camera,
    local_camera,
    patient_camera,
    video,
    looped_video,
    paced_video,
    image,
    folder,
    looped_folder,
    watched_folder,
    folder_with_damage,
    genicam_camera,
    triggered_by_messages,
    triggered_by_pulses,
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    opening = request.param(tmp_path)
    opened = next(opening)
    yield opened
    opened.close()
    opening.close()


def take(source: Source, most: int = FRAMES) -> list[Frame | Damaged]:
    """Up to ``most`` frames: fewer when the source ends or has nothing more for a second."""
    frames: list[Frame | Damaged] = []
    patience = time.monotonic() + WAIT_S
    while len(frames) < most and not source.finished and time.monotonic() < patience:
        frame = source.read(1.0)
        if frame is not None:
            frames.append(frame)
        elif frames:
            break
    return frames


def test_frames_are_images_of_the_stream_with_rising_sequence_and_times(source):
    frames = take(source)
    assert frames
    images = [frame for frame in frames if isinstance(frame, Frame)]
    assert images
    for frame in images:
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (48, 64, 3)
        assert frame.source
    assert all(frame.stream == "belt" for frame in frames)
    sequences = [frame.sequence for frame in frames]
    assert sequences == sorted(set(sequences))
    assert [f.monotonic_ns for f in frames] == sorted(f.monotonic_ns for f in frames)
    assert all(abs(frame.wall_ns - time.time_ns()) < 60e9 for frame in frames)


def test_every_sequence_number_is_a_frame_a_damaged_one_or_a_counted_drop(source):
    frames = take(source)
    handed_out = [frame for frame in frames if isinstance(frame, Frame)]
    source.close()
    last = frames[-1].sequence
    counted = sum(source.dropped.values())
    assert len(handed_out) + counted >= last + 1
    if not source.live:
        assert [frame.sequence for frame in frames] == list(range(last + 1))
        assert len(handed_out) + counted == last + 1


def test_the_first_frame_makes_it_run(source):
    assert source.state in (SourceState.STARTING, SourceState.RUNNING, SourceState.RETRYING)
    assert not source.finished
    take(source, 1)
    assert source.state in (SourceState.RUNNING, SourceState.RETRYING)  # scripts run dry
    assert (source.cause == "") == (source.state is SourceState.RUNNING)


def test_read_is_bounded(source):
    for timeout_s in (0.0, 0.05):
        began = time.monotonic()
        source.read(timeout_s)
        assert time.monotonic() - began < timeout_s + 2.0


def test_close_ends_it_for_good_and_can_be_repeated(source):
    take(source, 1)
    source.close()
    source.close()
    while source.read(0.0) is not None:  # what a trigger has brought is a part's
        assert isinstance(source, TriggeredSource)
    assert source.finished
    assert source.state is SourceState.ENDED
    assert source.cause
    assert source.read(WAIT_S) is None


def test_close_from_another_thread_ends_a_waiting_read(source):
    take(source)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    began = time.monotonic()
    while not source.finished:
        source.read(WAIT_S)
    assert time.monotonic() - began < WAIT_S
    closer.join()


def test_dropped_is_a_copy(source):
    source.dropped["made-up"] = 1
    assert "made-up" not in source.dropped


def test_address_is_shown(source):
    assert isinstance(source.address, str)
    assert source.address
