"""Where a frame is unlike the references: in px of the frame, whatever the model saw of it."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.backends.geometry import Mode, covered
from edge_guard.heat import overlay, region
from edge_guard.publish.messages import HEAT_UNIT, MOST_HEAT_SIDE
from edge_guard.reporting import heat_grid
from edge_guard.types import Heat, Result, Verdict


def heat_of(
    cells: dict[tuple[int, int], float], *, mode: Mode = "stretch", frame: tuple[int, int]
) -> Heat:
    """A 4 × 4 map of cool cells but for the given ones."""
    grid = np.full((4, 4), 0.2, np.float32)
    for place, value in cells.items():
        grid[place] = value
    return Heat(grid, covered(mode, frame, 64, 64), *frame)


@pytest.mark.parametrize(
    ("mode", "frame", "expected"),
    [
        ("stretch", (128, 192), (0, 0, 192, 128)),
        ("stretch", (120, 200), (1, 0, 198, 120)),  # whole blocks of 1 × 3 px
        ("center-crop", (128, 256), (64, 0, 128, 128)),
        ("letterbox", (128, 256), (0, -64, 256, 256)),
        ("letterbox", (64, 64), (0, 0, 64, 64)),
    ],
)
def test_what_the_model_sees_of_a_frame(
    mode: Mode, frame: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert covered(mode, frame, 64, 64) == expected


def test_the_region_is_the_connected_part_round_the_hottest_cell() -> None:
    heat = heat_of({(0, 0): 1.5, (2, 2): 3.0, (3, 3): 1.1, (3, 2): 0.9}, frame=(128, 192))
    assert region(heat) == (96, 64, 96, 64)


def test_no_region_below_the_limit_or_outside_the_frame() -> None:
    assert region(heat_of({(1, 1): 1.0}, frame=(100, 100))) is None
    padding = heat_of({(0, 1): 5.0}, mode="letterbox", frame=(64, 128))
    assert region(padding) is None


@pytest.mark.parametrize("mode", ["stretch", "center-crop", "letterbox"])
def test_the_heatmap_is_hot_where_its_cell_is(mode: Mode) -> None:
    heat = heat_of({(2, 1): 3.0}, mode=mode, frame=(128, 256))
    full = heat.full()
    assert full.shape == (128, 256)
    assert full.dtype == np.float32
    left, top, across, down = heat.area
    y, x = np.unravel_index(int(full.argmax()), full.shape)
    assert abs(y - (top + 2.5 * down / 4)) <= 1
    assert abs(x - (left + 1.5 * across / 4)) <= 1
    assert full.max() == pytest.approx(3.0, abs=0.1)


def test_outside_the_crop_is_cold() -> None:
    full = heat_of({}, mode="center-crop", frame=(64, 128)).full()
    assert not full[:, :32].any()
    assert not full[:, 96:].any()
    np.testing.assert_allclose(full[:, 32:96], 0.2)


def test_the_heatmap_is_bilinear() -> None:
    ramp = np.arange(4, dtype=np.float32)[None].repeat(4, 0)
    full = Heat(ramp, (0, 0, 40, 40), 40, 40).full()
    expected = np.clip((np.arange(40) + 0.5) / 10 - 0.5, 0, 3)
    np.testing.assert_allclose(full, expected[None].repeat(40, 0), atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_the_overlay_paints_the_hot_place_only(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 90, np.uint8)
    painted = overlay(image, heat_of({(3, 3): 4.0}, frame=(64, 64)))
    assert painted.shape == (64, 64, 3)
    assert (painted[:40, :40] == 90).all()
    assert not (painted[60, 60] == 90).all()
    assert (painted == 255).all(2).any()  # the limit's line


def test_a_result_without_heat_has_no_heatmap() -> None:
    assert Result(Verdict.ACCEPT).heatmap() is None
    heat = heat_of({(1, 1): 2.0}, frame=(40, 60))
    found = Result(Verdict.REVIEW, heat=heat).heatmap()
    assert found is not None
    assert found.shape == (40, 60)


def test_the_heat_travels_as_a_small_grid() -> None:
    heat = heat_of({(2, 1): 1.5, (0, 0): 9.0}, frame=(128, 192))
    grid = heat_grid(heat)
    assert (grid.width, grid.height, grid.area) == (4, 4, (0.0, 0.0, 192.0, 128.0))
    cells = np.frombuffer(grid.cells, np.uint8).reshape(4, 4)
    assert cells[2, 1] == 1.5 * HEAT_UNIT
    assert cells[0, 0] == 255
    fine = np.zeros((100, 33), np.float32)
    fine[57, 32] = 2.0
    coarse = heat_grid(Heat(fine, (0.0, 0.0, 33.0, 100.0), 100, 33))
    cells = np.frombuffer(coarse.cells, np.uint8).reshape(coarse.height, coarse.width)
    assert max(cells.shape) <= MOST_HEAT_SIDE
    assert np.argwhere(cells).tolist() == [[57 // 4, 16]]


def test_heat_scales_with_its_frame() -> None:
    heat = Heat(np.array([[0.0, 2.0]], np.float32), (10.0, 0.0, 40.0, 50.0), 50, 60)
    twice = heat.scaled(100, 180)
    assert twice.area == (30.0, 0.0, 120.0, 100.0)
    assert twice.full().shape == (100, 180)
    assert region(twice) == (90, 0, 60, 100)
