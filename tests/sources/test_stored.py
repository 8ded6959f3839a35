"""Files and folders: order, pace, loops, pixel formats, watching."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import encoded, number_of, picture, write_folder, write_video
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.sources import Damaged, Source, SourceState, open_source
from edge_guard.sources.folder import natural_key
from edge_guard.sources.images import read_image
from edge_guard.types import Frame

WAIT_S = 20.0


def numbers(source: Source) -> list[int]:
    found = []
    while not source.finished:
        frame = source.read(1.0)
        if isinstance(frame, Frame):
            found.append(number_of(frame.image))
    return found


def next_frame(source: Source) -> Frame | Damaged:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if frame := source.read(0.5):
            return frame
    raise AssertionError("no frame")


def test_a_folder_is_read_in_natural_order_of_names(tmp_path):
    folder = write_folder(tmp_path / "parts", 12)
    (folder / "notes.txt").write_text("no image")
    (folder / "more.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    source = open_source(str(folder), stream="belt")
    assert numbers(source) == list(range(12))
    assert source.state is SourceState.ENDED
    assert source.cause == "all 12 frames were read"
    assert source.dropped == {}


@pytest.mark.parametrize("content", [encoded(1), b"no image"])
@pytest.mark.parametrize("watch", [False, True])
def test_a_name_that_is_not_utf_8_can_be_sent(tmp_path, monkeypatch, content, watch):
    monkeypatch.setattr("edge_guard.sources.folder.SETTLED_S", 0.0)
    monkeypatch.setattr("edge_guard.sources.folder.GIVEN_UP_S", 0.0)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(content)
    source = open_source(str(tmp_path), stream="belt", watch=watch)
    frame = next_frame(source)
    source.close()
    said = frame.source + (frame.cause if isinstance(frame, Damaged) else "")
    assert b"caf\xef\xbf\xbd.png" in said.encode()


@given(st.lists(st.text("ab01²٣9.-", max_size=6), max_size=8))
def test_natural_order_is_an_order_for_any_names(names):
    def order(name):
        return natural_key(name), name

    assert sorted(sorted(names, reverse=True), key=order) == sorted(sorted(names), key=order)


def test_natural_order():
    names = ["part10.png", "Part2.png", "part1b.png", "part1.png", "10.png", "9.png", "007.png"]
    assert sorted(names, key=natural_key) == [
        *("007.png", "9.png", "10.png"),
        *("part1.png", "part1b.png", "Part2.png", "part10.png"),
    ]


def test_a_video_keeps_every_frame(tmp_path):
    source = open_source(str(write_video(tmp_path / "line.avi", 20)), stream="belt")
    assert numbers(source) == list(range(20))


def test_real_footage_keeps_every_frame(data_folder):
    source = open_source(str(data_folder / "video" / "bottle-detection.mp4"), stream="belt")
    sequences = []
    while not source.finished:
        if frame := source.read(1.0):
            sequences.append(frame.sequence)
    assert sequences == list(range(1189))


@pytest.mark.parametrize("kind", ["folder", "video", "image"])
def test_a_loop_starts_again_and_goes_on_counting(tmp_path, kind):
    path = {
        "folder": lambda: write_folder(tmp_path / "parts", 2),
        "video": lambda: write_video(tmp_path / "line.avi", 2),
        "image": lambda: write_folder(tmp_path / "parts", 1) / "part0.png",
    }[kind]()
    source = open_source(str(path), stream="belt", loop=True)
    frames = [next_frame(source) for _ in range(6)]
    assert [frame.sequence for frame in frames] == list(range(6))
    assert [number_of(frame.image) for frame in frames] == [0, 0 if kind == "image" else 1] * 3
    source.close()


def test_a_loop_whose_file_goes_away_fails_with_its_name(tmp_path):
    path = write_video(tmp_path / "line.avi", 2)
    source = open_source(str(path), stream="belt", loop=True)
    next_frame(source)
    next_frame(source)
    path.unlink()
    with pytest.raises(Exception, match=str(path)):
        source.read(1.0)
    assert source.state is SourceState.FAILED


def test_pace_is_kept_and_never_exceeded(tmp_path):
    path = write_video(tmp_path / "line.avi", 11)
    source = open_source(str(path), stream="belt", frames_per_second=20)
    assert source.read(1.0) is not None
    began = time.monotonic()
    assert source.read(0.0) is None
    frames = [next_frame(source) for _ in range(10)]
    assert time.monotonic() - began >= 0.49
    gaps = np.diff([frame.monotonic_ns for frame in frames]) / 1e9
    assert gaps.min() >= 0.02  # a late frame may be followed by one that is nearly due


def test_a_slow_reader_is_not_chased_by_a_burst(tmp_path):
    path = write_video(tmp_path / "line.avi", 4)
    source = open_source(str(path), stream="belt", frames_per_second=10)
    next_frame(source)
    threading.Event().wait(0.5)
    next_frame(source)
    assert source.read(0.0) is None


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((20, 30), 200, np.uint8), np.full((20, 30), 200)),
        (np.full((20, 30), 200 * 256 + 77, np.uint16), np.full((20, 30), 200)),
        (np.full((20, 30, 3), 200 * 256, np.uint16), np.full((20, 30, 3), 200)),
        (np.full((20, 30, 4), (10, 20, 30, 0), np.uint8), np.full((20, 30, 3), (10, 20, 30))),
        (np.full((20, 30, 4), 256 * 9, np.uint16), np.full((20, 30, 3), 9)),
        (np.full((20, 30, 3), (1, 2, 3), np.uint8), np.full((20, 30, 3), (1, 2, 3))),
    ],
    ids=["gray", "gray16", "color16", "alpha", "alpha16", "color"],
)
def test_pixels_become_uint8_gray_or_bgr(tmp_path, image, expected):
    path = tmp_path / "part.png"
    assert cv2.imwrite(str(path), image)
    read = read_image(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, expected)


def test_an_image_bomb_is_refused_by_the_command(tmp_path):
    """A PNG of a few bytes that claims 40,000 × 40,000 px; the limit is set for every command."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    program = (
        "import edge_guard.cli.main as main, sys; main.limit_libraries()\n"
        "from pathlib import Path; from edge_guard.sources.images import read_image\n"
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "read_image(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "UndecodableError: refused by the decoder" in done.stderr


