"""Pictures for lists: small, right side up, and harmless whatever a device has sent."""

from __future__ import annotations

import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.pictures.folder import files
from edge_guard.collector.pictures.small import AT_ONCE, LONGER_SIDE_PX, Smaller, size_px, small

CHANCE = np.random.default_rng(1)


def drawn(width: int, height: int, kind: str = ".jpg") -> bytes:
    """Return a smooth picture: red on the left, blue below."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 2] = np.linspace(255, 0, width, dtype=np.uint8)
    image[:, :, 0] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    noisy = cv2.add(image, CHANCE.integers(0, 30, image.shape, np.uint8))
    return cv2.imencode(kind, noisy)[1].tobytes()


@pytest.mark.parametrize(
    ("width", "height", "kind"),
    [(640, 480, ".jpg"), (1920, 1080, ".jpg"), (900, 2500, ".jpg"), (4000, 40, ".png")],
)
def test_a_large_picture_becomes_small(width: int, height: int, kind: str) -> None:
    picture = drawn(width, height, kind)
    assert size_px(picture) == (width, height)
    made = small(picture)
    assert len(made) < len(picture) / 2
    image = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    found = image.shape[1], image.shape[0]
    assert found == size_px(made)
    assert max(found) == LONGER_SIDE_PX
    assert found[0] / found[1] == pytest.approx(width / height, rel=0.05)
    left, right = image[:, 0, 2].mean(), image[:, -1, 2].mean()
    assert left > 200
    assert right < 60


@pytest.mark.parametrize(
    "picture",
    [
        drawn(320, 240),
        drawn(640, 480)[:300],
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\xff\xff",
        b"\xff\xd8" + b"\xff" * 2000,
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60000, 60000),
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + b"\0" * 50,
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 4000, 4001),
        b"<svg/>",
        b"",
    ],
)
def test_what_is_small_or_no_picture_stays_as_it_is(picture: bytes) -> None:
    assert small(picture) == picture


@pytest.mark.parametrize("marker", [0x01, 0xBF, *range(0xD0, 0xDB)])
def test_a_jpeg_that_claims_a_small_frame_where_no_decoder_looks(marker: int) -> None:
    """Markers without a length: what seems one would lead past the header that counts."""
    behind = b"\xff\xc0\x00\x11\x08\x02\x00\x02\x00"  # 512 x 512
    true = drawn(640, 480)
    picture = true[:2] + bytes([0xFF, marker]) + true[2:] + behind * 9
    assert size_px(picture) == (0, 0)
    assert small(picture) == picture


class Counting(PictureStore):
    """Tells what it was asked for, and lets it wait for that many who ask."""

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        super().__init__(folder)
        self.asked: list[str] = []
        self._barrier = threading.Barrier(at_once)

    def get(self, digest: str) -> bytes | None:
        self.asked.append(digest)
        self._barrier.wait(30)
        return super().get(digest)


def test_the_ones_asked_for_last_are_kept(tmp_path: Path) -> None:
    pictures = Counting(tmp_path)
    a, b, c = (pictures.put(drawn(800, 600)) for _ in range(3))
    room = 2 * max(len(small(one.read_bytes())) for one in files(tmp_path))
    smaller = Smaller(pictures, room)
    for name in (a, b, a, b):
        assert smaller.get(name) == small(pictures.path(name).read_bytes())
    assert pictures.asked == [a, b]
    smaller.get(c)
    smaller.get(b)
    assert pictures.asked == [a, b, c]
    smaller.get(a)
    assert pictures.asked == [a, b, c, a]
    assert smaller.get("0" * 64) is None


def test_what_was_deleted_is_not_given_from_memory(tmp_path: Path) -> None:
    pictures = PictureStore(tmp_path)
    digest = pictures.put(drawn(800, 600))
    smaller = Smaller(pictures)
    made = smaller.get(digest)
    assert made is not None
    pictures.remove([digest])
    assert smaller.get(digest) is None


def test_few_are_decoded_at_once_and_each_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = Counting(tmp_path, at_once=12)
    digests = [pictures.put(drawn(800, 600)) for _ in range(4)]
    working, most, done = [0], [0], []
    lock = threading.Lock()

    def watched(picture: bytes) -> bytes:
        with lock:
            working[0] += 1
            most[0] = max(most[0], working[0])
        try:
            done.append(picture)
            return small(picture)
        finally:
            with lock:
                working[0] -= 1

    monkeypatch.setattr("edge_guard.collector.pictures.small.small", watched)
    smaller = Smaller(pictures)
    with ThreadPoolExecutor(12) as asking:
        made = list(asking.map(smaller.get, digests * 3))
    assert made == [small(pictures.path(digest).read_bytes()) for digest in digests] * 3
    assert len(done) == 4
    assert most[0] <= AT_ONCE
