"""Sheets of pictures: readable sizes, captions that fit, nothing cut off."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.backends.sheet import Panel, readable, sheet


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((28, 28), (420, 420)),  # by a whole factor
        ((64, 48, 3), (448, 336)),
        ((480, 640, 3), (480, 640)),
        ((1080, 1920, 3), (576, 1024)),
        ((4000, 20), (1024, 5)),
    ],
)
def test_frames_are_brought_to_a_readable_size(
    shape: tuple[int, ...], expected: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    shown = readable(picture)
    assert shown.shape == (*expected, 3)
    if expected[0] % shape[0] == 0:
        factor = expected[0] // shape[0]
        original = picture if picture.ndim == 3 else picture[..., None].repeat(3, 2)
        assert (shown[::factor, ::factor] == original).all()


def test_small_pictures_stand_whole_in_a_column() -> None:
    frame = np.full((60, 400, 3), 70, np.uint8)
    tall, flat = np.full((96, 30), 200, np.uint8), np.full((20, 64, 3), 150, np.uint8)
    page = sheet([Panel(("frame",), frame)], [Panel(("a", "b"), tall), Panel(("c", "d"), flat)])
    green = page[..., 1]
    assert np.count_nonzero(green == 70) >= 60 * 400 * 0.99
    assert np.count_nonzero(green == 200) >= 96 * 30 * 0.9  # the sheet grew for it
    assert np.count_nonzero(green == 150) >= 96 * 30 * 0.9  # enlarged to the same longer side


def test_captions_keep_to_their_width() -> None:
    frame = np.zeros((40, 200, 3), np.uint8)
    plain = sheet([Panel(("",), frame)])
    for caption in ("x" * 500, "straße-部品.png", "i"):
        page = sheet([Panel((caption,), frame)])
        assert page.shape == plain.shape
        changed = np.argwhere((page != plain).any(2))
        assert len(changed)
        assert changed[:, 0].max() < 10 + 18  # above the picture
