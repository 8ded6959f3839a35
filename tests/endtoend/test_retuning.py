"""Labels of real production fed back through the API: what is certified before and after.

Nothing that is reported here was tuned on: a third of the test set is production, labelled as
people would; another third, and no label of it, is what coverage is measured on.
"""

from __future__ import annotations

import json
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brokers import Listener, Mosquitto
from realdata import images, linked_model, needs_data
from reports import Reporter
from resender import wait_until
from running import Running
from scipy.stats import binom

from edge_guard.backends.infer import load_card
from edge_guard.bundle import read_bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Result, Verdict

MODEL, REFERENCES, PROMISE = "pcb_simplecnn_int8_onnx", 300, 0.97
"""So few references can certify 99 % of nothing: one error more than none is one too many."""


class Patches:
    """The test set without its duplicates, in three thirds."""

    def __init__(self, folder: Path) -> None:
        self.file = linked_model(MODEL, folder)
        self.card, self.labels, _ = load_card(self.file, None)
        self._pictures = images("deeppcb_patches_test")
        first: dict[bytes, int] = {}
        for row, image in enumerate(self._pictures.images):
            first.setdefault(image.tobytes(), row)
        rows = np.random.default_rng(0).permutation(list(first.values()))
        self.references, self.production, self.rest = np.array_split(rows, 3)

    def truth(self, row: int) -> str:
        return self.labels[self._pictures.labels[row]]

    def reference(self, row: int) -> Reference:
        return Reference(str(row), self.truth(row), lambda: self._pictures.images[row])

    def judged(self, bundle: Path, rows: np.ndarray) -> list[tuple[Result, bool]]:
        """What the guard says of each, and whether the answer is right."""
        pipeline = Pipeline(read_bundle(bundle), live=False)
        shown = [pipeline.inspect(Frame("s", 0, self._pictures.images[row])) for row in rows]
        pipeline.close()
        return [(r, r.label == self.truth(row)) for r, row in zip(shown, rows, strict=True)]


def post(collector: Running, path: str, body: object) -> Any:
    binary = isinstance(body, bytes)
    kind = "application/octet-stream" if binary else "application/json"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(collector.url + path, data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def feed(
    collector: Running, sender: Listener, seen: list[tuple[Result, bool]], bundle: str
) -> None:
    """Send production as its device would, every frame drawn for the audit; judge it."""
    device = Reporter("cam-pcb", boot="pcb")
    for result, _ in seen:
        fields = {"verdict": result.verdict, "label": result.label, "p_value": result.p_value}
        fields |= {"confidence": result.confidence, "reasons": result.reasons, "sampled": 1.0}
        sender.publish(*device.event(bundle=bundle, scores={}, **fields)[0])
    wait_until(lambda: sum(d["stored"] for d in collector.get("/api/devices")) >= len(seen), 60)
    for start in range(0, len(seen), 250):
        said = [
            {"event": start + i + 1, "answer": "right" if right else "wrong", "who": "the test"}
            for i, (_, right) in enumerate(seen[start : start + 250])
        ]
        post(collector, "/api/labels", {"labels": said})


@needs_data
@pytest.mark.timeout(400)
def test_labels_of_production_raise_what_is_certified(tmp_path: Path) -> None:
    patches = Patches(tmp_path)
    parent = tmp_path / "parent.guard"
    some = [patches.reference(row) for row in patches.references[:REFERENCES]]
    calibrate(patches.file, some, parent, card=patches.card, labels=patches.labels)
    seen = patches.judged(parent, patches.production)
    with (
        Mosquitto(tmp_path) as broker,
        Running(tmp_path, broker.port) as collector,
        Listener(broker.port) as sender,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        feed(collector, sender, seen, read_bundle(parent).id)
        post(collector, "/api/bundles", parent.read_bytes())
        wanted = {"device_id": 1, "stream": "top", "references": True, "target": PROMISE}
        strict = post(collector, "/api/retunes/preview", wanted | {"target": 0.99})
        begun = post(collector, "/api/retunes", wanted)
        find = f"/api/retunes/{begun['id']}"
        wait_until(lambda: collector.get(find)["state"] != "running", 120)
        done = collector.get(find)
        assert done["state"] == "done", done["told"]
        new = tmp_path / "new.guard"
        address = f"{collector.url}/api/bundles/{done['sha256']}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            new.write_bytes(answer.read())
    assert sha256(new.read_bytes()).hexdigest() == done["sha256"]
    made = read_bundle(new).manifest
    assert REFERENCES / 4 < made.retuned.references <= REFERENCES
    assert made.retuned.labels == len(seen)
    rest = patches.judged(new, patches.rest)
    accepted = [right for result, right in rest if result.verdict is Verdict.ACCEPT]
    wrong = accepted.count(False)
    print(f"99 %: {strict['words']}")
    print(f"{PROMISE:.0%}: {len(accepted)} of {len(rest)} accepted, {wrong} wrong")
    assert len(accepted) > 0.4 * len(rest), "before, nothing was certified"
    assert binom.sf(wrong - 1, len(accepted), 1 - PROMISE) > 1e-3
