"""The test of a risen flag rate: its promise in simulation, its power, and its parts."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from edge_guard.collector.rollouts.rise import (
    MOST_FLAGGED,
    Before,
    counted,
    has_risen,
    log_evidence,
    upper_limit,
)

FRAMES = 60
LEVEL = 0.05


def windows(
    rng: np.random.Generator, rate: float, n: int, burst: float = 1.0
) -> list[tuple[int, int]]:
    """Windows of 60 frames; flags come alone, or in bursts of this mean length."""
    starts = rng.random(n * FRAMES) < rate / burst
    lengths = rng.geometric(1.0 / burst, starts.sum())
    flags = np.zeros(n * FRAMES + 200, bool)
    for at, length in zip(np.flatnonzero(starts), lengths, strict=True):
        flags[at : at + length] = True
    counts = flags[: n * FRAMES].reshape(n, FRAMES).sum(axis=1)
    return [(FRAMES, int(x)) for x in counts]


def stopped(before: Before, after: list[tuple[int, int]], level: float = LEVEL) -> int | None:
    """After how many frames the test stops when it looks after each window; None: never."""
    frames = flagged = 0
    for n, x in after:
        frames, flagged = frames + n, flagged + x
        if has_risen(before, frames, flagged, level):
            return frames
    return None


@pytest.mark.parametrize(("rate", "burst"), [(0.01, 1.0), (0.05, 1.0), (0.05, 5.0)])
def test_a_rate_that_has_not_risen_is_rarely_called_risen(rate: float, burst: float) -> None:
    runs, stops = 400, 0
    rng = np.random.default_rng(7)
    for _ in range(runs):
        before = counted(windows(rng, rate, 100, burst))
        stops += stopped(before, windows(rng, rate, 60, burst)) is not None
    # the promise is 5 %; more than 34 of 400 would come by it with probability 0.1 %
    assert stops <= 34, f"{stops} of {runs}"


def test_a_doubled_rate_is_found() -> None:
    rng = np.random.default_rng(11)
    delays = []
    for _ in range(60):
        before = counted(windows(rng, 0.02, 1440))
        delays.append(stopped(before, windows(rng, 0.04, 120)))
    found = [delay for delay in delays if delay is not None]
    assert len(found) >= 57
    assert np.median(found) < 1500, np.median(found)


def test_everything_flagged_is_found_at_once() -> None:
    before = Before(6000, 60)
    assert has_risen(before, 10, 10, 0.01 / 1000)
    assert not has_risen(before, 10, 0, 0.5)


def test_a_rise_that_is_meant_is_none() -> None:
    before = Before(10_000, 100)
    assert has_risen(before, 5000, 150, LEVEL)
    assert not has_risen(before, 5000, 150, LEVEL, rise=3.0)
    assert has_risen(before, 5000, 300, LEVEL, rise=3.0)


def test_without_a_past_most_frames_flagged_is_found() -> None:
    assert upper_limit(Before(), LEVEL) == MOST_FLAGGED
    assert has_risen(Before(), 40, 40, 0.01)
    assert not has_risen(Before(), 40, 20, 0.01)
    assert upper_limit(Before(100, 90), LEVEL) >= 0.9  # it was so before: nothing has risen
    assert not has_risen(Before(100, 90), 1000, 900, LEVEL)


def test_the_limit_is_that_of_clopper_and_pearson() -> None:
    # 0 of n: 1 - (α/2)^(1/n)
    assert upper_limit(Before(100, 0), LEVEL) == pytest.approx(1 - (LEVEL / 2) ** (1 / 100))


def test_the_evidence_is_the_mean_of_likelihood_ratios() -> None:
    before, n, x = Before(1000, 20), 50, 7
    limit = upper_limit(before, LEVEL)
    rates = [limit * rise for rise in (1.2, 1.5, 2, 3, 5, 10, 30) if limit * rise < 1]
    ratios = [(p / limit) ** x * ((1 - p) / (1 - limit)) ** (n - x) for p in rates]
    assert log_evidence(before, n, x, LEVEL) == pytest.approx(log(np.mean(ratios)))


def test_scatter_is_that_of_independent_frames_or_more() -> None:
    rng = np.random.default_rng(3)
    assert counted([]) == Before()
    assert counted([(0, 0), (60, 0)]) == Before(60, 0)
    assert 1.0 <= counted(windows(rng, 0.05, 500)).scatter < 1.3
    assert counted(windows(rng, 0.05, 500, burst=6.0)).scatter > 4.0
