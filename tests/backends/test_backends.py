"""Every backend keeps the contract: right values, stable memory, clear ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import QDQ_LOGIT_STEP, qdq_net, residual_net, single_node, uint8_net
from onnx.reference import ReferenceEvaluator

from edge_guard.backends import open_backend
from edge_guard.backends.layout import array_shape
from edge_guard.backends.spec import Backend, TapPlan, TensorSpec
from edge_guard.errors import ConfigError, ModelError

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo_line.tflite"
Oracle = Callable[[np.ndarray], np.ndarray]


def fill(backend: Backend, seed: int) -> np.ndarray:
    """Put a random picture in, and return it with its batch dimension."""
    rng = np.random.default_rng(seed)
    if backend.tensor.dtype == np.float32:
        picture = rng.uniform(-1, 1, backend.tensor.shape).astype(np.float32)
    else:
        limits = np.iinfo(backend.tensor.dtype)
        picture = rng.integers(limits.min, limits.max + 1, backend.tensor.shape)
    backend.tensor[...] = picture
    return backend.tensor[None].copy()


def onnx_oracle(model: bytes) -> Oracle:
    evaluator = ReferenceEvaluator(onnx.load_model_from_string(model))
    name = evaluator.input_names[0]
    return lambda x: evaluator.run(None, {name: x})[0][0]


def tflite_oracle(model: bytes) -> Oracle:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    given, taken = interpreter.get_output_details()[0], interpreter.get_input_details()[0]

    def run(x: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])[0]

    return run


MODELS = {
    "float NCHW, dynamic batch": ("onnx", residual_net),
    "float NCHW, softmax": ("onnx", lambda: residual_net(batch=1, end="Softmax")),
    "int8 QDQ, gray": ("onnx", qdq_net),
    "uint8 NHWC": ("onnx", uint8_net),
    "int8 TFLite": ("tflite", DEMO.read_bytes),
}


@pytest.fixture(params=MODELS)
def opened(request: pytest.FixtureRequest) -> tuple[Backend, Oracle]:
    kind, build = MODELS[request.param]
    model = build()
    oracle = onnx_oracle(model) if kind == "onnx" else tflite_oracle(model)
    return open_backend(model, kind=kind), oracle


def test_gives_what_an_independent_evaluator_gives(opened: tuple[Backend, Oracle]) -> None:
    backend, oracle = opened
    main = backend.plan.main
    # Quantized kernels round ties their own way: one step of the last quantization.
    tolerance = {"float32": 1e-4, "uint8": 1.0, "int8": 1.0}[main.dtype]
    if backend.input.channels == 1:
        tolerance = QDQ_LOGIT_STEP + 1e-4
    for seed in range(5):
        expected = oracle(fill(backend, seed))
        found = backend.run().main
        assert found.shape == array_shape(main) == expected.shape
        assert found.dtype == expected.dtype == np.dtype(main.dtype)
        assert np.abs(found.astype(np.float64) - expected).max() <= tolerance


def test_memory_stays_where_it_is(opened: tuple[Backend, Oracle]) -> None:
    backend, _ = opened
    fill(backend, 0)
    first = backend.run()
    before, kept = first.main.copy(), backend.tensor.ctypes.data
    fill(backend, 1)
    second = backend.run()  # the first outputs are still held
    assert second.main is first.main
    assert backend.tensor.ctypes.data == kept
    fill(backend, 0)
    assert np.array_equal(backend.run().main, before)


def test_close_ends_it(opened: tuple[Backend, Oracle]) -> None:
    backend, _ = opened
    outputs = backend.run()
    before = outputs.main.copy()
    backend.close()
    backend.close()
    with pytest.raises(ModelError, match="closed"):
        backend.run()
    assert np.array_equal(outputs.main, before)


def test_runtime_is_told_truthfully() -> None:
    assert open_backend(residual_net(), kind="onnx").runtime.backend == "onnxruntime"
    assert open_backend(residual_net(), kind="onnx").runtime.version == onnxruntime.__version__
    runtime = open_backend(DEMO).runtime
    assert (runtime.backend, runtime.kernels) == ("ai-edge-litert", "xnnpack")


def test_threads_do_not_change_the_answer() -> None:
    one, two = (open_backend(residual_net(), kind="onnx", threads=n) for n in (1, 2))
    fill(one, 3)
    two.tensor[...] = one.tensor
    assert np.allclose(one.run().main, two.run().main, atol=1e-5)


def test_nan_is_handed_on() -> None:
    backend = open_backend(single_node("Log", [1, 3, 8, 8]), kind="onnx")
    backend.tensor[...] = -1.0
    assert np.isnan(backend.run().main).all()


def test_uint8_input_of_onnx_takes_its_quantization_from_the_plan() -> None:
    bare = open_backend(uint8_net(), kind="onnx")
    assert (bare.input.height, bare.input.width, bare.input.channels_last) == (12, 10, True)
    known = TensorSpec("x", "uint8", 12, 10, 3, True, 1 / 127.5, 128)
    plan = TapPlan(known, bare.plan.main, None, False, ())
    assert open_backend(uint8_net(), plan, kind="onnx").input == known


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_plan_of_another_model_is_refused(kind: str) -> None:
    model = residual_net() if kind == "onnx" else DEMO.read_bytes()
    plan = open_backend(model, kind=kind).plan
    other = TensorSpec("nowhere", "float32", 1, 1, 7)
    wrong = TapPlan(plan.input, plan.main, None, False, (other,))
    with pytest.raises(ModelError, match="nowhere"):
        open_backend(model, wrong, kind=kind)
    larger = TensorSpec(plan.main.name, plan.main.dtype, 1, 1, plan.main.channels + 1)
    with pytest.raises(ModelError, match="calibrate again"):
        open_backend(model, TapPlan(plan.input, larger, None, False, ()), kind=kind)


@pytest.mark.parametrize(
    ("kind", "module", "package"),
    [("onnx", "onnxruntime", "onnxruntime"), ("tflite", "ai_edge_litert", "ai-edge-litert")],
)
def test_missing_runtime_names_what_to_install(
    kind: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(f"edge_guard.backends.{kind}.import_module", absent)
    with pytest.raises(ConfigError, match=f"pip install {package}"):
        open_backend(b"\0\0\0\0TFL3" + bytes(60), kind=kind)
