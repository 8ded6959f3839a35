"""The gate's checks on pictures whose fault is known."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.gate.alignment import SIDE, displacement, fit_alignment, misalignment, reduce
from edge_guard.gate.cells import fit_cells, occlusion
from edge_guard.gate.frozen import FrozenDetector, longest_run
from edge_guard.gate.limits import fit_limits, outside

NAMES = (
    "mean",
    "sd",
    "p1",
    "p99",
    "clipped_low",
    "clipped_high",
    "log_rg",
    "log_bg",
    "focus",
    "noise",
)
FOLDS = [(np.arange(50, 100), np.arange(50)), (np.arange(50), np.arange(50, 100))]


def _statistics(rng: np.random.Generator) -> np.ndarray:
    center = np.array([120, 40, 10, 230, 0.0, 0.0, 0.1, -0.1, 0.5, 2.0])
    return center + rng.normal(size=(100, len(NAMES))) * [1, 0.5, 1, 1, 0, 0, 0.01, 0.01, 0.05, 0.1]


@pytest.mark.parametrize(
    ("statistic", "value", "check", "words"),
    [
        ("mean", 150.0, "exposure", "too bright"),
        ("mean", 90.0, "exposure", "too dark"),
        ("sd", 0.3, "dead", "no contrast"),
        ("clipped_high", 0.4, "clipping", "burnt out"),
        ("focus", -1.0, "focus", "out of focus"),
        ("noise", 9.0, "noise", "noisier"),
        ("log_bg", -0.6, "color", "too little blue"),
    ],
)
def test_a_statistic_far_outside_is_named(
    statistic: str, value: float, check: str, words: str
) -> None:
    statistics = _statistics(np.random.default_rng(0))
    limits = fit_limits(statistics, NAMES, FOLDS)
    values = dict(zip(NAMES, statistics[0], strict=True))
    assert outside(limits, values, hard=True) == []
    found = outside(limits, values | {statistic: value}, hard=True)
    assert [c for c, _ in found] == [check]
    assert words in found[0][1].message
    assert found[0][1].value == value


def test_not_a_number_is_outside() -> None:
    statistics = _statistics(np.random.default_rng(1))
    limits = fit_limits(statistics, NAMES, FOLDS)
    values = dict(zip(NAMES, statistics[0], strict=True)) | {"focus": float("nan")}
    ((check, reason),) = outside(limits, values, hard=True)
    assert (check, reason.value) == ("focus", None)


def test_a_little_more_noise_is_no_fault() -> None:
    statistics = _statistics(np.random.default_rng(2))
    limits = fit_limits(statistics, NAMES, FOLDS)
    values = dict(zip(NAMES, statistics.min(0), strict=True))
    assert outside(limits, values, hard=False) == []


def test_blank_references_switch_the_dead_check_off() -> None:
    statistics = _statistics(np.random.default_rng(3))
    statistics[0, NAMES.index("sd")] = 0.0
    limits = fit_limits(statistics, NAMES, FOLDS)
    values = dict(zip(NAMES, statistics[1], strict=True)) | {"sd": 0.0}
    assert outside(limits, values, hard=True) == []


def test_limits_that_references_themselves_would_break_are_widened() -> None:
    statistics = _statistics(np.random.default_rng(4))
    column = NAMES.index("mean")
    statistics[50:, column] += 30.0  # a second shift with other light
    limit = next(
        limit for limit in fit_limits(statistics, NAMES, FOLDS) if limit.statistic == "mean"
    )
    assert limit.hard == (None, None)
    assert limit.usual[1] == pytest.approx(statistics[:, column].max())


def test_dirt_on_one_cell_is_found_with_its_place() -> None:
    rng = np.random.default_rng(5)
    scene = rng.uniform(40, 200, (8, 8))
    cells = scene + rng.normal(size=(100, 8, 8)) + rng.normal(size=(100, 1, 1)) * 5
    model, spec = fit_cells(cells, FOLDS) or pytest.fail("a fixed scene")
    assert occlusion(model, spec, scene + 20.0, (240, 320, 3), hard=True) is None
    dirty = scene.copy()
    dirty[2, 5] -= 60
    reason = occlusion(model, spec, dirty, (240, 320, 3), hard=True)
    assert reason is not None
    assert reason.box == (200, 60, 40, 30)


def test_a_moving_scene_has_no_cell_check() -> None:
    cells = np.random.default_rng(6).uniform(0, 255, (100, 8, 8))
    assert fit_cells(cells, FOLDS) is None


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, -5), (-7, 2)])
def test_displacement_is_measured(dx: int, dy: int) -> None:
    big = np.random.default_rng(7).normal(size=(SIDE + 20, SIDE + 20))
    big = sum(np.roll(big, s, a) for s in range(3) for a in (0, 1))
    reference = big[10 : 10 + SIDE, 10 : 10 + SIDE]
    moved = big[10 - dy : 10 - dy + SIDE, 10 - dx : 10 - dx + SIDE]
    found = displacement(moved, reference)
    assert found[0] == pytest.approx(dx, abs=0.6)
    assert found[1] == pytest.approx(dy, abs=0.6)


def test_a_shifted_camera_is_said_in_px_of_the_frame() -> None:
    rng = np.random.default_rng(8)
    scene = np.kron(rng.uniform(40, 210, (28, 36)), np.ones((10, 10)))
    frames = [
        np.clip(scene[20:260, 20:340] + rng.normal(size=(240, 320)) * 3, 0, 255).astype(np.uint8)
        for _ in range(30)
    ]
    mean, spec = fit_alignment(np.stack([reduce(f) for f in frames]), [(240, 320)] * 30) or (
        pytest.fail("references register")
    )
    assert misalignment(mean, spec, frames[0]) is None
    shifted = np.clip(scene[20:260, 8:328], 0, 255).astype(np.uint8)
    reason = misalignment(mean, spec, shifted)
    assert reason is not None
    assert "+12 px across" in reason.message or "+11 px across" in reason.message


def test_frozen_counts_runs_and_recovers() -> None:
    detector = FrozenDetector(after=3)
    found = [detector.update(h) for h in (1, 1, 1, 1, 2, 2, 2)]
    assert [f is not None for f in found] == [False, False, True, True, False, False, True]
    assert longest_run([4, 4, 5, 5, 5, 4]) == 3
    assert longest_run([]) == 0
