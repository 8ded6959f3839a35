"""The gate's checks on pictures whose fault is known."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard import _kernels
from edge_guard.gate.alignment import SIDE, Register, fit_alignment, misalignment, reduce
from edge_guard.gate.causes import fit_causes
from edge_guard.gate.cells import CellModel, fit_cells, occlusion
from edge_guard.gate.clock import ClockDetector
from edge_guard.gate.description import SHARE_FLOOR
from edge_guard.gate.frozen import FlickerDetector, FrozenDetector, fit_repeats, longest_run
from edge_guard.gate.gate import Meter, named
from edge_guard.gate.limits import LimitTable, fit_limits
from edge_guard.gate.spec import AlignmentSpec, RepeatSpec, Way

NAMES = (
    "mean",
    "sd",
    "p1",
    "p99",
    "clipped_low",
    "clipped_high",
    "log_rg",
    "log_bg",
    "darkest",
    "brightest",
    "focus",
    "gradient_1x",
    "stuck_rows",
    "stuck_columns",
    "row_banding",
    "column_banding",
    "noise",
)
FOLDS = [(np.arange(50, 100), np.arange(50)), (np.arange(50), np.arange(50, 100))]


def _statistics(rng: np.random.Generator) -> np.ndarray:
    center = [120, 40, 10, 230, 0, 0, 0.1, -0.1, 4, 250, 0.5, 5, 0, 0, 2, 2, 2]
    spread = [1, 0.5, 1, 1, 0, 0, 0.01, 0.01, 1, 1, 0.05, 0.1, 0, 0, 0.1, 0.1, 0.1]
    rows = np.array(center) + rng.normal(size=(100, len(NAMES))) * spread
    return rows.astype(np.float32)


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
        ("darkest", 44.0, "exposure", "nothing in the picture is dark"),
        ("gradient_1x", 2.0, "focus", "out of focus"),
        ("stuck_rows", 0.6, "stuck", "rows"),
        ("column_banding", 20.0, "banding", "stripes down"),
    ],
)
def test_a_statistic_far_outside_is_named(
    statistic: str, value: float, check: str, words: str
) -> None:
    statistics = _statistics(np.random.default_rng(0))
    limits = fit_limits(statistics, NAMES, FOLDS, fixed=True)
    values = statistics[0].copy()
    table = LimitTable(limits, NAMES, hard=True)
    assert table.outside(values) == []
    values[NAMES.index(statistic)] = value
    found = table.outside(values)
    assert [c for c, _ in found] == [check]
    assert words in found[0][1].message
    assert found[0][1].value == pytest.approx(value)


def test_not_a_number_is_outside() -> None:
    statistics = _statistics(np.random.default_rng(1))
    limits = fit_limits(statistics, NAMES, FOLDS, fixed=True)
    values = statistics[0].copy()
    values[NAMES.index("focus")] = np.nan
    ((check, reason),) = LimitTable(limits, NAMES, hard=True).outside(values)
    assert (check, reason.value) == ("focus", None)


def test_a_little_more_noise_is_no_fault() -> None:
    statistics = _statistics(np.random.default_rng(2))
    limits = fit_limits(statistics, NAMES, FOLDS, fixed=True)
    assert LimitTable(limits, NAMES, hard=False).outside(statistics.min(0)) == []


def test_a_few_pictures_of_a_free_scene_refuse_only_the_dead() -> None:
    statistics = _statistics(np.random.default_rng(2))
    limits = fit_limits(statistics, NAMES, FOLDS, fixed=False)
    values = statistics[0].copy()
    values[NAMES.index("mean")] = 250.0
    assert LimitTable(limits, NAMES, hard=True).outside(values) == []
    assert [c for c, _ in LimitTable(limits, NAMES, hard=False).outside(values)] == ["exposure"]
    values[NAMES.index("sd")] = 0.2
    assert [c for c, _ in LimitTable(limits, NAMES, hard=True).outside(values)] == ["dead"]


def test_blank_references_switch_the_dead_check_off() -> None:
    statistics = _statistics(np.random.default_rng(3))
    statistics[0, NAMES.index("sd")] = 0.0
    limits = fit_limits(statistics, NAMES, FOLDS, fixed=True)
    values = statistics[1].copy()
    values[NAMES.index("sd")] = 0.0
    assert LimitTable(limits, NAMES, hard=True).outside(values) == []


def test_limits_that_references_themselves_would_break_are_widened() -> None:
    statistics = _statistics(np.random.default_rng(4))
    column = NAMES.index("mean")
    statistics[50:, column] += 30.0  # a second shift with other light
    limit = next(
        limit
        for limit in fit_limits(statistics, NAMES, FOLDS, fixed=True)
        if limit.statistic == "mean"
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
    found = Register(reference, 1.0).displacement(moved)
    assert found[0] == pytest.approx(dx, abs=0.6)
    assert found[1] == pytest.approx(dy, abs=0.6)


def _scene(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.uniform(40, 210, (20, 25)), np.ones((20, 20)))


def _registered(scene: np.ndarray, rng: np.random.Generator) -> tuple[Register, AlignmentSpec]:
    frames = [
        np.clip(scene[80:320, 80:400] + rng.normal(size=(240, 320)) * 3, 0, 255).astype(np.uint8)
        for _ in range(30)
    ]
    mean, spec = fit_alignment(np.stack([reduce(f) for f in frames]), [(240, 320)] * 30) or (
        pytest.fail("references register")
    )
    register = Register(mean, 320 / 240)
    assert misalignment(register, spec, frames[0]) is None
    return register, spec


def test_a_shifted_camera_is_said_in_px_of_the_frame() -> None:
    rng = np.random.default_rng(8)
    scene = _scene(rng)
    register, spec = _registered(scene, rng)
    shifted = np.clip(scene[80:320, 68:388], 0, 255).astype(np.uint8)
    reason = misalignment(register, spec, shifted)
    assert reason is not None
    assert "+12 px across" in reason.message or "+11 px across" in reason.message


@pytest.mark.parametrize("angle", [-5, 4, 9])
def test_a_turned_camera_is_said_in_degrees_clockwise(angle: int) -> None:
    rng = np.random.default_rng(8)
    scene = _scene(rng)
    register, spec = _registered(scene, rng)
    turn = np.deg2rad(angle)
    rows, columns = np.indices((240, 320))
    y, x = rows - 119.5, columns - 159.5
    source_y = np.cos(turn) * y - np.sin(turn) * x + 199.5
    source_x = np.sin(turn) * y + np.cos(turn) * x + 239.5
    turned = scene[np.rint(source_y).astype(int), np.rint(source_x).astype(int)].astype(np.uint8)
    reason = misalignment(register, spec, turned)
    assert reason is not None
    assert reason.value == pytest.approx(angle, abs=1.0)
    assert "turned" in reason.message


def test_frozen_counts_runs_and_recovers() -> None:
    detector = FrozenDetector(RepeatSpec(frozen_after=3, least_change=0.0, flicker=None))
    cells = np.zeros((8, 8), np.float32)
    found = [detector.update(h, cells) for h in (1, 1, 1, 1, 2, 2, 2)]
    assert [f is not None for f in found] == [False, False, True, True, False, False, True]
    assert longest_run([4, 4, 5, 5, 5, 4]) == 3
    assert longest_run([]) == 0


def _live(rng: np.random.Generator, frames: int) -> np.ndarray:
    scene = rng.uniform(40, 200, (8, 8))
    frames_seen = scene + rng.normal(size=(frames, 8, 8)) * 0.1  # noise 2 over 400 pixels a cell
    return frames_seen.astype(np.float32)


def _repeats(rng: np.random.Generator) -> RepeatSpec:
    cells = _live(rng, 60)
    return fit_repeats(list(range(60)), cells, np.full(60, 2.0), 160 * 160, np.zeros(60))


def test_a_frozen_picture_with_a_running_clock_is_found() -> None:
    rng = np.random.default_rng(9)
    detector = FrozenDetector(_repeats(rng))
    live = _live(rng, 40)
    assert not any(detector.update(i, cells) for i, cells in enumerate(live))
    frozen = live[-1].copy()
    found = []
    for i in range(100, 110):
        frozen[7, 6:] = rng.uniform(0, 255, 2)  # the clock
        found.append(detector.update(i, frozen))
    first = next(i for i, reason in enumerate(found) if reason is not None)
    assert first <= 5
    assert found[first].message.startswith("the picture is frozen: nearly")
    assert detector.update(200, live[0]) is None


def test_lights_that_flicker_are_found_and_a_step_is_not() -> None:
    detector = FlickerDetector(_repeats(np.random.default_rng(10)).flicker)
    steady = [detector.update(light) for light in [0.0] * 10 + [15.0] * 20]
    assert not any(steady)
    found = [detector.update(15.0 + 6.0 * (i % 2)) for i in range(20)]
    assert any(found)
    assert "flickers" in next(reason for reason in found if reason).message


def test_capture_times_must_go_forward() -> None:
    clock = ClockDetector()
    ms = 1_000_000
    assert [clock.update(t * ms) for t in (5, 7, 0, 9)] == [None] * 4
    assert "stands still" in clock.update(9 * ms).message
    assert "4 ms before" in clock.update(5 * ms).message
    assert clock.update(10 * ms) is None


def test_the_levels_of_a_picture_are_shares_of_its_pixels() -> None:
    picture = np.full((64, 64), 8, np.uint8)
    picture[:16] = 200
    seen = named(Meter().measure(picture).statistics)
    shares = np.exp([seen[f"level_{b}"] for b in range(16)]) - SHARE_FLOOR
    assert shares[0] == pytest.approx(0.75, abs=1e-5)
    assert shares[12] == pytest.approx(0.25, abs=1e-5)
    assert shares.sum() == pytest.approx(1.0, abs=1e-4)
    assert (seen["darkest"], seen["brightest"]) == (8.0, 200.0)


def test_single_odd_pixels_are_neither_the_darkest_nor_the_brightest() -> None:
    picture = np.full((200, 200), 77, np.uint8)
    picture[100, 100:105], picture[50, 50:55] = 3, 250
    seen = named(Meter().measure(picture).statistics)
    assert (seen["darkest"], seen["brightest"]) == (77.0, 77.0)


def test_the_quick_light_is_that_of_the_model() -> None:
    rng = np.random.default_rng(5)
    model = CellModel(rng.normal(120, 30, (8, 8)), rng.uniform(0, 5, (8, 8)))
    for _ in range(50):
        means = rng.normal(120, 30, (8, 8)).astype(np.float32)
        expected = (float(model.shift(means)), float(model.residuals(means).max()))
        assert model.light(means) == pytest.approx(expected, rel=1e-12)


def test_the_likeliest_way_is_that_of_its_neighbours_and_good_pictures_are_untouched() -> None:
    rng = np.random.default_rng(11)
    references = rng.normal(size=(200, 5))
    dark, soft = Way("dark", "exposure", "too dark"), Way("soft", "focus", "out of focus")
    moves = {dark: [-30, 0, 0, 0, 0], soft: [0, 0, 40, -20, 0]}
    made = np.concatenate([rng.normal(size=(30, 5)) + moves[way] for way in moves])
    ways = (dark,) * 30 + (soft,) * 30
    model, spec = fit_causes(references, made, ways, np.zeros(16)) or pytest.fail("enough")
    for way, move in moves.items():
        assert model.likeliest(spec, rng.normal(size=5) + move) == way
    assert model.likeliest(spec, np.full(5, 1e4)).cause == "other"  # like nothing that is known
    untouched = [model.likeliest(spec, x) for x in rng.normal(size=(50, 5))]
    assert {way.cause for way in untouched} == {"other"}
    assert fit_causes(references, made[:3], ways[:3], np.zeros(16)) is None


def test_limits_say_which_columns_they_cannot_read() -> None:
    values, bounds = np.zeros(3, np.float32), np.zeros(1)
    assert _kernels.within(values, np.array([2], np.int32), bounds, bounds)
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match="columns: expected indices"):
            _kernels.within(values, np.array([wrong], np.int32), bounds, bounds)
