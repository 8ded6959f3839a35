"""Sources that cannot be used: one line that names them and says what to do; exit code 5."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import encoded, write_folder, write_video
from hypothesis import given
from hypothesis import strategies as st

from edge_guard.errors import ConfigError, SourceError
from edge_guard.sources import Damaged, SourceState, masked, open_source
from edge_guard.sources.images import UndecodableError, is_cut_short, read_image
from edge_guard.types import Frame


def refusal(address: object, **options: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_source(str(address), stream="belt", **options)  # type: ignore[arg-type]
    error = caught.value
    assert error.exit_code == 5
    assert error.remedy
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize("address", ["97", "/dev/video97", "/dev/v4l/by-id/none"])
def test_a_camera_that_is_not_there_says_which_are(address):
    error = refusal(address)
    assert address in error.problem
    assert "/dev/video" in error.remedy


def test_a_device_that_is_no_camera():
    assert "/dev/null" in refusal("/dev/null").problem


@pytest.mark.parametrize("name", ["none.mp4", "none.png", "none", ""])
def test_a_missing_path_is_named(tmp_path, name):
    address = tmp_path / name if name else ""
    if name:
        assert str(address) in refusal(address).problem
    else:
        assert "''" in refusal("").problem


def test_an_empty_folder_and_one_without_images(tmp_path):
    assert "holds no image" in refusal(tmp_path).problem
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.png").write_bytes(encoded(1))
    write_folder(tmp_path / "good", 1)
    error = refusal(tmp_path)
    assert str(tmp_path) in error.problem
    assert str(tmp_path / "good") in error.remedy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"hello\n" * 500,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 3000,
        b"RIFF\x00\x10\x00\x00AVI LIST" + b"\0" * 3000,
    ],
    ids=["empty", "zeros", "text", "playlist", "concat", "mp4-junk", "avi-junk"],
)
def test_a_file_that_is_no_video(tmp_path, capfd, content):
    path = tmp_path / "line.mp4"
    path.write_bytes(content)
    assert str(path) in refusal(path).problem
    assert capfd.readouterr() == ("", "")  # no chatter from FFmpeg or OpenCV


def test_a_video_cut_short_fails_after_its_last_frame_and_says_so(tmp_path, data_folder):
    whole = (data_folder / "video" / "bottle-detection.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    try:
        source = open_source(str(path), stream="belt")
    except SourceError as error:  # the index stood at the end
        assert str(path) in error.problem
        return
    with pytest.raises(SourceError, match="of 1189 frames"):
        while not source.finished:
            source.read(1.0)
    assert source.state is SourceState.FAILED
    with pytest.raises(SourceError):
        source.read(0.0)
    source.close()
    assert source.state is SourceState.FAILED


def test_an_avi_cut_short_fails(tmp_path, capfd):
    path = write_video(tmp_path / "line.avi", 60)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    frames = 0
    with pytest.raises(SourceError, match=str(path)):
        source = open_source(str(path), stream="belt")
        while not source.finished:
            frames += isinstance(source.read(1.0), Frame)
    assert frames < 60
    assert capfd.readouterr() == ("", "")


DAMAGED = {
    "empty": b"",
    "text": b"not an image",
    "zeros": b"\0" * 100,
    "jpeg cut": encoded(3, ".jpg")[:-20],
    "png cut": encoded(3)[:-20],
    "png header only": encoded(3)[:33],
    "bmp cut": encoded(3, ".bmp")[:-20],
    "webp cut": encoded(3, ".webp")[:-4],
    "tiff cut": encoded(3, ".tiff")[:40],
    "png flipped": encoded(3)[:60] + b"\xff\xff" + encoded(3)[62:],
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_image_alone_is_refused_and_in_a_folder_is_said(tmp_path, capfd, content):
    folder = write_folder(tmp_path / "parts", 3)
    path = folder / "part1.png"
    path.write_bytes(content)
    assert str(path) in refusal(path).problem
    source = open_source(str(folder), stream="belt")
    frames = [source.read(1.0) for _ in range(3)]
    assert [type(frame) for frame in frames] == [Frame, Damaged, Frame]
    assert str(path) in frames[1].cause
    assert source.dropped == {"undecodable": 1}
    chatter = capfd.readouterr().err.splitlines()
    assert all(line.startswith("libpng error") for line in chatter)  # it knows no other way


def test_an_unreadable_image_is_damaged_not_a_crash(tmp_path):
    folder = write_folder(tmp_path / "parts", 2)
    source = open_source(str(folder), stream="belt")
    (folder / "part0.png").unlink()
    damaged = source.read(1.0)
    assert isinstance(damaged, Damaged)
    assert "No such file" in damaged.cause
    assert isinstance(source.read(1.0), Frame)


def test_float_pixels_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "depth.tiff"), np.full((20, 20), 0.5, np.float32))
    assert "float32" in refusal(tmp_path / "depth.tiff").problem


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"])
)
def test_any_bytes_are_an_image_or_undecodable(tmp_path_factory, body, head):
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(head + body)
    try:
        image = read_image(path)
    except UndecodableError as error:
        assert str(error)
    else:
        assert image.dtype == np.uint8


@given(st.sampled_from([".jpg", ".png", ".bmp", ".webp"]), st.data())
def test_an_image_without_its_end_is_cut_short(suffix, data):
    whole = encoded(7, suffix)
    assert not is_cut_short(whole)
    missing = data.draw(st.integers(2, len(whole) // 2))
    assert is_cut_short(whole[:-missing])


def test_a_jpeg_with_a_thumbnail_is_not_taken_for_whole():
    thumbnail, whole = encoded(2, ".jpg"), encoded(7, ".jpg")
    marker = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    nested = whole[:2] + marker + whole[2:]
    assert not is_cut_short(nested)
    assert is_cut_short(nested[:-30])


@pytest.mark.parametrize("scheme", ["ftp", "file", "concat", "javascript"])
def test_an_unknown_scheme_is_refused(scheme):
    assert "unknown scheme" in refusal(f"{scheme}://host/x").problem


def test_a_camera_that_refuses_the_connection_says_so():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refusal(f"rtsp://admin:secret@127.0.0.1:{port}/x")
    assert "secret" not in str(error)
    assert f"port {port} cannot be reached" in error.remedy


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_never_answers_is_given_up(scheme):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        error = refusal(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/x")
    assert time.monotonic() - began < 30
    assert "answers" in error.remedy


def test_a_host_that_cannot_be_parsed():
    assert "cannot be parsed" in refusal("rtsp://host:99999999/x").remedy


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:secret@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:se:c@ret@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:se/cret@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:se#cret@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://:secret@cam/1", "rtsp://:***@cam/1"),
        ("rtsp://admin@cam/1", "rtsp://admin@cam/1"),
        ("http://cam/v?user=a&password=secret&x=1", "http://cam/v?user=a&password=***&x=1"),
        ("http://cam/v?pwd=secret", "http://cam/v?pwd=***"),
        ("http://a:secret@cam/v?AUTH_TOKEN=secret#x", "http://a:***@cam/v?AUTH_TOKEN=***#x"),
        ("http://cam/1", "http://cam/1"),
        ("/srv/a:b@c", "/srv/a:b@c"),
        ("0", "0"),
    ],
)
def test_passwords_are_never_shown(address, shown):
    assert masked(address) == shown


@given(
    st.text("abcXYZ019:@/#!$%", min_size=12, max_size=30).map(lambda word: word + "Zq9"),
    st.sampled_from(["", "/stream", "/stream?channel=1"]),
)
def test_no_password_gets_through(password, path):
    assert password not in masked(f"rtsp://admin:{password}@camera{path}")
    assert "Zq9" not in masked(f"rtsp://admin:{password}@camera{path}")


@pytest.mark.parametrize(
    "options",
    [{"watch": True}, {"frames_per_second": 0.0}, {"frames_per_second": float("nan")}],
)
def test_options_that_do_not_fit_a_file_are_refused(tmp_path, options):
    path = write_video(tmp_path / "line.avi", 2)
    with pytest.raises(ConfigError, match=str(path)):
        open_source(str(path), stream="belt", **options)


@pytest.mark.parametrize("options", [{"loop": True}, {"frames_per_second": 5.0}, {"watch": True}])
def test_options_that_do_not_fit_a_camera_are_refused(options):
    with pytest.raises(ConfigError) as caught:
        open_source("rtsp://admin:secret@cam/1", stream="belt", **options)
    assert "secret" not in str(caught.value)


def test_a_watched_folder_cannot_loop(tmp_path):
    with pytest.raises(ConfigError, match="loop"):
        open_source(str(tmp_path), stream="belt", watch=True, loop=True)


def test_text_has_no_frames(tmp_path: Path):
    assert "not a video" in refusal(__file__).problem
