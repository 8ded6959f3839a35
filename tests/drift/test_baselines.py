"""Baselines from references: what is measured, and on which side its errors lie."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from edge_guard.calibration.drift_baseline import fit_channels
from edge_guard.calibration.drift_likeness import Series
from edge_guard.drift.channels import FLOORS
from edge_guard.drift.history import History
from edge_guard.drift.runlength import CLIP

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from drift_quality.simulated import World, ramp_levels, run_lengths, step_delays


def ar(n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=n) * np.sqrt(1 - rho**2)
    noise[0] = rng.normal()
    return lfilter([1.0], [1.0, -rho], noise)


def fit(x: np.ndarray, groups: np.ndarray | None = None):
    series = Series("light", x, np.zeros(len(x)) if groups is None else groups)
    channels, lengths = fit_channels([series], 1e6)
    return channels[0], float(lengths[0])


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_correlation_is_measured_on_the_careful_side(rho: float) -> None:
    fitted = [fit(ar(1000, rho, np.random.default_rng(seed))) for seed in range(60)]
    rhos = np.array([channel.rho for channel, _ in fitted])
    assert (rhos >= rho).mean() > 0.65  # a one-sided limit at 80 %
    assert np.abs(rhos - rho).max() < 0.12
    sds = np.array([channel.sd for channel, _ in fitted])
    assert (sds >= 1.0).mean() > 0.65
    lengths = np.array([length for _, length in fitted])
    assert np.median(lengths) == pytest.approx((1 + rho) / (1 - rho), rel=0.5)


def test_independent_references_are_taken_as_such() -> None:
    fitted = [fit(np.random.default_rng(seed).normal(size=300))[0] for seed in range(40)]
    assert np.median([channel.rho for channel in fitted]) < 0.05
    assert np.median([channel.block for channel in fitted]) <= 6


def test_folders_side_by_side_are_no_correlation() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 200), rng.normal(8, 1, 200)])
    channel, length = fit(x, np.repeat([0, 1], 200))
    assert channel.rho < 0.2 and length < 2.0


def test_a_heavy_tail_widens_the_scale_until_the_bound_holds() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_t(2, size=500)
    channel, _ = fit(x)
    d = x - x.mean()
    e = d[1:] - channel.rho * d[:-1]
    for k, scale in zip(channel.references, channel.scales, strict=True):
        for side in (1, -1):
            z = np.clip(side * e / scale, -CLIP, CLIP)
            assert np.exp(2 * k * z - 2 * k * k).mean() <= 1.0 + 1e-9
    assert channel.scales[-1] > 1.5 * fit(rng.normal(size=500) * e.std())[0].scales[-1] * 0.5


def test_constant_references_have_a_floor() -> None:
    channel, _ = fit(np.full(100, 7.0))
    assert channel.sd == FLOORS["light"]
    assert all(scale > 0 for scale in channel.scales)


@pytest.mark.parametrize(("rho", "references"), [(0.0, 300), (0.9, 1000)])
def test_the_mean_time_between_false_alarms_is_kept(rho: float, references: int) -> None:
    lengths = run_lengths(World(rho, references), 300.0, runs=25, seed=1)
    assert np.mean(lengths) >= 300.0


def test_the_light_bulb_and_the_ramp_are_seen_in_time() -> None:
    delays = step_delays(World(0.0, 300, 0.5), 2.0, 1e6, runs=15, seed=0)
    assert np.median(delays) <= 5
    delays = step_delays(World(0.0, 300, 1.0), 2.0, 1e6, runs=15, seed=0)
    assert np.median(delays) <= 12
    assert max(ramp_levels(World(0.0, 300, 0.5), 0.01, 1e6, runs=5, seed=0)) < 4.0


def test_means_over_the_latest_frames() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 3))
    history = History(np.zeros(3))
    for row in rows[:10]:
        history.add(row)
    assert history.mean(100)[1] == 10
    for row in rows[10:]:
        history.add(row)
    for wanted in (1, 2, 63, 64, 65, 200, 1000, 4000, 10**6):
        mean, frames = history.mean(wanted)
        assert frames <= max(wanted, 1) and frames >= min(wanted - 63, 4032 - 63)
        assert wanted > 64 or frames == wanted
        np.testing.assert_allclose(mean, rows[-frames:].mean(0), atol=1e-9)
    other = History(np.zeros(3))
    other.restore(history.state())
    np.testing.assert_array_equal(other.mean(500)[0], history.mean(500)[0])
