"""Which spoilt pictures a bundle is tested with on the device: those it caught when it was made."""

from __future__ import annotations

import dataclasses

import msgspec

from edge_guard.bundle import Bundle
from edge_guard.calibration.golden import with_trials
from edge_guard.pipeline import Pipeline
from edge_guard.trials import spoilt
from edge_guard.types import Frame, Verdict


def test_a_bundle_is_tested_with_what_it_catches(bundle: Bundle) -> None:
    guard = Pipeline(bundle, live=False)
    good = guard.golden_image()
    caught = [t.name for t in spoilt(good) if guard.rehearse(t.image).verdict != Verdict.ACCEPT]
    assert caught == list(bundle.manifest.trials)
    assert {"dead", "dark", "foreign"} <= set(caught)
    assert list(guard.trials()) == [""] * (len(bundle.manifest.golden) + len(caught))


def test_what_a_bundle_lets_pass_is_not_asked_later(bundle: Bundle) -> None:
    replace = msgspec.structs.replace
    gate = replace(bundle.manifest.gate, limits=(), cells=None, causes=None)
    promise = replace(bundle.manifest.promise, score_limit=float("inf"), p_limit=-1.0)
    blind = replace(bundle.manifest, gate=gate, promise=promise, certificate=None)
    made = with_trials(dataclasses.replace(bundle, manifest=blind))
    assert set(made.manifest.trials) < set(bundle.manifest.trials)
    assert all(words == "" for words in Pipeline(made, live=False).trials())


def test_self_tests_spend_no_review_budget(bundle: Bundle) -> None:
    dials = msgspec.structs.replace(bundle.manifest.dials, review_budget=0.1, budget_confidence=0.9)
    manifest = msgspec.structs.replace(bundle.manifest, dials=dials)
    guard = Pipeline(dataclasses.replace(bundle, manifest=manifest), live=False)
    purse = guard._decision._purse
    guard.inspect(Frame("s", 0, guard.golden_image()))
    looks = purse._looks
    assert looks != 0.0
    guard.rehearse(guard.golden_image())
    list(guard.trials())
    assert purse._looks == looks
    assert guard._decision._purse is purse
