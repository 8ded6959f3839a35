"""What would be cheaper on this device: what is measured is what runs, and the words fit it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess, decode_image
from edge_guard.backends.spec import TensorSpec
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.cli.main import main
from edge_guard.demo.assets import assets
from edge_guard.gate.gate import Meter
from edge_guard.scoring import build_scorer
from edge_guard.tuning.advice import Hint, advise, best_threads
from edge_guard.tuning.guards import GuardCosts, _variants, time_guards
from edge_guard.tuning.pictures import PictureCost, time_pictures
from edge_guard.tuning.runs import Runs, find_other, thread_counts, time_runs

TARGET = TensorSpec("x", "float32", 224, 224, 3)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(assets().bundle)


@pytest.mark.parametrize(
    ("available", "tried"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (64, [1, 2, 4, 8, 16])],
)
def test_threads_that_are_tried(available: int, tried: list[int]) -> None:
    assert thread_counts(available) == tried


def test_more_threads_must_be_worth_it() -> None:
    assert best_threads({1: 10.0, 2: 6.0, 4: 8.0}) == 2
    assert best_threads({1: 10.0, 2: 9.8, 4: 9.7}) == 1
    assert best_threads({1: 10.0, 2: 6.0, 4: 3.0}) == 4


def hints(runs: Runs, pictures: list[PictureCost], guards: GuardCosts, threads: int = 1) -> str:
    stages = {"model": {"median_us": 4000.0}, "guards": {"median_us": guards.all_us + 100.0}}
    record = {"guarded_us": {"median_us": 6000.0}, "threads": threads, "stages": stages}
    return "\n".join(
        f"{h.topic}: {h.message}" for h in advise(record, runs, pictures, guards, TARGET)
    )


FEW = GuardCosts(
    200.0, {"patches": 120.0, "features.nearest": 40.0, "tap0.nearest": -3.0}, 9.0, 0.0
)
LARGE = [PictureCost(1920, 1080, 9000.0, 3000.0), PictureCost(960, 540, 2000.0, 800.0)]


def test_advice_names_the_better_choice() -> None:
    runs = Runs(
        {1: 4000.0, 2: 2500.0, 4: 5000.0},
        {1: 3800.0},
        {1: 1900.0, 2: 1850.0, 4: 3000.0},
        {"tapped": "onnxruntime", "other": "ai-edge-litert"},
        3,
        3,
    )
    said = hints(runs, LARGE, FEW)
    assert "2 take 2.50 ms (1.6x faster), 4 take 5.00 ms (1.2x slower): set threads = 2" in said
    assert "3.80 ms a run as its file is, 4.00 ms as the bundle has it" in said
    assert "cost 5% of its time" in said
    assert "ai-edge-litert is 1.3x faster; calibrate the other file" in said
    assert "3 of 3 golden frames get the same answer" in said
    assert "960×540 would save 9.20 ms (61% of a frame)" in said
    assert "most of it for patches 0.12 ms, features.nearest 0.04 ms" in said
    assert "tap0.nearest" not in said, "what saves nothing is not told"
    assert "threads = 2 is right" in hints(runs, LARGE, FEW, threads=2)


def test_advice_leaves_well_alone() -> None:
    runs = Runs({1: 4000.0}, {}, {1: 3900.0}, {"tapped": "a", "other": "b"}, 0, 0)
    said = hints(runs, [PictureCost(224, 224, 90.0, 50.0)], FEW)
    assert "one processor" in said
    assert "stay with a" in said
    assert "smaller would lose detail" in said
    assert "references:" not in said
    costly = hints(runs, LARGE[:1], GuardCosts(3000.0, {}, 1400.0, 900.0))
    assert "references: with half as many references scoring would take 1.40 ms less (23%" in costly
    alone = hints(Runs({1: 1.0, 2: 1.0}, {}, {}, {"tapped": "a"}, 0, 0), LARGE[:1], FEW)
    assert "only a was tried" in alone
    assert "2 take 0.00 ms (no faster): threads = 1 is right" in alone


def test_without_a_guard_the_others_score_as_before(bundle: Bundle) -> None:
    """So what is timed is the same work, less one guard's."""
    manifest = bundle.manifest
    backend = open_backend(bundle.model, manifest.plan, kind=manifest.model_kind)
    image = decode_image(bundle.pictures[manifest.golden[1].entry])
    Preprocess(manifest.card.input, backend.input)(image, backend.tensor)
    outputs, statistics = backend.run(), Meter().measure(image).statistics
    variants = _variants(manifest.guards, bundle.arrays)
    assert {"patches", "features.nearest", "picture.contrast", "half"} < set(variants)
    for name, (spec, arrays) in variants.items():
        scorer = build_scorer(manifest.plan, spec, arrays)
        values = np.zeros(scorer.n_scores + 3)
        scorer.score(
            outputs.logits, outputs.taps, statistics, values, np.zeros(scorer.n_indices, np.int32)
        )
        pictures = {"tone", "levels", "texture", "correlation", "spectrum", "picture"}
        kept = [
            k
            for k, score in enumerate(manifest.guards.scores)
            if score != name
            and not (score.split(".")[0] in pictures and f"picture.{score.split('.')[-1]}" == name)
        ]
        assert scorer.n_scores == len(kept)
        if name != "half":
            expected = np.array(manifest.golden[1].scores)[kept]
            assert values[: len(kept)] == pytest.approx(expected, rel=1e-4, abs=1e-6), name
    backend.close()


def test_every_guard_that_costs_something_is_measured(bundle: Bundle) -> None:
    costs = time_guards(bundle, threads=1, seconds=0.2)
    kinds = {"nearest", "mahalanobis", "contrast"}
    assert "patches" in costs.saved_us
    assert {name.split(".")[1] for name in costs.saved_us if "." in name} == kinds
    assert list(costs.saved_us.values()) == sorted(costs.saved_us.values(), reverse=True)
    assert costs.all_us > 0
    assert costs.boxes_us == 0, "it is no detector"


def test_both_formats_are_timed_and_asked_the_same(bundle: Bundle) -> None:
    other = find_other(bundle, assets().bundle)
    assert other == assets().bundle.with_suffix(".tflite")
    assert find_other(bundle, Path("nowhere") / "x") is None
    model = assets().bundle.with_suffix(".onnx")
    runs = time_runs(bundle, counts=[1, 2], model=model, other=other, seconds=0.1)
    assert set(runs.tapped) == set(runs.other) == {1, 2}
    assert set(runs.bare) == {1}
    assert min(*runs.tapped.values(), *runs.other.values(), *runs.bare.values()) > 0
    assert (runs.agreeing, runs.compared) == (3, 3)
    assert runs.runtimes["other"] != runs.runtimes["tapped"]


def test_smaller_pictures_are_tried_while_the_model_can_do_with_them(bundle: Bundle) -> None:
    sizes = [(cost.width, cost.height) for cost in time_pictures(bundle)]
    assert sizes == [(320, 240), (160, 120)], "80×60 is less than the model's 128×96"


def test_the_command_adds_advice_to_its_one_record(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(assets().bundle), "--frames", "10", "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert {hint["topic"] for hint in record["advice"]} >= {"threads", "backend", "resolution"}
    assert record["tuning"]["guards"]["saved_us"]
    assert set(Hint._fields) == set(record["advice"][0])
    assert main([*words, "--no-advice"]) == 0
    assert "advice" not in json.loads(capsys.readouterr().out)
