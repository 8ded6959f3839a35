"""Taking references from a source: what is kept, and that nothing is lost whatever ends it."""

from __future__ import annotations

import re
import resource
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from pathlib import Path

import numpy as np
import pytest
from tinymodel import parts

from edge_guard.backends.preprocess import decode_image
from edge_guard.calibration import capture as capturing
from edge_guard.calibration.advice.watch import Watch
from edge_guard.calibration.album import Album
from edge_guard.calibration.capture import Seen, Wanted, capture
from edge_guard.errors import ReferencesError, SourceError, StoreError
from edge_guard.sources import SourceState, View, open_source
from edge_guard.sources.live import LiveSource


class HandedCamera:
    """A camera that gives pictures and, when there are no more, has been unplugged."""

    def __init__(self, images: Iterable[np.ndarray | None]) -> None:
        self._images = iter(images)

    def read(self) -> np.ndarray | None:
        time.sleep(0.01)  # its pace: a live source keeps the newest frame only
        for image in self._images:
            return image
        raise SourceError("camera 0 has stopped giving frames")

    def exposure(self) -> None:
        return None

    def close(self) -> None:
        pass


@contextmanager
def live(images: Iterable[np.ndarray | None]) -> Iterator[LiveSource]:
    cameras = deque([HandedCamera(images)])

    def connect() -> HandedCamera:
        if not cameras:
            raise SourceError("camera 0 is not there")
        return cameras.popleft()

    source = LiveSource("camera 0", "reference", connect)
    try:
        yield source
    finally:
        source.close()


def taken(source: LiveSource, album: Album, wanted: Wanted) -> Watch:
    watch = Watch(live=source.live)
    capture(source, album, wanted, watch, lambda _: None)
    return watch


def folder_of(tmp_path: Path, images: Sequence[np.ndarray]) -> Path:
    folder = tmp_path / "pictures"
    album = Album(folder)
    for image in images:
        album.add(image, 0)
    return album.references


def test_files_are_kept_all_to_the_bit_and_in_order(tmp_path):
    images = parts(5, 1)
    source = open_source(str(folder_of(tmp_path, images)), stream="reference")
    album = Album(tmp_path / "line.capture")
    taken(source, album, Wanted(10))
    source.close()
    kept = [decode_image(file.read_bytes()) for file in album.files()]
    assert [k.tolist() for k in kept] == [i.tolist() for i in images]
    assert [f.name for f in album.files()][:2] == ["frame-000001.png", "frame-000002.png"]


def test_a_camera_is_asked_for_what_differs_and_only_until_there_are_enough(tmp_path):
    images = [image for image in parts(30, 2) for _ in range(4)]  # each part stays for four frames
    album = Album(tmp_path / "line.capture")
    with live(cycle(images)) as source:
        watch = taken(source, album, Wanted(8, every_s=0.0))
        assert source.state is SourceState.RUNNING
    assert len(album.files()) == len(watch.kept) == len(watch.looks) == 8
    stamps = [file.stat().st_mtime for file in album.files()]
    assert stamps == sorted(stamps)
    assert abs(stamps[-1] - time.time()) < 120


def test_pictures_are_kept_whole_and_judged_by_the_region(tmp_path):
    images = parts(6, 3)
    for n, image in enumerate(images):
        image[:32] = 40 * n  # what differs lies outside the region
        image[32:] = images[0][32:]
    album = Album(tmp_path / "line.capture")
    with live(images) as source, pytest.raises(SourceError):
        wanted = Wanted(3, 0.0, View(region=(0, 32, 64, 32)))
        impatient(source, album, wanted)
    assert len(album.files()) == 1
    assert decode_image(album.files()[0].read_bytes()).shape == (64, 64, 3)


def impatient(source: LiveSource, album: Album, wanted: Wanted) -> None:
    """Capture, but give a lost camera up after a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capturing, "LOST_S", 1.0)
        capture(source, album, wanted, Watch(live=True), lambda _: None)


def test_an_unplugged_camera_leaves_what_was_kept_and_a_later_capture_goes_on(tmp_path):
    images = parts(12, 4)
    album = Album(tmp_path / "line.capture")
    with live(images[:5]) as source, pytest.raises(SourceError) as lost:
        impatient(source, album, Wanted(12, every_s=0.0))
    before = [file.name for file in album.files()]
    assert 1 <= len(before) <= 5
    assert f"{len(before)} images are kept in {album.references}" in lost.value.problem
    assert "plug the camera in" in lost.value.remedy
    again = Album(tmp_path / "line.capture")
    with live(cycle(images[5:])) as source:
        taken(source, again, Wanted(len(before) + 3, every_s=0.0))
    assert [file.name for file in again.files()][: len(before)] == before
    assert len(again.files()) == len(before) + 3


def test_a_camera_whose_pictures_are_all_damaged_is_given_up(tmp_path):
    images: list[np.ndarray | None] = [*parts(1, 5)]
    with live(chain(images, repeat(None))) as source, pytest.raises(SourceError) as lost:
        impatient(source, Album(tmp_path / "line.capture"), Wanted(5, attended=True))
    assert re.search(r"no picture for 1 s \(.*cannot be decoded\); [01] images", lost.value.problem)


def test_a_camera_that_gives_nothing_new_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(capturing, "STILL_S", 0.1)
    album = Album(tmp_path / "line.capture")
    with live(cycle(parts(1, 5))) as source, pytest.raises(SourceError) as still:
        taken(source, album, Wanted(5, every_s=0.0))
    assert "it repeats one picture" in still.value.problem
    assert len(album.files()) == 1


def test_a_stop_from_outside_keeps_what_was_taken(tmp_path):
    album = Album(tmp_path / "line.capture")

    def stop(seen: Seen) -> None:
        if seen.kept == 3:
            raise KeyboardInterrupt

    with live(cycle(parts(20, 6))) as source, pytest.raises(KeyboardInterrupt):
        capture(source, album, Wanted(20, every_s=0.0), Watch(live=True), stop)
    assert len(album.files()) == 3
    assert not list(album.references.glob(".*"))


def test_a_disk_that_takes_no_more_is_named_with_what_is_kept(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    album = Album(tmp_path / "line.capture")
    album.add(image, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # a write beyond it fails as when full
    try:
        with pytest.raises(StoreError, match=r"is full; 1 images are kept in .*: free some space"):
            album.add(image, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in album.references.iterdir()] == ["frame-000001.png"]
    album.add(image, 0)
    assert len(album.files()) == 2


def test_too_little_room_is_told_at_the_first_picture(tmp_path):
    album = Album(tmp_path / "line.capture")
    with pytest.raises(StoreError, match="name a folder on another disk"):
        album.refuse_too_small(1000, 1 << 40)
    album.refuse_too_small(10, 1000)


def test_what_is_set_aside_is_no_reference_and_its_number_is_not_given_again(tmp_path):
    album = Album(tmp_path / "line.capture")
    files = [album.add(image, 0) for image in parts(3, 1)]
    place = album.set_aside(files[2:], "blurred")
    assert [file.name for file in place.iterdir()] == ["frame-000003.png"]
    again = Album(tmp_path / "line.capture")
    assert again.add(parts(1, 2)[0], 0).name == "frame-000004.png"
    assert len(again.files()) == 3


def test_black_files_give_nothing_to_keep(tmp_path):
    source = open_source(
        str(folder_of(tmp_path, [np.zeros((64, 64, 3), np.uint8)] * 3)), stream="reference"
    )
    with pytest.raises(ReferencesError, match="no picture to keep"):
        taken(source, Album(tmp_path / "line.capture"), Wanted(3))
    source.close()
