"""Labelled references: maps, rankings, what is certified on what, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from edge_guard.calibration.confidence import fit_map, reliability
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.labelled import Evidence, certified, settle, with_dials
from edge_guard.calibration.probe import fit_probe
from edge_guard.calibration.ranking import augrc, choose_ranking
from edge_guard.confidence import own_odds, ranking_scores, to_confidence
from edge_guard.errors import ConfigError, ReferencesError
from edge_guard.guards.logits import log_softmax

LABELS = ("ok", "scratch", "dent")


def evidence(n: int, seed: int, *, tap_tells: bool = False) -> Evidence:
    """A model of three classes, 88 % right; a tap may know what the head has thrown away."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    hard = rng.random(n) < 0.3
    logits = rng.normal(size=(n, 3)) * np.where(hard, 2.0, 0.7)[:, None]
    logits[np.arange(n), truth] += 3.5
    tap = rng.normal(size=(n, 16)).astype(np.float32)
    if tap_tells:
        tap[np.arange(n), truth] += 3.0
    return Evidence(logits, [tap], truth, np.zeros(n, bool), LABELS)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_maps_find_the_odds(shift: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 2.0, 4000)
    correct = rng.random(4000) < expit(0.4 * x + shift)
    fitted = fit_map(x, correct, odds=True, tempered=False)
    at = np.linspace(-2, 6, 30)
    assert to_confidence(at, fitted.knots) == pytest.approx(expit(0.4 * at + shift), abs=0.04)
    if shift:
        assert fitted.method != "temperature"
        plain = LogisticRegression(C=np.inf).fit(x[:, None], correct)
        assert to_confidence(at, fitted.knots) == pytest.approx(
            plain.predict_proba(at[:, None])[:, 1], abs=0.04
        )


def test_isotonic_steps_come_from_a_thousand_where_they_help() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-4, 4, 3000)
    p = np.where(np.abs(x) < 2, 0.7, np.where(x < 0, 0.3, 0.995))
    correct = rng.random(3000) < p
    assert fit_map(x, correct, odds=True, tempered=False).method == "isotonic"
    assert fit_map(x[:900], correct[:900], odds=True, tempered=False).method != "isotonic"
    knots = fit_map(x, correct, odds=True, tempered=False).knots
    oracle = IsotonicRegression(out_of_bounds="clip").fit(x, correct)
    at = np.linspace(-3.5, 3.5, 40)
    assert np.abs(to_confidence(at, knots) - oracle.predict(at)).mean() < 0.05


def test_maps_never_tie_what_the_ranking_tells_apart() -> None:
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(-4, 4, 2000))
    correct = rng.random(2000) < np.where(x < 0, 0.4, 0.9)
    knots = fit_map(x, correct, odds=True, tempered=False).knots
    assert (np.diff(np.array(knots), axis=0) > 0).all()
    assert (np.diff(to_confidence(x, knots)) > 0).all()


def test_reliability_against_its_formulas() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0.5, 1.0, 6000)
    right = rng.random(6000) < p
    honest, boastful = reliability(p, right), reliability(p**0.3, right)
    assert honest.brier == pytest.approx(np.mean((p - right) ** 2))
    assert honest.nll == pytest.approx(-np.mean(np.where(right, np.log(p), np.log(1 - p))))
    assert honest.ece < 0.02 < boastful.ece


def test_odds_of_the_own_answer_stay_finite() -> None:
    logits = np.array([[800.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0, -1.0]])
    odds = own_odds(log_softmax(logits), logits.argmax(1))
    p = np.exp(2.0) / (np.exp(2.0) + 1 + np.exp(-1.0))
    assert odds[1:] == pytest.approx([np.log(0.5), np.log(p / (1 - p))])
    assert odds[0] == 40.0


def test_augrc_against_its_definition() -> None:
    correct = np.array([True, False, True, False])
    assert augrc(np.array([4.0, 3.0, 2.0, 1.0]), correct) == (0 + 1 + 1 + 2) / 4 / 4


def test_a_probe_without_taps_that_know_is_the_model() -> None:
    seen = evidence(400, 5)
    probe = fit_probe(seen.logits, seen.taps, seen.truth, 10.0)
    x = probe.scores(seen.logits, seen.features)
    assert np.corrcoef(x, ranking_scores("msp", seen.logits))[0, 1] > 0.97


def test_a_tap_that_knows_better_ranks() -> None:
    seen, fresh = evidence(300, 6, tap_tells=True), evidence(2000, 7, tap_tells=True)
    rng = np.random.default_rng(0)
    ranking = choose_ranking(seen.logits, seen.taps, seen.truth, rng)
    assert ranking.name == "probe"
    plain = augrc(ranking_scores("msp", fresh.logits), fresh.correct)
    assert augrc(ranking.scores(fresh.logits, fresh.features), fresh.correct) < 0.8 * plain
    assert choose_ranking(seen.logits[:60], seen.taps, seen.truth[:60], rng).name != "probe"


