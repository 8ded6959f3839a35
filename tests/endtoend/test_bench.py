"""``edge-guard bench``: its record makes sense. How fast it is, no test on a busy machine knows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bottle import Calibrated
from line import command

from edge_guard.demo.assets import assets

STAGES = ("gate", "preprocess", "model", "guards")


def bench(bundle: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        command("bench", str(bundle), "--frames", "40", "--json", *options),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def check(record: dict[str, Any]) -> None:
    assert record["type"] == "bench"
    assert record["frames"] == 40
    assert tuple(record["stages"]) == STAGES
    for spread in (*record["stages"].values(), record["guarded_us"], record["bare_us"]):
        assert 0 < spread["p10_us"] <= spread["median_us"] <= spread["p90_us"]
    medians = {name: record["stages"][name]["median_us"] for name in STAGES}
    # the stages are parts of the guarded frame, and most of it
    assert max(medians.values()) < record["guarded_us"]["p90_us"]
    assert sum(medians.values()) > 0.5 * record["guarded_us"]["p10_us"]
    assert record["guards_share_of_model"] == pytest.approx(medians["guards"] / medians["model"])
    assert record["guarded_frames_per_second"] == pytest.approx(
        1e6 / record["guarded_us"]["median_us"]
    )
    assert record["share_of_bare_frame_rate"] == pytest.approx(
        record["bare_us"]["median_us"] / record["guarded_us"]["median_us"]
    )
    decode = record["decode_us"]["median_us"]
    assert decode > 0
    assert record["share_of_bare_frame_rate_decoding"] == pytest.approx(
        (record["bare_us"]["median_us"] + decode) / (record["guarded_us"]["median_us"] + decode)
    )
    assert record["load_ms"] > 0
    assert record["peak_memory_mib"] > 10


def test_the_shipped_bundle_beside_its_own_model() -> None:
    bundle = assets().bundle
    record = bench(bundle, "--model", str(bundle.with_suffix(".onnx")), "--threads", "2")
    check(record)
    assert record["threads"] == 2
    assert record["bundle"].startswith("demo_line@")


@pytest.mark.timeout(600)  # it may wait for calibration
def test_a_real_tflite_model_with_and_without_taps(calibrated: Calibrated) -> None:
    tapped = bench(calibrated.bundle)
    check(tapped)
    check(bench(calibrated.bundle, "--model", str(calibrated.model)))
    assert tapped["stages"]["model"]["median_us"] > tapped["stages"]["guards"]["median_us"]
