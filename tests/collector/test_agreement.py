"""Agreement of two people against independent computations; what a look is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import Reporter
from scipy import stats

from edge_guard.collector.review.agreement import agreement
from edge_guard.collector.review.worth import LONGEST_MS, crowd, doubt, head_start_ms
from edge_guard.publish.messages import Event, decode
from edge_guard.types import Reason

ANSWERS = ("right", "wrong", "unsure")


def pairs_of(table: np.ndarray) -> list[tuple[str, str]]:
    return [
        (ANSWERS[i], ANSWERS[j])
        for i in range(len(table))
        for j in range(len(table))
        for _ in range(int(table[i, j]))
    ]


def kappa_of(shares: np.ndarray) -> float:
    """Cohen (1960), written as 1 − observed over expected disagreement."""
    k = len(shares)
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    off = ~np.eye(k, dtype=bool)
    return float(1.0 - shares[off].sum() / expected[off].sum())


def spread_of(table: np.ndarray) -> float:
    """Standard error by the delta method, with derivatives taken numerically."""
    n, p, step = table.sum(), table / table.sum(), 1e-6
    gradient = np.empty_like(p)
    for at in np.ndindex(p.shape):
        up, down = p.copy(), p.copy()
        up[at] += step
        down[at] -= step
        gradient[at] = (kappa_of(up / up.sum()) - kappa_of(down / down.sum())) / (2 * step)
    mean = (p * gradient).sum()
    return float(np.sqrt((p * (gradient - mean) ** 2).sum() / n))


@pytest.mark.parametrize("seed", range(8))
def test_kappa_and_its_interval_are_those_of_the_delta_method(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 12, (3, 3)) + 20 * np.eye(3, dtype=int) * rng.integers(0, 2)
    found = agreement(pairs_of(table))
    assert found is not None
    assert found.kappa is not None
    kappa, low, high = found.kappa
    assert kappa == pytest.approx(kappa_of(table / table.sum()), abs=1e-12)
    reach = 1.959963984540054 * spread_of(table.astype(float))
    assert (low, high) == pytest.approx((max(-1, kappa - reach), min(1, kappa + reach)), abs=1e-6)
    exact = stats.binomtest(int(np.trace(table)), int(table.sum())).proportion_ci(0.95, "exact")
    assert found.observed[1:] == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert (found.n, found.agreed) == (table.sum(), np.trace(table))


def test_a_published_example() -> None:
    """Fleiss, Cohen & Everitt (1969) give κ for Spitzer's 200 diagnoses."""
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    found = agreement(pairs_of(table))
    assert found is not None
    assert found.kappa is not None
    assert found.kappa[0] == pytest.approx(0.429, abs=5e-4)


def test_kappa_is_not_made_up_where_it_has_no_meaning() -> None:
    assert agreement([]) is None
    same = agreement([("right", "right")] * 9)
    assert same is not None
    assert same.kappa is None
    assert same.observed[0] == 1.0


def test_intervals_hold_what_they_promise() -> None:
    """Of samples of 120 frames, about 95 % of the intervals hold the true κ."""
    rng = np.random.default_rng(7)
    shares = np.array([[0.55, 0.06, 0.02], [0.05, 0.22, 0.02], [0.02, 0.02, 0.04]])
    true, held = kappa_of(shares), 0
    for _ in range(250):
        found = agreement(pairs_of(rng.multinomial(120, shares.ravel()).reshape(3, 3)))
        assert found is not None
        assert found.kappa is not None
        held += found.kappa[1] <= true <= found.kappa[2]
    assert held / 250 > 0.91


def event(**changes: object) -> Event:
    return decode(Reporter().event(**changes)[0][1], Event)  # type: ignore[arg-type]


REASONS = st.builds(
    Reason,
    st.sampled_from(["fused", "confidence"]),
    st.just("why"),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(
        st.one_of(st.none(), st.floats(-1e6, 1e6)), st.one_of(st.none(), st.floats(-1e6, 1e6))
    ),
    st.none(),
)


@settings(max_examples=60, deadline=None)
@given(REASONS, st.integers(1, 10**9), st.sampled_from([None, 0.01, 1.0]))
def test_a_head_start_is_bounded_so_that_no_frame_starves(
    reason: Reason, place: int, sampled: float | None
) -> None:
    """A frame is overtaken only by those that arrive within the longest head start after it."""
    start = head_start_ms(event(reasons=(reason,), sampled=sampled), place)
    assert 0 <= start <= LONGEST_MS
    assert 0.0 <= doubt(event(reasons=(reason,))) <= 1.0


def test_doubt_is_greatest_at_the_threshold() -> None:
    def of(value: float, low: float | None, high: float | None) -> float:
        return doubt(event(reasons=(Reason("fused", "", value, (low, high), None),)))

    assert of(3.0, None, 3.0) == 1.0
    assert of(3.3, None, 3.0) == pytest.approx(0.9)
    assert of(9.0, None, 3.0) == 0.0
    assert of(0.45, 0.9, None) == pytest.approx(0.5)
    assert of(1.1, 0.2, 1.0) == pytest.approx(0.9)
    assert of(0.1, 0.2, 1.0) == pytest.approx(0.5)
    assert of(5.0, None, None) == of(5.0, None, 0.0) == 0.0


def test_a_crowd_is_of_one_trouble() -> None:
    one = event(incident="i1")
    assert crowd(1, one, 0) == crowd(1, event(incident="i1"), 10**9)
    others = {crowd(2, one, 0), crowd(1, event(incident="i2"), 0), crowd(1, event(), 0)}
    assert len(others | {crowd(1, event(), 10**8), crowd(1, one, 0)}) == 5
