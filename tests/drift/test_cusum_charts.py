"""CUSUM charts against a plain oracle, and limits against simulated run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edge_guard.drift.cusum import Charts
from edge_guard.drift.runlength import (
    CLIP,
    REFERENCE_VALUES,
    limit_for,
    mean_run_length,
    normal_limit,
)
from edge_guard.drift.spec import ChannelSpec


def channel(**changes: float) -> ChannelSpec:
    fields = {"mean": 10.0, "sd": 2.0, "rho": 0.6, "dead_band": 0.3, "shewhart": 5.0}
    fields |= changes
    scale = fields["sd"] * np.sqrt(1 - fields["rho"] ** 2)
    return ChannelSpec(
        name="light", unit="", scales=(scale,) * 3, limits=(20.0, 15.0, 8.0), block=5, **fields
    )


def oracle(spec: ChannelSpec, values: np.ndarray) -> np.ndarray:
    """The formulas of the module, one number at a time; (frames, charts, 2)."""
    levels, found, before = np.zeros((3, 2)), [], None
    for x in values:
        d = x - spec.mean
        e = d * np.sqrt(1 - spec.rho**2) if before is None else d - spec.rho * before
        for i, k in enumerate(spec.references):
            for side, sign in enumerate((1, -1)):
                z = min(sign * e / spec.scales[i], CLIP)
                band = (1 - spec.rho) * spec.dead_band / spec.scales[i]
                levels[i, side] = max(0.0, levels[i, side] + z - k - band)
        before = d
        found.append(levels.copy())
    return np.array(found)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_levels_are_those_of_the_formulas(rho: float) -> None:
    spec = channel(rho=rho)
    values = np.random.default_rng(0).normal(11.0, 3.0, 200)
    charts, expected = Charts((spec,)), oracle(spec, values)
    for x, level in zip(values, expected, strict=True):
        charts.update(np.array([x]))
        np.testing.assert_allclose(charts.level, level, atol=1e-12)


def test_channels_do_not_touch_each_other() -> None:
    both = Charts((channel(), channel(mean=-3.0, rho=0.0)))
    alone = [Charts((channel(),)), Charts((channel(mean=-3.0, rho=0.0),))]
    for row in np.random.default_rng(1).normal([10.5, -3.0], 2.0, (100, 2)):
        both.update(row)
        for i, chart in enumerate(alone):
            chart.update(row[i : i + 1])
            np.testing.assert_array_equal(both.level[:, [i, i + 2]], chart.level)


def test_a_channel_without_a_value_rests() -> None:
    charts = Charts((channel(), channel()))
    for _ in range(5):
        charts.update(np.array([14.0, 14.0]))
    level = charts.level.copy()
    charts.update(np.array([14.0, np.nan]))
    assert (charts.level[:, 1] < level[:, 1]).all()
    assert (charts.level[:, 0] != level[:, 0]).any()
    assert np.isfinite(charts.level).all()


def test_two_neighbours_far_out_are_an_alarm_one_is_none() -> None:
    spec = channel(rho=0.0)
    charts = Charts((spec,))
    far = np.array([spec.mean + 6 * spec.sd])
    assert not charts.update(far)
    for _ in range(30):
        assert not charts.update(np.array([spec.mean]))
    assert not charts.update(far)
    assert charts.update(far)
    assert charts.leading() == (0, 2)


def test_a_jump_of_a_correlated_stream_shows_in_two_frames() -> None:
    spec = channel(rho=0.9)
    charts = Charts((spec,))
    assert not charts.update(np.array([spec.mean]))
    assert not charts.update(np.array([spec.mean + 3.5 * spec.sd]))
    assert charts.update(np.array([spec.mean + 3.5 * spec.sd]))


def test_the_onset_is_where_the_chart_last_stood_at_zero() -> None:
    charts = Charts((channel(rho=0.0),))
    for _ in range(40):
        charts.update(np.array([9.0]))
    steps = 0
    while not charts.update(np.array([13.0])):
        steps += 1
    assert charts.leading() == (0, steps + 1)
    charts.reset()
    assert not charts.level.any()


def test_a_state_goes_on_where_it_was() -> None:
    rng = np.random.default_rng(2)
    whole, first = Charts((channel(rho=0.0),)), Charts((channel(rho=0.0),))
    values = rng.normal(10.6, 2.0, 120)
    for x in values[:60]:
        first.update(np.array([x]))
    second = Charts((channel(rho=0.0),))
    second.restore(first.state())
    for x in values[:60]:
        whole.update(np.array([x]))
    for x in values[60:]:
        assert whole.update(np.array([x])) == second.update(np.array([x]))
        np.testing.assert_allclose(whole.level, second.level)
    with pytest.raises(ValueError, match="does not fit"):
        Charts((channel(), channel())).restore(first.state())


@pytest.mark.parametrize("k", REFERENCE_VALUES)
@pytest.mark.parametrize("wanted", [200.0, 2000.0])
def test_run_lengths_are_simulated_ones(k: float, wanted: float) -> None:
    """Siegmund's approximation is good to a few per cent for a one-sided chart."""
    limit = limit_for(wanted, k)
    rng = np.random.default_rng(int(wanted))
    runs, level, lengths = 600, np.zeros(600), np.zeros(600)
    alive = np.ones(runs, bool)
    for _ in range(int(12 * wanted)):
        level = np.maximum(level + rng.normal(size=runs) - k, 0.0)
        lengths += alive
        alive &= level <= limit
        if not alive.any():
            break
    error = 4 * wanted / np.sqrt(runs)
    assert abs(lengths.mean() - wanted) < error + 0.05 * wanted


def test_limits_grow_with_the_promise_and_shifts_shorten_runs() -> None:
    limits = [limit_for(n, 0.5) for n in (1e2, 1e4, 1e6, 1e8)]
    assert limits == sorted(limits)
    delays = [mean_run_length(limits[2], 0.5, shift) for shift in (0.0, 0.25, 0.5, 1.0, 4.0, 40.0)]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] == pytest.approx(1e6, rel=1e-3)
    assert delays[-1] == delays[-2]  # one frame counts for no more than the clip


@pytest.mark.parametrize("rate", [0.3, 1e-3, 1e-8, 1e-12])
def test_normal_limits(rate: float) -> None:
    assert normal_limit(rate) == pytest.approx(stats.norm.isf(rate), abs=1e-6)
