"""Pictures for lists: small, right side up, and harmless whatever a device has sent."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from edge_guard.collector.pictures.small import LONGER_SIDE_PX, Smaller, size_px, small

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
        b"<svg/>",
        b"",
    ],
)
def test_what_is_small_or_no_picture_stays_as_it_is(picture: bytes) -> None:
    assert small(picture) == picture


def test_the_ones_asked_for_last_are_kept() -> None:
    pictures = {name: drawn(800, 600) for name in "abc"}
    asked: list[str] = []

    def find(name: str) -> bytes | None:
        asked.append(name)
        return pictures.get(name)

    room = 2 * max(len(small(one)) for one in pictures.values())
    smaller = Smaller(find, room)
    for name in "abab":
        assert smaller.get(name) == small(pictures[name])
    assert asked == ["a", "b"]
    smaller.get("c")
    smaller.get("b")
    assert asked == ["a", "b", "c"]
    smaller.get("a")
    assert asked == ["a", "b", "c", "a"]
    assert smaller.get("gone") is None
