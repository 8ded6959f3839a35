"""Certificates keep their word, start where they forgive, count escapes and attempts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, binom

from edge_guard.calibration.attempts import counted, delta_of
from edge_guard.calibration.dials import Wishes, set_dials
from edge_guard.calibration.escapes import find_escapes, good_index
from edge_guard.calibration.selective import DELTA, Escapes, certify, forgiving, upper_bound
from edge_guard.errors import ConfigError, GuaranteeError, ReferencesError

REDRAWS = 400
BROKEN = DELTA + 2 * (DELTA * (1 - DELTA) / REDRAWS) ** 0.5


def _steps(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores uniform on 0..1; error 1 % above one half, 12 % below: risk passes 5 % at .78."""
    score = rng.random(n)
    return score, rng.random(n) < np.where(score > 0.5, 0.99, 0.88)


def _steps_risk(threshold: float) -> float:
    low = max(0.0, 0.5 - threshold)
    return (0.01 * min(0.5, 1 - threshold) + 0.12 * low) / (1 - threshold)


def _ripples(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Error 9 % and 1 % in turn, by tenths of the score: risk rises and falls round 5 %."""
    score = rng.random(n)
    return score, rng.random(n) > np.where((score * 10).astype(int) % 2, 0.095, 0.015)


def _ripples_risk(threshold: float) -> float:
    at = np.linspace(threshold, 1, 20001)[:-1]
    return float(np.where((at * 10).astype(int) % 2, 0.095, 0.015).mean())


@pytest.mark.parametrize(
    ("draw", "risk", "least"), [(_steps, _steps_risk, 0.9), (_ripples, _ripples_risk, 0.0)]
)
def test_the_certificate_is_broken_in_at_most_five_percent(
    draw: object, risk: object, least: float
) -> None:
    rng = np.random.default_rng(5)
    broken = certified = 0
    for _ in range(REDRAWS):
        score, correct = draw(rng, 800)  # type: ignore[operator]
        try:
            held = certify(score, correct, 0.05)
        except GuaranteeError:
            continue
        certified += 1
        broken += risk(held.min_confidence) > 0.05  # type: ignore[operator]
    assert certified >= REDRAWS * least
    assert broken / REDRAWS <= BROKEN


def test_one_unlucky_image_at_the_top_does_not_refuse_the_rest() -> None:
    score = np.linspace(1, 0, 1000)
    correct = np.ones(1000, bool)
    correct[[3, 700, 720, 740, 760]] = False
    held = certify(score, correct, 0.02)
    assert held.accepted > 600


def test_equal_scores_are_accepted_together() -> None:
    score = np.repeat([0.9, 0.5], [300, 300])
    correct = np.ones(600, bool)
    correct[300:450] = False
    held = certify(score, correct, 0.02)
    assert (held.accepted, held.wrong, held.min_confidence) == (300, 0, 0.9)


@pytest.mark.parametrize(("errors", "rate"), [(0, 0.01), (0, 0.05), (1, 0.02), (4, 0.02)])
def test_forgiving_is_the_smallest_sample_that_passes(errors: int, rate: float) -> None:
    m = forgiving(errors, rate, DELTA)
    assert binom.cdf(errors, m, rate) <= DELTA < binom.cdf(errors, m - 1, rate)
    if errors == 0:
        assert m == {0.01: 299, 0.05: 59}[rate]


def test_the_upper_bound_is_clopper_and_pearsons() -> None:
    assert upper_bound(2, 100) == pytest.approx(beta.ppf(0.95, 3, 98))
    assert upper_bound(5, 5) == 1.0


def test_escapes_hold_the_certificate_back() -> None:
    score, correct = np.linspace(1, 0, 1000), np.ones(1000, bool)
    slipped = np.zeros(1000, bool)
    slipped[500::10] = True
    correct[slipped] = False
    free = certify(score, correct, 0.05)
    tight = certify(score, correct, 0.05, escapes=Escapes("ok", 0.05, slipped, 200))
    assert tight.accepted < free.accepted
    assert binom.cdf(tight.escapes, 200, 0.05) <= DELTA


def test_good_parts_alone_never_certify_escapes() -> None:
    ok = np.zeros(400, np.intp)
    with pytest.raises(GuaranteeError, match=r"good parts alone can never certify escapes.*59"):
        find_escapes(ok, ok, np.ones(400, bool), 0, "ok", 0.05)
    escapes, said = find_escapes(ok, ok, np.ones(400, bool), 0, "ok", None)
    assert escapes is None
    assert "nothing is known of escapes" in said[0]


def test_the_good_label_is_found_or_asked_for() -> None:
    assert good_index(("scratch", "Normal"), None, needed=True) == 1
    assert good_index(("cat", "dog"), None, needed=False) is None
    with pytest.raises(ConfigError, match="--good-label"):
        good_index(("cat", "dog"), None, needed=True)
    with pytest.raises(ConfigError, match="did you mean 'dog'"):
        good_index(("cat", "dog"), "dgo", needed=False)


def test_attempts_share_five_percent() -> None:
    assert sum(delta_of(j) for j in range(1, 30)) == pytest.approx(DELTA)


def test_a_refused_attempt_is_remembered(tmp_path: Path) -> None:
    wishes, out = Wishes(max_error=0.01), tmp_path / "x.guard"
    for expected, question in ((1, "a"), (1, "a"), (2, "b"), (2, "b"), (3, "c")):
        with pytest.raises(GuaranteeError), counted(wishes, out, "model", question) as spent:
            assert (spent.attempt, spent.delta) == (expected, delta_of(expected))
            raise GuaranteeError("no")
    with counted(wishes, out, "another model", "a") as spent:
        assert spent.attempt == 1
    with counted(Wishes(), out, "model", "a") as spent:
        assert spent.delta == DELTA
    for damaged in (b"{", b'{"model": "\xff"}'):
        (tmp_path / "x.guard.attempts").write_bytes(damaged)
        with (
            pytest.raises(ReferencesError, match="cannot be read"),
            counted(wishes, out, "model", "a"),
        ):
            pass


def test_costs_set_the_confidence_of_chow() -> None:
    confidence = np.linspace(0, 1, 101)
    none = np.zeros(101, bool)
    wishes = Wishes(cost_error=50.0, cost_review=1.0)
    assert set_dials(confidence, none, wishes, None, "platt").cost_confidence == pytest.approx(0.98)
    with pytest.raises(ReferencesError, match="calibrated confidence"):
        set_dials(confidence, none, wishes, None, "none")


def test_the_budget_takes_the_least_sure_or_says_what_contradicts_it() -> None:
    confidence = np.linspace(0, 1, 1001)
    flagged = np.zeros(1001, bool)
    flagged[-10:] = True
    dials = set_dials(confidence, flagged, Wishes(review_budget=0.1), None, "none")
    reviewed = flagged | (confidence < dials.budget_confidence)
    assert reviewed.mean() == pytest.approx(0.1, abs=0.002)
    with pytest.raises(GuaranteeError, match=r"guards' flags.*false-flag-rate"):
        set_dials(confidence, flagged, Wishes(review_budget=0.005), None, "none")
    held = certify(np.linspace(1, 0, 1001), np.arange(1001) < 400, 0.05)
    wishes = Wishes(max_error=0.05, review_budget=0.1)
    with pytest.raises(GuaranteeError, match=r"contradicts --max-error.*at least 0\.6.*larger"):
        set_dials(confidence, flagged, wishes, held, "platt")