def test_the_better_ranking_is_deployed_with_its_own_certificate() -> None:
    rng = np.random.default_rng(0)
    seen = evidence(1200, 8, tap_tells=True)
    settled = settle(seen, Wishes(max_error=0.02), rng)
    assert settled.confidence.ranking == "probe"
    assert settled.certificate.labelled == 900
    assert set(settled.arrays) == {"probe.weight", "probe.bias"}
    assert set(settled.confidence.augrc) == {"msp", "gen", "pnorm", "probe"}
    ordinary = settle(evidence(1200, 8), Wishes(max_error=0.04), rng)
    assert ordinary.certificate.labelled == (1200 if ordinary.confidence.ranking == "msp" else 900)


def test_certified_promises_are_kept_whatever_ranks() -> None:
    fresh = evidence(40000, 10, tap_tells=True)
    broken, redraws = 0, 20
    for seed in range(redraws):
        seen = evidence(800, 100 + seed, tap_tells=True)
        rng = np.random.default_rng(seed)
        part = seen.rows(np.arange(200)), seen.rows(np.arange(200, 800))
        settled = certified(*part, Wishes(max_error=0.05), rng)
        spec = settled.confidence
        if spec.ranking == "probe":
            weight, bias = settled.arrays["probe.weight"], settled.arrays["probe.bias"]
            refined = spec.gain * fresh.logits + fresh.features @ weight + bias
            x = own_odds(log_softmax(refined), fresh.logits.argmax(1))
        else:
            x = ranking_scores(spec.ranking, fresh.logits)
        kept = to_confidence(x, spec.knots) >= settled.certificate.min_confidence
        broken += (~fresh.correct)[kept].mean() > 0.05
    assert broken <= binom.ppf(0.998, redraws, 0.05)


def test_labels_that_cannot_say_are_named() -> None:
    seen, rng = evidence(400, 11), np.random.default_rng(0)
    right = seen.rows(np.flatnonzero(seen.correct))
    settled = settle(right, Wishes(), rng)
    assert settled.confidence is None
    assert "right on all" in settled.said[0]
    one = seen.rows(np.flatnonzero(seen.truth == 1))
    assert "labels of one class" in settle(one, Wishes(), rng).said[0]
    with pytest.raises(ReferencesError, match="of one class"):
        settle(one, Wishes(max_error=0.05), rng)


def test_a_model_without_errors_is_certified_uncalibrated() -> None:
    seen = evidence(900, 12)
    right = seen.rows(np.flatnonzero(seen.correct))
    settled = settle(right, Wishes(max_error=0.02), np.random.default_rng(0))
    assert settled.certificate.wrong == 0
    assert settled.confidence.method == "none"
    assert any("right on all" in words for words in settled.said)


def test_wishes_without_what_they_need_are_refused() -> None:
    rng = np.random.default_rng(0)
    seen = evidence(100, 13)
    unlabelled = Evidence(seen.logits, seen.taps, seen.truth * 0 - 1, seen.flagged, LABELS)
    with pytest.raises(ReferencesError, match="--max-error needs labelled"):
        settle(unlabelled, Wishes(max_error=0.1), rng)
    with pytest.raises(ReferencesError, match="together with --max-error"):
        settle(seen, Wishes(max_escapes=0.1), rng)
    bare = Evidence(np.zeros((100, 0)), seen.taps, seen.truth, seen.flagged, ())
    assert settle(bare, Wishes(), rng).confidence is None
    with pytest.raises(ConfigError, match="--review-budget is about a classifier"):
        settle(bare, Wishes(review_budget=0.1), rng)
    costs = Wishes(cost_error=10.0, cost_review=1.0)
    with pytest.raises(ReferencesError, match="calibrated confidence"):
        with_dials(settle(unlabelled, costs, rng), unlabelled, costs)


def test_a_budget_needs_no_labels() -> None:
    seen = evidence(500, 14)
    unlabelled = Evidence(seen.logits, seen.taps, seen.truth * 0 - 1, seen.flagged, LABELS)
    wishes = Wishes(review_budget=0.05)
    dials = with_dials(settle(unlabelled, wishes, np.random.default_rng(0)), unlabelled, wishes)
    x = ranking_scores("msp", seen.logits)
    below = to_confidence(x, dials.confidence.knots) < dials.dials.budget_confidence
    assert below.mean() == pytest.approx(0.05, abs=0.01)
