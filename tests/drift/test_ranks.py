"""The e-detector: exact ranks, and the bound on false alarms for any distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edge_guard.calibration.drift_baseline import Series, fit_channels, fit_ranks, padded
from edge_guard.drift.edetector import EDetector
from edge_guard.drift.spec import DriftSpec

DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy": lambda rng, n: rng.standard_t(2, size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) ** 2,
}


def detector(values: np.ndarray, promised: float, *, given: bool, seed: int = 0) -> EDetector:
    series = Series("light", values, np.zeros(len(values)))
    channels, _ = fit_channels([series], promised)
    ranks = fit_ranks(channels[0], series, consecutive=given)
    spec = DriftSpec(promised, channels, len(values), given)
    return EDetector(spec, *padded([ranks]), seed=seed)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", DRAWS)
def test_false_alarms_keep_the_bound_for_any_distribution(kind: str, given: bool) -> None:
    """P(alarm within T) ≤ T · pace / A: here a quarter, in 120 cameras fitted anew."""
    runs, horizon, share = 120, 400, 0.25
    alarms = 0
    for run in range(runs):
        rng = np.random.default_rng(run)
        watcher = detector(DRAWS[kind](rng, 400), 1.0, given=given, seed=run)
        watcher.limit = horizon / watcher._blocks[0] / share
        alarms += any(watcher.update(np.array([x])) for x in DRAWS[kind](rng, horizon))
    assert alarms <= stats.binom.isf(1e-4, runs, share)


def test_ranks_are_uniform_from_the_first_block_on() -> None:
    """The weights of bins are Dirichlet: without them the first ranks would not be uniform."""
    wealth = []
    for run in range(400):
        rng = np.random.default_rng(run)
        watcher = detector(rng.exponential(size=200), 1e9, given=True, seed=run)
        block = int(watcher._blocks[0])
        for x in rng.exponential(size=block):
            watcher.update(np.array([x]))
        wealth.append(watcher.wealth[0])
    bets = np.array(wealth)
    small = bets[:, [0, 1, 5, 6]]  # λ = ±.25, ±.5: their variance is small enough to see the mean
    assert np.abs(small.mean(0) - 1.0).max() < 4 * small.std() / np.sqrt(len(small))


def test_a_step_is_noticed_and_betting_can_begin_anew() -> None:
    rng = np.random.default_rng(3)
    watcher = detector(rng.normal(size=1000), 1e6, given=True)
    assert not any(watcher.update(np.array([x])) for x in rng.normal(size=500))
    blocks = next(
        n for n, x in enumerate(rng.normal(2.0, 1.0, 1000), 1) if watcher.update(np.array([x]))
    )
    assert blocks / watcher._blocks[0] < 20
    assert watcher.leading() == 0
    watcher.reset()
    assert watcher.total == 0.0


def test_a_missing_value_begins_the_block_anew() -> None:
    watcher = detector(np.random.default_rng(4).normal(size=200), 1e6, given=True)
    block = int(watcher._blocks[0])
    for _ in range(block - 1):
        watcher.update(np.array([0.0]))
    watcher.update(np.array([np.nan]))
    assert watcher.total == 0.0
    for _ in range(block):
        watcher.update(np.array([0.0]))
    assert watcher.total > 0.0


def test_longer_blocks_begin_a_new_history() -> None:
    watcher = detector(np.random.default_rng(5).normal(size=400), 1e6, given=True)
    assert watcher._weights.sum() > 0
    watcher.lengthen(np.array([40.0]))
    assert watcher._weights.sum() == 0 and watcher._blocks[0] == 40


def test_a_state_goes_on_where_it_was() -> None:
    rng = np.random.default_rng(6)
    references = rng.normal(size=300)
    first, second = (detector(references, 1e6, given=True) for _ in range(2))
    for x in rng.normal(size=100):
        first.update(np.array([x]))
    second.restore(first.state())
    np.testing.assert_array_equal(first.wealth, second.wealth)
    np.testing.assert_array_equal(first._weights, second._weights)
    broken = first.state() | {"wealth": np.full_like(first.wealth, np.nan)}
    with pytest.raises(ValueError, match="wealth does not fit"):
        second.restore(broken)
