"""What the drift monitors compute a frame, against float64 NumPy written apart from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edge_guard._kernels import (
    DRIFT_CHANNELS,
    DriftReader,
    add_to_history,
    normal_quantile,
    settle,
    step_charts,
    step_ranks,
)

CELLS, STATISTICS = 64, 49
PICKED = np.array([1, 6, 7, 2, 48], np.int32)
SIDES = (16, 17, 31, 39, 40, 41, 79, 80, 81, 97, 480)


def sampled(plane: np.ndarray) -> np.ndarray:
    """Rows and columns of the picture that are looked at: at most 40, evenly, in the middle."""
    picks = []
    for side in plane.shape:
        step, count = max(1, side // 40), min(40, side)
        first = (side - (count - 1) * step) // 2
        picks.append(first + step * np.arange(count))
    return plane[np.ix_(*picks)]


class Pose:
    """One scene, and the channels of a picture of it by plain NumPy."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        pixels = min(40, height) * min(40, width)
        self.center = rng.uniform(20, 230, CELLS)
        self.weights = rng.uniform(0.01, 1, CELLS)
        self.weights /= self.weights.sum()
        self.picture = rng.uniform(0, 255, pixels).astype(np.float32)
        self.registration = rng.normal(0, 1e-3, (4, pixels)).astype(np.float32)
        self.reader = DriftReader(
            self.center, self.weights, self.picture, self.registration, PICKED,
            np.arange(DRIFT_CHANNELS, dtype=np.int32),
        )  # fmt: skip

    def oracle(self, image: np.ndarray, statistics: np.ndarray, cells: np.ndarray) -> np.ndarray:
        d = cells[:CELLS].astype(np.float64) - self.center
        light = (self.weights * d).sum()
        texture = self.center - (self.weights * self.center).sum()
        gain = (self.weights * texture * d).sum() / (self.weights * texture**2).sum()
        local = (self.weights * (d - light - gain * texture) ** 2).sum()
        sd, focus, noise, red, blue = statistics[PICKED].astype(np.float64)
        plane = image if image.ndim == 2 else image[:, :, 1]
        off = sampled(plane).ravel().astype(np.float64) - self.picture
        moves = self.registration.astype(np.float64) @ off
        told = [light, 100 * np.log(max(sd, 0) + 0.5), 100 * focus]
        told += [100 * np.log(max(noise, 0) + 0.1), 100 * red, 100 * blue, np.log(local + 0.05)]
        return np.array([*told, *moves])


def scenery(height: int, width: int, colour: bool, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    statistics = rng.normal(0, 5, STATISTICS).astype(np.float32)
    return (
        rng.integers(0, 256, shape).astype(np.uint8),
        statistics,
        rng.uniform(0, 255, 2 * CELLS).astype(np.float32),
    )


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("height", SIDES)
def test_channels_are_those_of_the_formulas(height: int, colour: bool, level: str) -> None:
    width = SIDES[(SIDES.index(height) + 4) % len(SIDES)]
    pose = Pose(height, width, height)
    image, statistics, cells = scenery(height, width, colour, height)
    row = np.full(DRIFT_CHANNELS + 2 + STATISTICS + 2 * CELLS, np.nan)
    assert not pose.reader.read(image, statistics, cells, (1.5, -2.5), row)
    expected = pose.oracle(image, statistics, cells)
    np.testing.assert_allclose(row[:DRIFT_CHANNELS], expected, rtol=1e-6, atol=2e-4)
    assert row[DRIFT_CHANNELS : DRIFT_CHANNELS + 2].tolist() == [1.5, -2.5]
    rest = np.concatenate((statistics, cells)).astype(np.float64)
    np.testing.assert_array_equal(row[DRIFT_CHANNELS + 2 :], rest)
    assert pose.reader.read(image, statistics, cells, (1.5, -2.5), row)
    assert not pose.reader.read(image, statistics, cells, (1.5, -2.0), row)


def test_strides_do_not_matter() -> None:
    pose = Pose(60, 50, 0)
    image, statistics, cells = scenery(120, 100, True, 0)
    views = (image[::2, ::-2], np.ascontiguousarray(image[::2, ::-2]))
    rows = [np.zeros(DRIFT_CHANNELS + 2 * CELLS) for _ in views]
    for view, row in zip(views, rows, strict=True):
        pose.reader.read(view, statistics, cells, (), row)
    np.testing.assert_array_equal(*rows)


def test_a_picture_of_another_size_or_none_has_no_moves() -> None:
    pose = Pose(60, 50, 0)
    image, statistics, cells = scenery(30, 50, False, 0)
    row = np.zeros(DRIFT_CHANNELS + 2 * CELLS)
    for shown in (image, None):
        pose.reader.read(shown, statistics, cells, (), row)
        assert np.isnan(row[7:11]).all() and np.isfinite(row[:7]).all()


def test_a_statistic_that_is_not_a_number_stays_in_its_channel() -> None:
    pose = Pose(60, 50, 0)
    image, statistics, cells = scenery(60, 50, False, 0)
    statistics[PICKED[0]] = np.nan
    row = np.zeros(DRIFT_CHANNELS + 2 * CELLS)
    pose.reader.read(image, statistics, cells, (), row)
    assert np.isnan(row[1]) and np.isfinite(np.delete(row[:DRIFT_CHANNELS], 1)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", np.ones(3)),
        ("registration", np.zeros((4, 7), np.float32)),
        ("picked", np.array([0, 1, 2, 3, -1], np.int32)),
        ("order", np.array([11], np.int32)),
        ("center", np.zeros(0)),
    ],
)
def test_a_scene_that_does_not_fit_is_refused_by_name(name: str, value: np.ndarray) -> None:
    fit = {
        "center": np.ones(4), "weights": np.ones(4) / 4, "picture": np.zeros(0, np.float32),
        "registration": np.zeros((0, 0), np.float32), "picked": PICKED,
        "order": np.arange(7, dtype=np.int32),
    }  # fmt: skip
    DriftReader(**fit)
    with pytest.raises(ValueError, match=name if name != "center" else "weights"):
        DriftReader(**fit | {name: value})


