"""The simulated line is reproducible, and each event changes what its name says."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from line_simulator import defects, foreign, recording, shift
from line_simulator.part import HOLES, SCALE, at, bracket
from line_simulator.station import NORMAL, Conditions, Pose, Station, dead_image

ROOT = Path(__file__).resolve().parents[2]
Image = npt.NDArray[np.uint8]


@cache
def station() -> Station:
    return Station()


def good_part(seed: int, conditions: Conditions = NORMAL) -> Image:
    return shift.part_image(station(), "ok", np.random.default_rng(seed), conditions)


def mean_level(conditions: Conditions = NORMAL) -> float:
    return float(np.mean([good_part(seed, conditions).mean() for seed in range(5)]))


def sharpness(image: Image) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F).std())


def test_same_seed_gives_the_same_frame_on_a_new_station() -> None:
    for label in defects.LABELS:
        frames = [shift.part_image(Station(), label, np.random.default_rng(3)) for _ in range(2)]
        assert frames[0].shape == (240, 320, 3)
        assert np.array_equal(*frames)


def test_parts_vary_but_the_scene_is_steady() -> None:
    means = np.array([good_part(seed).mean() for seed in range(12)])
    assert len(set(means.tolist())) == 12
    assert means.std() < 1.5


def test_changed_bulb_lifts_the_level_by_about_twelve_and_is_warmer() -> None:
    bulb = shift.CONDITIONS["light_bulb"]
    assert 9 < mean_level(bulb) - mean_level() < 15
    before, after = good_part(1).mean((0, 1)), good_part(1, bulb).mean((0, 1))
    assert after[2] / after[0] > 1.02 * before[2] / before[0]


def test_defocus_takes_the_edges_away() -> None:
    assert sharpness(good_part(1, shift.CONDITIONS["defocus"])) < 0.6 * sharpness(good_part(1))


def test_dirt_darkens_the_same_places_of_every_frame() -> None:
    dirt = shift.CONDITIONS["dirty_lens"]
    assert dirt.dirt is not None
    covered = dirt.dirt < 0.7
    assert 0.01 < covered.mean() < 0.3
    for seed in range(3):
        clean, dirty = good_part(seed), good_part(seed, dirt)
        assert dirty[covered].mean() < 0.85 * clean[covered].mean()


def test_shifted_camera_moves_the_picture_by_what_it_says() -> None:
    moved = Conditions(shift=Pose(12, -5, 0))
    grays = [
        # blurred: both have the same noise, which does not move with the camera
        np.float64(cv2.GaussianBlur(cv2.cvtColor(good_part(1, c), cv2.COLOR_BGR2GRAY), (0, 0), 3))
        for c in (NORMAL, moved)
    ]
    (x, y), _ = cv2.phaseCorrelate(*grays, cv2.createHanningWindow((320, 240), cv2.CV_64F))
    assert (x, y) == pytest.approx((12, -5), abs=1.5)
    assert shift.CONDITIONS["shifted_camera"].shift.angle == 2


@pytest.mark.parametrize("kind", foreign.KINDS)
def test_foreign_object_covers_part_of_the_picture(kind: str) -> None:
    maps = foreign.make(kind, np.random.default_rng(0))
    assert 0.02 < maps.mask.mean() < 0.3
    assert maps.height[maps.mask == 0].max() == 0
    assert maps.colour[maps.mask > 0].mean() > 0.05


def test_dead_camera_gives_less_than_one_level_of_noise() -> None:
    image = dead_image(np.random.default_rng(0))
    assert image.mean() < 10
    assert 0 < image.std() < 1


def test_missing_hole_is_one_of_four() -> None:
    depths = []
    for missing in (None, 2):
        maps = bracket(np.random.default_rng(1), missing=missing)
        depths.append([float(maps.height[at(*hole)[::-1]]) for hole in HOLES])
    assert depths[0] == [0, 0, 0, 0]
    assert [depth > 0 for depth in depths[1]] == [False, False, True, False]


def test_scratch_and_stain_stay_on_the_metal() -> None:
    for label in ("scratch", "stain"):
        for seed in range(5):
            maps = defects.make(label, np.random.default_rng(seed))
            x, y = at(-22, 2)
            bore = maps.colour[y - 12 * SCALE : y + 12 * SCALE, x - 2 : x + 2]
            assert bore.max() < 0.05


def test_script_keeps_normal_production_between_events() -> None:
    events = shift.EVENTS
    assert events[0].first_frame >= 50
    for event, later in pairwise(events):
        assert 20 <= event.last_frame - event.first_frame + 1 <= 40
        assert later.first_frame - event.last_frame > 30
    assert events[-1].last_frame < shift.FRAMES


def test_chain_returns_every_frame_and_keeps_a_frozen_picture_frozen() -> None:
    images = [good_part(1), good_part(2), good_part(2), good_part(3)]
    back = list(recording.recorded(images))
    assert len(back) == 4
    assert np.array_equal(back[1], back[2])
    assert not np.array_equal(back[2], back[3])
    assert min(cv2.PSNR(a, b) for a, b in zip(images, back, strict=True)) > 36


def test_command_writes_one_folder_a_label(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "line_simulator"), "parts", str(tmp_path)]
    subprocess.run([*command, "--good", "3", "--defective", "1"], check=True, timeout=60)
    found = {folder.name: len(list(folder.glob("*.png"))) for folder in tmp_path.iterdir()}
    assert found == {"ok": 3, "scratch": 1, "missing_hole": 1, "stain": 1}


def test_shipped_script_is_the_simulators() -> None:
    shipped = json.loads((ROOT / "models" / "events.json").read_text())
    assert shipped == json.loads(json.dumps(shift.script()))
