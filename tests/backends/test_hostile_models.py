"""Damaged, hostile and unsuitable models are refused by name, and never crash the process."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import FLOAT, residual_net, serialized, single_node
from onnx import TensorProto, helper

from edge_guard.backends import open_backend
from edge_guard.errors import ModelError

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo_line.tflite"

CHILD = """
import random, sys
from pathlib import Path
from edge_guard.backends import open_backend
from edge_guard.backends.taps import read_graph
from edge_guard.errors import EdgeGuardError
whole = Path(sys.argv[1]).read_bytes()
kind = sys.argv[2]
for seed in range(int(sys.argv[3])):
    rng = random.Random(seed)
    data = bytearray(whole)
    if seed % 3 == 0:
        del data[rng.randrange(8, len(data)):]
    else:
        end = len(data) if seed % 3 == 1 else min(len(data), 4000)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data) - end, len(data))] = rng.randrange(256)
    try:
        backend = open_backend(bytes(data), kind=kind, name="mutant")
        backend.run()
        read_graph(bytes(data), backend, "mutant")
    except EdgeGuardError as error:
        assert "\\n" not in str(error)
        assert "mutant" in str(error), error
print("survived")
"""


def write(folder: Path, data: bytes, suffix: str = ".onnx") -> Path:
    path = folder / f"part{suffix}"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize(
    "data", [b"", b"x", b"garbage" * 100, bytes(4096), b"\x18\x00\x00\x00TFL3" + b"\xff" * 200]
)
def test_garbage_is_refused_by_name(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = write(tmp_path, data, suffix)
    with pytest.raises(ModelError, match="part") as caught:
        open_backend(path)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_and_a_foreign_suffix(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx"):
        open_backend(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="neither an ONNX nor a TFLite"):
        open_backend(write(tmp_path, residual_net(), ".pt"))


def test_a_tflite_model_is_known_by_its_content(tmp_path: Path) -> None:
    assert open_backend(write(tmp_path, DEMO.read_bytes(), ".bin")).runtime.backend != "onnxruntime"


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_mutants_never_crash(tmp_path: Path, kind: str) -> None:
    model = DEMO.read_bytes() if kind == "tflite" else residual_net()
    path = write(tmp_path, model)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), kind, "90"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("survived\n")


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(residual_net())
    path = tmp_path / "outside.onnx"
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(ModelError, match=r"other files.*onnx\.save"):
        open_backend(path)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (residual_net(batch=4), "batch"),
        (single_node("Relu", [1, 3, "h", 8]), "fixed height"),
        (single_node("Relu", [1, 12]), "one image"),
        (single_node("Relu", [1, 5, 8, 8]), "1 or 3 channels"),
        (single_node("Relu", [1, 3, 0, 8]), "fixed height"),
        (
            single_node("ArgMax", [1, 3, 8, 8], TensorProto.INT64, [1, 1, 8, 8], axis=1),
            "no ArgMax",
        ),
        (
            single_node("Cast", [1, 3, 8, 8], TensorProto.DOUBLE, to=TensorProto.DOUBLE),
            "float32, int8 or uint8",
        ),
    ],
)
def test_unsuitable_shapes_and_types(model: bytes, said: str) -> None:
    with pytest.raises(ModelError, match="part7") as caught:
        open_backend(model, kind="onnx", name="part7")
    assert said in str(caught.value)


def test_two_inputs_are_refused() -> None:
    model = serialized(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        {},
        inputs={"a": (FLOAT, [1, 3, 8, 8]), "b": (FLOAT, [1, 3, 8, 8])},
        outputs={"y": (FLOAT, [1, 3, 8, 8])},
    )
    with pytest.raises(ModelError, match="2 inputs"):
        open_backend(model, kind="onnx")


def test_a_model_that_fails_while_running_is_a_model_error() -> None:
    # Reshape to 7 values fits no picture: the runtime finds out when it runs.
    model = serialized(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("NonZero", ["f"], ["nz"]),
            helper.make_node("Shape", ["nz"], ["s"]),
            helper.make_node("Expand", ["f", "s"], ["y"]),
        ],
        {},
        inputs={"x": (FLOAT, [1, 3, 8, 8])},
        outputs={"y": (FLOAT, ["a", "b"])},
    )
    with pytest.raises(ModelError, match="part9: onnxruntime failed"):
        open_backend(model, kind="onnx", name="part9")


def test_random_bytes_after_a_valid_model_do_no_harm() -> None:
    tail = random.Random(0).randbytes(1000)
    backend = open_backend(DEMO.read_bytes() + tail, kind="tflite")
    assert np.all(np.isfinite(backend.run().main.astype(float)))