# -- a watched folder ---------------------------------------------------------------------------


def test_watching_starts_with_what_is_there_and_goes_on_with_what_comes(tmp_path):
    folder = write_folder(tmp_path / "parts", 2)
    source = open_source(str(folder), stream="belt", watch=True)
    assert [number_of(next_frame(source).image) for _ in range(2)] == [0, 1]
    assert source.read(0.3) is None
    assert source.state is SourceState.RUNNING
    (folder / "part5.png").write_bytes(encoded(5))
    assert number_of(next_frame(source).image) == 5
    (folder / ".part6.tmp").write_bytes(encoded(6))
    (folder / ".part6.tmp").rename(folder / "part6.png")
    assert number_of(next_frame(source).image) == 6
    assert source.read(0.5) is None
    assert source.dropped == {}
    source.close()


def test_an_empty_folder_can_be_watched(tmp_path):
    source = open_source(str(tmp_path), stream="belt", watch=True)
    assert source.read(0.0) is None
    assert not source.finished
    (tmp_path / "part7.jpg").write_bytes(encoded(7, ".jpg"))
    assert number_of(next_frame(source).image) == 7


def test_a_file_written_in_pieces_is_read_when_whole(tmp_path):
    source = open_source(str(tmp_path), stream="belt", watch=True)
    data = encoded(8, ".bmp")
    third = len(data) // 3

    def write() -> None:
        with (tmp_path / "part.bmp").open("wb", buffering=0) as file:
            for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
                file.write(piece)
                threading.Event().wait(0.6)  # longer than a file needs to look settled

    writer = threading.Thread(target=write)
    writer.start()
    frame = next_frame(source)
    writer.join()
    assert isinstance(frame, Frame)
    assert number_of(frame.image) == 8
    assert source.dropped == {}


def test_a_file_that_never_becomes_whole_is_said_to_be_damaged_once(tmp_path):
    source = open_source(str(tmp_path), stream="belt", watch=True)
    (tmp_path / "part.png").write_bytes(encoded(8)[:-30])
    damaged = next_frame(source)
    assert isinstance(damaged, Damaged)
    assert "part.png: cut short" in damaged.cause
    assert source.dropped == {"undecodable": 1}
    assert source.read(0.5) is None


def test_a_file_overwritten_under_its_name_is_a_new_frame(tmp_path):
    source = open_source(str(tmp_path), stream="belt", watch=True)
    for number in (1, 2, 3):
        (tmp_path / "latest.png").write_bytes(encoded(number))
        os.utime(tmp_path / "latest.png", ns=(number, number))
        assert number_of(next_frame(source).image) == number
    assert source.read(0.5) is None


def test_a_folder_that_goes_away_is_waited_for(tmp_path):
    folder = write_folder(tmp_path / "parts", 1)
    source = open_source(str(folder), stream="belt", watch=True)
    next_frame(source)
    folder.rename(tmp_path / "away")
    assert source.read(0.3) is None
    assert source.state is SourceState.RETRYING
    assert str(folder) in source.cause
    write_folder(folder, 0)
    (folder / "part9.png").write_bytes(encoded(9))
    assert number_of(next_frame(source).image) == 9
    assert source.state is SourceState.RUNNING
    assert source.cause == ""


def test_reading_a_removed_folder_is_not_a_busy_loop(tmp_path):
    folder = write_folder(tmp_path / "parts", 1)
    source = open_source(str(folder), stream="belt", watch=True)
    next_frame(source)
    folder.rename(tmp_path / "away")
    began = time.monotonic()
    source.read(0.3)
    assert time.monotonic() - began >= 0.25


def test_gray_video_and_images_keep_their_shape(tmp_path: Path):
    path = tmp_path / "gray.png"
    cv2.imwrite(str(path), cv2.cvtColor(picture(4), cv2.COLOR_BGR2GRAY))
    frame = next_frame(open_source(str(path), stream="belt"))
    assert isinstance(frame, Frame)
    assert frame.image.shape == (48, 64)
