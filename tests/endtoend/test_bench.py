"""``edge-guard bench``: its record makes sense. How fast it is, no test on a busy machine knows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from line import command
from realdata import data_dir, linked_model, needs_data

from edge_guard.demo.assets import assets

STAGES = ("gate", "preprocess", "model", "guards")


def bench(bundle: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        command("bench", str(bundle), "--frames", "40", "--no-advice", "--json", *options),
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


@needs_data
@pytest.mark.timeout(300)  # it calibrates
def test_a_real_tflite_model_with_and_without_taps(tmp_path: Path) -> None:
    model, bundle = linked_model("mobilenet_v2_coral_quant", tmp_path), tmp_path / "b.guard"
    video = data_dir() / "video" / "bottle-detection.mp4"
    few = ("--camera", str(video), "--frames", "60", "--advisory")
    subprocess.run(command("calibrate", str(model), *few, "-o", str(bundle)), check=True)
    tapped = bench(bundle)
    check(tapped)
    check(bench(bundle, "--model", str(model)))
    assert tapped["stages"]["model"]["median_us"] > tapped["stages"]["guards"]["median_us"]