def test_rows_and_statistics_that_do_not_fit_are_refused_by_name() -> None:
    pose = Pose(60, 50, 0)
    image, statistics, cells = scenery(60, 50, False, 0)
    row = np.zeros(DRIFT_CHANNELS + 2 * CELLS)
    with pytest.raises(ValueError, match="statistics: expected at least 49"):
        pose.reader.read(image, statistics[:48], cells, (), row)
    with pytest.raises(ValueError, match="row"):
        pose.reader.read(image, statistics, cells, (), row[:-1])
    with pytest.raises(ValueError, match="cells"):
        pose.reader.read(image, statistics, cells[:-1], (), row)
    with pytest.raises(ValueError, match="before: expected a writeable"):
        frozen = np.zeros(2)
        frozen.flags.writeable = False
        step_charts(
            np.zeros(2), 1, 4.0, np.zeros((3, 2)), np.zeros((11, 4)), frozen, np.zeros((8, 4))
        )


@pytest.mark.parametrize("p", [1e-12, 1e-6, 0.01, 0.3, 0.5, 0.5 + 1e-9, 0.77, 0.999, 1 - 1e-12])
def test_quantiles_are_those_of_scipy(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), abs=1e-12, rel=1e-9)


def ranked(x: np.ndarray, tables: dict[str, np.ndarray], state: dict[str, np.ndarray]) -> None:
    """One frame by the formulas, channel after channel, with SciPy's normal distribution."""
    for c, value in enumerate(x):
        if not np.isfinite(value):
            state["sums"][:, c] = 0
            continue
        state["sums"][:, c] += value, 1
        total, frames = state["sums"][:, c]
        if frames < tables["block"][c]:
            continue
        state["sums"][:, c] = 0
        weights, new = state["weights"][c], tables["anew"][c]
        j = int(np.searchsorted(tables["edge"][c], total / frames, side="right"))
        p = weights[:j].sum() + tables["uniform"][c] * (weights[j] + new)
        z = stats.norm.ppf(np.clip(p / (weights.sum() + new), 1e-12, 1 - 1e-12))
        weights[j] += 1
        bets = tables["bets"]
        state["wealth"][c] = (state["wealth"][c] + 1) * np.exp(bets * z - bets**2 / 2)


def test_ranks_and_bets_are_those_of_the_formulas(level: str) -> None:
    rng, k, e = np.random.default_rng(3), 5, 9
    tables = {
        "block": np.array([1.0, 2, 3, 5, 7]),
        "edge": np.sort(rng.normal(size=(k, e)), axis=1),
        "anew": np.array([0.0, 1, 0, 1, 0]),
        "bets": np.array([-1.0, -0.25, 0.25, 1.0]),
        "uniform": np.zeros(k),
    }
    tables["edge"][0, 6:] = np.inf
    weights = rng.integers(1, 5, (k, e + 1)) * (1 - tables["anew"])[:, None]
    ours, theirs = (
        {"sums": np.zeros((2, k)), "weights": weights.copy(), "wealth": np.zeros((k, 4))}
        for _ in range(2)
    )
    for frame in range(60):
        x = rng.normal(size=k)
        x[frame % k] = np.nan if frame % 7 == 0 else tables["edge"][frame % k, 2]
        tables["uniform"] = rng.random(k)
        full = step_ranks(x, **tables, **ours)
        ranked(x, tables, theirs)
        assert full == bool((np.isfinite(x) & (theirs["sums"][1] == 0)).any())
        for name, expected in theirs.items():
            np.testing.assert_allclose(ours[name], expected, rtol=1e-9, atol=1e-12)


def test_what_is_not_finite_counts_as_usual_in_totals() -> None:
    total, fine, coarse = np.zeros(3), np.zeros((64, 3)), np.zeros((64, 3))
    usual = np.array([7.0, 8.0, 9.0])
    for frame, values in enumerate(([1.0, np.nan, 3.0], [np.inf, 2.0, 3.0])):
        add_to_history(frame, np.array(values), usual, total, fine, coarse)
    assert total.tolist() == [8.0, 10.0, 6.0] and fine[1].tolist() == [1.0, 8.0, 3.0]


def test_steps_of_neighbours_are_summed() -> None:
    rng = np.random.default_rng(0)
    x, mean, sd = rng.normal(size=(20, 2)), np.array([0.5, -1.0]), np.array([2.0, 0.5])
    before, sums = np.full(2, np.nan), np.zeros((4, 2))
    for frame, row in enumerate(x):
        if frame == 10:
            before[:] = np.nan
        settle(row, mean, sd, before, sums)
    d = (x - mean) / sd
    steps = np.delete(np.diff(d, axis=0), 9, axis=0)
    expected = [d.sum(0), (d**2).sum(0), (steps**2).sum(0), np.full(2, 18.0)]
    np.testing.assert_allclose(sums, expected, atol=1e-12)
