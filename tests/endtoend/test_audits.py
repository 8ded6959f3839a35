"""Audits end to end: a labelled bundle, a device, a broker, the collector, people's judgements."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from brokers import Mosquitto
from line import Device
from realdata import images, linked_model, needs_data
from resender import wait_until
from running import Running

from edge_guard.backends.infer import load_card
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference

MODEL = "pcb_simplecnn_int8_onnx"
REFERENCES, FRAMES = 500, 450


def prepared(folder: Path) -> tuple[Path, Path, dict[str, str]]:
    """Bundle of a real model, folder of patches that it has not seen, their labels by file name."""
    file = linked_model(MODEL, folder)
    card, labels, _ = load_card(file, None)
    pictures = images("deeppcb_patches_test")
    first: dict[bytes, int] = {}
    for row, image in enumerate(pictures.images):
        first.setdefault(image.tobytes(), row)
    rows = np.random.default_rng(0).permutation(list(first.values()))
    references = [
        Reference(str(i), labels[pictures.labels[i]], lambda i=i: pictures.images[i])
        for i in rows[:REFERENCES]
    ]
    calibrate(file, references, folder / "pcb.guard", card=card, labels=labels)
    source, truth = folder / "patches", {}
    source.mkdir()
    for i in rows[REFERENCES : REFERENCES + FRAMES]:
        cv2.imwrite(str(source / f"{i:05d}.png"), pictures.images[i])
        truth[f"{i:05d}.png"] = labels[pictures.labels[i]]
    return folder / "pcb.guard", source, truth


def judge(collector: Running, event: dict[str, Any], truth: dict[str, str]) -> bool:
    """Say what a person who knows the truth would; return whether the answer was right."""
    label = truth[Path(event["event"]["source"]).name]
    right = label == event["event"]["label"]
    said = {"answer": "right"} if right else {"answer": "wrong", "label": label}
    request = urllib.request.Request(
        f"{collector.url}/api/events/{event['id']}/judgements",
        json.dumps(said | {"who": "the test"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["answer"] == said["answer"]
    return right


@needs_data
@pytest.mark.timeout(400)
def test_a_shift_is_estimated_without_labels_and_audited(tmp_path: Path) -> None:
    bundle, source, truth = prepared(tmp_path)
    with (
        Mosquitto(tmp_path) as broker,
        Running(tmp_path, broker.port) as collector,
        Device(tmp_path, broker.port, bundle) as device,
    ):
        device.start(source, audit_per_hour=3600, publish="all")
        device.finish(300)
        wait_until(
            lambda: (
                device.waiting()[0] == 0
                or bool(collector.get("/api/accuracy?device=1&stream=s0")["frames"])
            ),
            30,
        )
        frames = [r for r in device.records(0) if r["type"] == "result"]
        accepted = [r for r in frames if r["verdict"] == "accept"]
        true = np.mean([truth[Path(r["source"]).name] == r["label"] for r in accepted])
        known = collector.get("/api/accuracy?device=1&stream=s0")
        assert known["hidden"] == ""
        assert known["frames"] == FRAMES
        assert known["estimate"]["frames"] == len(accepted)
        assert known["estimate"]["low"] <= true <= known["estimate"]["high"]
        audited = collector.get("/api/events?kind=audit&limit=500")["events"]
        assert 3 <= len(audited) <= 300, "one a second of 30 expected, or what the device manages"
        assert all(e["picture"] and 0.0 < e["event"]["sampled"] <= 1.0 for e in audited)
        drawn = [e for e in audited if e["event"]["verdict"] == "accept"]
        right = [judge(collector, e, truth) for e in drawn]
        report = collector.get("/api/accuracy?device=1&stream=s0")["audit"]
        assert (report["drawn"], report["waiting"]) == (len(right), 0)
        weights = [1.0 / e["event"]["sampled"] for e in drawn]
        found = report["accuracy"]
        assert found["yes"] == sum(right)
        assert found["share"] == pytest.approx(np.average(right, weights=weights))
        assert found["low"] <= found["at_least"] < found["share"] <= found["high"]
