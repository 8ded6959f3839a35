"""Models without classes, from card to verdict: anomaly scores, anomaly maps, embeddings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tinybundle import references
from tinymodel import SIDE, parts

from edge_guard.backends.infer import load_card
from edge_guard.bundle import read_bundle
from edge_guard.calibration.calibrate import calibrate, silent
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.settings import Settings
from edge_guard.errors import CardError, ConfigError
from edge_guard.evaluation.calibration_pictures import Material
from edge_guard.evaluation.calibration_report import write_calibration_report
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Verdict

OUTPUTS = {"anomaly score": [1, 1], "anomaly map": [1, 1, SIDE, SIDE], "embedding": [1, 12]}


def write_model(folder: Path, kind: str) -> Path:
    """Write a model of what is finer than a part: its mean, where it is, or random views of it."""
    rng = np.random.default_rng(0)
    blur = np.full((3, 1, 5, 5), 1 / 25, np.float32)
    tensors = {"blur": blur, "gray": np.full((1, 3, 1, 1), 1 / 3, np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "blur"], ["soft"], pads=[2] * 4, group=3),
        helper.make_node("Sub", ["x", "soft"], ["fine"]),
        helper.make_node("Abs", ["fine"], ["size"]),
        helper.make_node("Conv", ["size", "gray"], ["map"]),
    ]
    if kind == "anomaly map":
        nodes.append(helper.make_node("Identity", ["map"], ["y"]))
    elif kind == "anomaly score":
        nodes += [
            helper.make_node("GlobalMaxPool", ["map"], ["most"]),
            helper.make_node("Flatten", ["most"], ["y"]),
        ]
    else:
        tensors["w"] = rng.normal(size=(12, 3, 5, 5)).astype(np.float32) * 0.3
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["c"], strides=[2, 2]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["g"]),
            helper.make_node("Flatten", ["g"], ["y"]),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, OUTPUTS[kind])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path = folder / "m.onnx"
    onnx.save(model, str(path))
    task = "embed" if kind == "embedding" else "anomaly"
    path.with_suffix(".toml").write_text(
        f'[input]\nmean = [0.0]\nstd = [255.0]\n[output]\ntask = "{task}"\n'
    )
    return path


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_model_without_classes_is_guarded(tmp_path: Path, kind: str) -> None:
    model = write_model(tmp_path, kind)
    card, labels, _ = load_card(model)
    bundle = calibrate(
        model, references(parts(120, 0)), tmp_path / "m.guard", card=card, labels=labels
    )
    names = [tap.name for tap in bundle.manifest.plan.taps]
    assert "y" in names or "map" in names  # what the model says is among what is guarded
    assert bundle.manifest.certificate is None
    pipeline = Pipeline(bundle, live=False)
    good = [pipeline.inspect(Frame("s", i, p)) for i, p in enumerate(parts(60, 1))]
    assert sum(r.verdict is Verdict.ACCEPT for r in good) >= 57
    assert all(r.label is None and r.confidence is None for r in good)
    scratched = parts(8, 2)
    for picture in scratched:
        picture[28:36:4, 24:40] = 215
    results = [pipeline.inspect(Frame("s", i, p)) for i, p in enumerate(scratched)]
    assert [r.verdict for r in results] == [Verdict.REVIEW] * 8
    assert all(r.p_value is not None and r.p_value < 0.02 for r in results)
    pipeline.close()
    if kind == "anomaly map":
        check_report(tmp_path, tmp_path / "m.guard")


def check_report(folder: Path, file: Path) -> None:
    """There is no answer that could be right or wrong, and the report says so."""
    report = folder / "r.html"
    material = Material(references(parts(20, 0)), (), True, {})
    write_calibration_report(report, file, read_bundle(file), material, silent)
    words = re.sub(r"<[^>]+>", " ", report.read_text("utf-8"))
    assert "scores how unusual a picture is; the guard’s verdict is its answer" in words
    assert "This model gives no answer that could be right or wrong" in words
    assert "Reliability" not in words


def test_what_only_classifiers_can_promise_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path, "anomaly score")
    card, labels, _ = load_card(model)
    with pytest.raises(ConfigError, match="this model has no classes"):
        calibrate(
            model,
            references(parts(120, 0)),
            tmp_path / "m.guard",
            card=card,
            labels=labels,
            settings=Settings(wishes=Wishes(max_error=0.01)),
        )


def test_a_map_is_no_embedding(tmp_path: Path) -> None:
    model = write_model(tmp_path, "anomaly map")
    path = model.with_suffix(".toml")
    path.write_text(path.read_text().replace("anomaly", "embed"))
    card, labels, _ = load_card(model)
    with pytest.raises(CardError, match="is a map"):
        calibrate(model, references(parts(60, 0)), tmp_path / "m.guard", card=card, labels=labels)
