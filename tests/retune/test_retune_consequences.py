"""Consequences, costs, budgets and the fitted confidence against independent computations."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lines import errors_at, line
from sklearn.linear_model import LogisticRegression

from edge_guard.bundle import Bundle, read_bundle
from edge_guard.errors import GuaranteeError, ReferencesError
from edge_guard.retune.bundles import retuned
from edge_guard.retune.consequences import at, curve, in_words, shift
from edge_guard.retune.outcome import settle
from edge_guard.retune.reliability import fit_line
from edge_guard.retune.settings import Wishes

PARENT = Path(__file__).parents[2] / "models" / "demo_line.guard"


def test_shares_are_weighted_by_the_chance_of_being_drawn() -> None:
    rng = np.random.default_rng(1)
    pi = rng.choice([0.02, 0.1, 0.5], 3000)
    frames = line(3000, rng, floor=0.01, probability=pi, judged=0.7)
    point = at(frames, 0.9)
    accepted = frames.open & (frames.confidence >= 0.9)
    judged = frames.judged
    w = 1.0 / pi
    assert point.coverage.share == pytest.approx(np.average(accepted, weights=w))
    both = accepted & judged
    assert point.risk.share == pytest.approx(np.average(frames.wrong[both], weights=w[both]))
    assert point.escapes.share == pytest.approx(point.coverage.share * point.risk.share)
    for one in (point.coverage, point.risk, point.escapes):
        assert one.low < one.share < one.high


def test_escapes_do_not_depend_on_which_drawn_frames_are_judged_more_often() -> None:
    """90 % are accepted, 10 % of those wrongly; people judge all flagged frames, and a tenth of the
    accepted ones."""
    inside = shares = 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        frames = line(4000, rng, blocked=0.1)
        judged = ~frames.open | (rng.random(4000) < 0.1)
        point = at(replace(frames, wrong=rng.random(4000) < 0.1, judged=judged), 0.0)
        shares += point.escapes.share / 20
        inside += point.escapes.low <= 0.09 <= point.escapes.high
    assert shares == pytest.approx(0.09, abs=0.01)
    assert inside == 20


def test_labels_of_flagged_frames_move_no_share() -> None:
    """Somebody labels every flagged frame beside the drawn ones: half of them are wrong."""
    rng = np.random.default_rng(2)
    drawn, flagged = line(800, rng), line(800, rng, floor=0.5)
    extra = replace(flagged, probability=np.full(800, math.nan), turn=800 + flagged.turn)
    names = ("confidence", "open", "accepted", "judged", "wrong", "unsure", "probability", "turn")
    columns = {name: np.append(getattr(drawn, name), getattr(extra, name)) for name in names}
    both = replace(drawn, **columns)
    assert at(both, 0.8) == at(drawn, 0.8)
    assert [p.threshold for p in curve(both)] == [p.threshold for p in curve(drawn)]


def test_a_shift_in_frames_and_costs() -> None:
    frames = line(2000, np.random.default_rng(3), floor=0.01)
    point = at(frames, 0.9)
    found = shift(point, 5000, cost_escape=40, cost_look=2)
    assert found.looks.share == pytest.approx(5000 * (1 - point.coverage.share))
    assert found.missed.share == pytest.approx(5000 * point.escapes.share)
    assert found.cost.share == pytest.approx(2 * found.looks.share + 40 * found.missed.share)
    assert found.looks.low < found.looks.share < found.looks.high
    assert "of 5,000 frames a shift, people look at about" in in_words(found)


def test_the_line_on_the_odds_is_that_of_a_weighted_logistic_regression() -> None:
    rng = np.random.default_rng(4)
    pi = rng.choice([0.05, 0.5], 8000)
    frames = line(8000, rng, floor=0.02, probability=pi, blocked=0.0)
    found = fit_line(frames)
    odds = np.log(frames.confidence) - np.log1p(-np.minimum(frames.confidence, 1 - 1e-15))
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    oracle.fit(odds[:, None], ~frames.wrong, sample_weight=1.0 / pi)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=1e-3)
    assert found.offset == pytest.approx(oracle.intercept_[0], rel=1e-3, abs=1e-3)
    assert found.after < found.before
    assert found.original(found.moved(0.93)) == pytest.approx(0.93)


def test_no_line_where_the_confidence_is_right_or_labels_are_few() -> None:
    rng = np.random.default_rng(5)
    frames = line(4000, rng)
    honest = replace(frames, wrong=rng.random(4000) >= frames.confidence)
    assert fit_line(honest) is None
    assert fit_line(line(200, rng, floor=0.2)) is None


def test_a_review_budget_is_spent_as_given_or_contradicts() -> None:
    frames = line(4000, np.random.default_rng(6), floor=0.0, probability=0.1)
    parent = read_bundle(PARENT)
    found = settle(parent, frames, Wishes(review_budget=0.6))
    must = 1.0 - found.then.coverage.share
    looked = np.mean(~frames.open | (frames.confidence < found.budget))
    assert must < looked == pytest.approx(0.6, abs=0.001)
    with pytest.raises(GuaranteeError, match="give a budget of at least"):
        settle(parent, frames, Wishes(review_budget=must / 2))


def test_costs_only_ever_tighten() -> None:
    frames = line(4000, np.random.default_rng(7), floor=0.0)
    parent = read_bundle(PARENT)
    plain = settle(parent, frames, Wishes())
    dear = settle(parent, frames, Wishes(cost_escape=10_000, cost_look=1))
    cheap = settle(parent, frames, Wishes(cost_escape=2, cost_look=1))
    assert dear.least > plain.least == plain.findings.best.threshold == cheap.least
    assert dear.then.coverage.share < plain.then.coverage.share
    assert errors_at(np.array([dear.least]), 0.0)[0] < errors_at(np.array([plain.least]), 0.0)[0]


def with_references(rng: np.random.Generator, n: int, floor: float) -> Bundle:
    """The demo's bundle with made-up labelled references; one in 50 was flagged."""
    confidence = rng.beta(6.0, 0.8, n)
    right = rng.random(n) >= errors_at(confidence, floor)
    confidence[::50] = math.nan
    evidence = {"evidence.confidence": confidence, "evidence.right": right.astype(np.uint8)}
    parent = read_bundle(PARENT)
    return replace(parent, arrays=parent.arrays | evidence)


