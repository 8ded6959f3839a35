"""The false-flag promise at its nominal level, by simulation; correlated references; refusals."""

from __future__ import annotations

import numpy as np
import pytest

from edge_guard.calibration.conformal import MIN_EFFECTIVE, promise
from edge_guard.calibration.folds import correlation_length, make_folds
from edge_guard.errors import ReferencesError

ALPHA = 0.05


@pytest.mark.parametrize("n", [50, 100, 250])
def test_the_marginal_rate_is_kept_on_average(n: int) -> None:
    rng = np.random.default_rng(n)
    redraws = 1000
    rates = np.zeros(redraws)
    for i in range(redraws):
        limit = promise(np.sort(rng.normal(size=n)), n, ALPHA).score_limit
        rates[i] = (rng.normal(size=500) > limit).mean()
    k = int(ALPHA * (n + 1))
    assert rates.mean() == pytest.approx(k / (n + 1), abs=3 * rates.std() / redraws**0.5)
    assert rates.mean() <= ALPHA + 3 * rates.std() / redraws**0.5


@pytest.mark.parametrize("n", [299, 1000])
def test_the_confident_rate_is_broken_in_at_most_five_percent(n: int) -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(n)
    alpha, redraws = 0.01, 2000
    broken = 0
    for _ in range(redraws):
        held = promise(np.sort(rng.normal(size=n)), n, alpha)
        assert held.regime == "confident"
        broken += norm.sf(held.score_limit) > alpha
    assert broken / redraws <= 0.05 + 2 * (0.05 * 0.95 / redraws) ** 0.5


def test_few_references_promise_what_they_can() -> None:
    held = promise(np.arange(60.0), 60, 0.001)
    assert held.false_flag_rate == pytest.approx(1 / 61)
    assert held.regime == "marginal"
    assert promise(np.arange(30.0), 30, 0.05).regime == "advisory"


def test_p_limit_and_score_limit_say_the_same() -> None:
    calibration = np.sort(np.random.default_rng(5).normal(size=400))
    held = promise(calibration, 400, 0.03)
    for score in np.append(np.linspace(-4, 4, 201), held.score_limit):
        p = (1 + (calibration >= score).sum()) / 401
        assert (p <= held.p_limit) == (score > held.score_limit)


def test_too_few_are_refused_with_what_to_do() -> None:
    with pytest.raises(ReferencesError, match="further apart in time"):
        promise(np.arange(300.0), MIN_EFFECTIVE - 1, 0.01)


def test_a_video_is_recognised_and_its_length_is_about_right() -> None:
    rng = np.random.default_rng(6)
    x = np.zeros((3000, 4))
    for t in range(1, len(x)):
        x[t] = 0.9 * x[t - 1] + rng.normal(size=4)
    assert correlation_length(x, np.zeros(3000)) == pytest.approx(19, rel=0.35)


def test_shuffled_and_sorted_folders_are_not_taken_for_a_video() -> None:
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(5), 60)
    x = rng.normal(size=(300, 4)) + 10.0 * groups[:, None]
    assert correlation_length(x, groups) == 1.0


@pytest.mark.parametrize("length", [1.0, 12.0])
def test_folds_cover_everything_once_and_keep_their_distance(length: float) -> None:
    folds = list(make_folds(203, length, np.random.default_rng(8)))
    scored = np.concatenate([fold.score for fold in folds])
    assert sorted(scored) == list(range(203))
    for fold in folds:
        distance = np.abs(fold.fit[:, None] - fold.score[None]).min()
        assert distance >= (1 if length < 2 else length)


def test_out_of_fold_threshold_on_correlated_frames_keeps_the_rate() -> None:
    """AR(1) ρ = .9: a nearest-neighbour score at nominal 5 % realises at most 7 %."""
    from edge_guard.guards.nearest import nearest

    rng = np.random.default_rng(9)
    rates = []
    for _ in range(20):
        x = np.zeros((2600, 6))
        for t in range(1, len(x)):
            x[t] = 0.9 * x[t - 1] + rng.normal(size=6) * (1 - 0.81) ** 0.5
        references, fresh = x[:1500], x[1800:]
        length = correlation_length(references, np.zeros(1500))
        scores = np.zeros(1500)
        for fold in make_folds(1500, length, rng):
            scores[fold.score] = nearest(references[fold.score], references[fold.fit])[0]
        limit = promise(np.sort(scores), 1500 / length, ALPHA).score_limit
        rates.append((nearest(fresh, references)[0] > limit).mean())
    assert np.mean(rates) <= 0.07