def test_references_move_with_the_confidence_of_a_retuned_bundle() -> None:
    """What a child says of frames and references is what its parent says of both."""
    rng = np.random.default_rng(8)
    parent = with_references(rng, 900, floor=0.004)
    frames = line(6000, rng, floor=0.004, probability=0.1, digits=15)
    wishes = Wishes(target=0.97, references=True)
    first = settle(parent, frames, wishes)
    assert first.line is not None
    child = retuned(parent, "", frames, first, wishes)
    before, after = (bundle.arrays["evidence.confidence"] for bundle in (parent, child))
    assert np.isnan(after).sum() == np.isnan(before).sum() == 18
    assert not np.allclose(before, after, equal_nan=True)
    moved = np.array([first.line.moved(c) for c in frames.confidence])
    again = settle(child, replace(frames, confidence=moved), wishes)
    old, new = first.findings, again.findings
    assert [rung.seen.n for rung in new.ladder] == [rung.seen.n for rung in old.ladder]
    assert new.best.threshold == pytest.approx(first.line.moved(old.best.threshold))
    assert new.bound == pytest.approx(old.bound)


def test_references_weigh_as_the_first_draws_whatever_comes_after() -> None:
    rng = np.random.default_rng(9)
    parent = with_references(rng, 900, floor=0.0)
    frames = line(600, rng, floor=0.0, probability=np.where(np.arange(600) < 300, 0.2, 0.01))
    wishes = Wishes(target=0.97, references=True)
    seen = settle(parent, frames, wishes).findings.ladder[-1].seen
    assert seen.ratio[-1] / seen.ratio[0] == pytest.approx(20.0)
    common, rare = (seen.yes + seen.no).astype(int)
    assert common > 882
    assert 0 < rare <= 300
    few = line(29, rng, probability=0.2)
    with pytest.raises(ReferencesError, match="29 frames were drawn at random so far, 30"):
        settle(parent, few, wishes)
