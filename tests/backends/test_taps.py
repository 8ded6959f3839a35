"""Taps: the right tensors, at several depths, with the values the network really has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import QDQ_LOGIT_STEP, qdq_net, residual_net, single_node, uint8_net
from onnx.reference import ReferenceEvaluator
from realdata import linked_model, needs_data

from edge_guard.backends import open_backend, taps
from edge_guard.backends.candidates import find_head, map_candidates, shortlist
from edge_guard.backends.layout import array_shape
from edge_guard.backends.onnx_graph import unsigned_activations
from edge_guard.backends.spec import Backend
from edge_guard.backends.taps import TappedModel, read_graph, tap_model
from edge_guard.backends.timing import agree, run_times_us
from edge_guard.card import Card, InputCard, OutputCard, TapsCard
from edge_guard.errors import CardError, ConfigError, ModelError

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo_line.tflite"
RGB = InputCard("rgb", mean=(127.5,), std=(127.5,))
GRAY = InputCard("gray", mean=(127.5,), std=(127.5,))


@pytest.fixture(autouse=True)
def short_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taps, "_TIMING_SECONDS", 0.1)
    monkeypatch.setattr(taps, "_CHECKING_SECONDS", 0.1)


def tapped(folder: Path, model: bytes, card: Card) -> TappedModel:
    path = folder / "net.onnx"
    path.write_bytes(model)
    return tap_model(path, card)


def opened(found: TappedModel) -> Backend:
    return open_backend(found.model, found.plan, kind=found.kind)


def test_automatic_taps_of_a_residual_net(tmp_path: Path) -> None:
    plan = tapped(tmp_path, residual_net(), Card(RGB)).plan
    names = [spec.name for spec in plan.taps]
    assert names[:2] == ["r1", "r2"]
    assert names[2] in ("sum", "r4")  # what no skip connection passes by: not c3
    assert names[3] in ("pool", "flat")
    assert plan.taps[-1].height * plan.taps[-1].width == 1
    assert plan.logits == plan.main
    assert not plan.probabilities


def test_tapped_values_are_the_networks_own(tmp_path: Path) -> None:
    model = residual_net(batch=1)
    found = tapped(tmp_path, model, Card(RGB))
    backend = opened(found)
    rng = np.random.default_rng(0)
    backend.tensor[...] = rng.uniform(-1, 1, backend.tensor.shape)
    outputs = backend.run()
    proto = onnx.load_model_from_string(model)
    for spec in found.plan.taps:
        proto.graph.output.add(name=spec.name).type.tensor_type.elem_type = 1
    expected = ReferenceEvaluator(proto).run(None, {"x": backend.tensor[None]})
    assert np.allclose(outputs.main, expected[0][0], atol=1e-4)
    for spec, array, oracle in zip(found.plan.taps, outputs.taps, expected[1:], strict=True):
        assert array.shape == array_shape(spec)
        assert np.allclose(array.reshape(-1), oracle.reshape(-1), atol=1e-4), spec.name


def test_memory_of_taps_stays_where_it_is(tmp_path: Path) -> None:
    backend = opened(tapped(tmp_path, residual_net(), Card(RGB)))
    first = backend.run()
    places = [tap.ctypes.data for tap in first.taps]
    backend.tensor[...] = 1.0
    second = backend.run()
    assert [tap.ctypes.data for tap in second.taps] == places
    assert np.any(second.taps[0] != 0)


@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_logits_are_tapped_before_the_activation(tmp_path: Path, end: str) -> None:
    card = Card(RGB, OutputCard(activation=end.lower()))
    found = tapped(tmp_path, residual_net(end=end), card)
    assert found.plan.logits is not None
    assert found.plan.logits.name == "logits"
    assert not found.plan.probabilities
    backend = opened(found)
    backend.tensor[...] = np.random.default_rng(1).uniform(-1, 1, backend.tensor.shape)
    outputs = backend.run()
    assert outputs.logits is not None
    exponent = np.exp(outputs.logits - outputs.logits.max())
    expected = exponent / exponent.sum() if end == "Softmax" else 1 / (1 + np.exp(-outputs.logits))
    assert np.allclose(outputs.main, expected, atol=1e-5)


def test_probabilities_without_a_visible_softmax(tmp_path: Path) -> None:
    """A softmax written out in elementary operators is a softmax that cannot be tapped before."""
    model = onnx.load_model_from_string(residual_net(end="Softmax"))
    model.graph.node.pop()
    model.graph.node.extend(
        [
            onnx.helper.make_node("Exp", ["logits"], ["e"]),
            onnx.helper.make_node("ReduceSum", ["e"], ["s"], keepdims=1),
            onnx.helper.make_node("Div", ["e", "s"], ["y"]),
        ]
    )
    card = Card(RGB, OutputCard(activation="softmax"))
    plan = tapped(tmp_path, model.SerializeToString(), card).plan
    assert plan.probabilities
    assert plan.logits == plan.main


def test_quantized_net_gives_integers_with_their_scale(tmp_path: Path) -> None:
    found = tapped(tmp_path, qdq_net(), Card(GRAY, taps=TapsCard(features="flat")))
    bare, backend = open_backend(qdq_net(), kind="onnx"), opened(found)
    assert {spec.dtype for spec in found.plan.taps} <= {"int8", "uint8"}
    assert agree(bare, backend)
    backend.tensor[...] = np.random.default_rng(2).uniform(-1, 1, backend.tensor.shape)
    outputs = backend.run()
    evaluator = ReferenceEvaluator(onnx.load_model_from_string(qdq_net()))
    expected = evaluator.run(None, {"x": backend.tensor[None]})[0][0]
    assert np.abs(outputs.main - expected).max() <= QDQ_LOGIT_STEP + 1e-4
    features = found.plan.taps[-1]
    assert features.name == "flat_q"
    assert features.scale == pytest.approx(0.03)
    assert features.zero_point == (0 if features.dtype == "uint8" else -128)


def test_unsigned_activations_are_the_same_network() -> None:
    unsigned = unsigned_activations(qdq_net(), "net")
    assert unsigned is not None
    assert b"int8" in unsigned
    bare, other = (open_backend(model, kind="onnx") for model in (qdq_net(), unsigned))
    assert agree(bare, other)
    assert unsigned_activations(residual_net(), "net") is None
    assert unsigned_activations(uint8_net(), "net") is None


def test_agreement_tells_networks_apart() -> None:
    net = open_backend(residual_net(batch=1), kind="onnx")
    other = onnx.load_model_from_string(residual_net(batch=1))
    other.graph.initializer[-1].CopyFrom(
        onnx.numpy_helper.from_array(np.array([5, 0, 0, 0, -5], np.float32), "b5")
    )
    assert agree(net, open_backend(residual_net(), kind="onnx"))
    assert not agree(net, open_backend(other.SerializeToString(), kind="onnx"))


def test_timing_tells_a_small_net_from_a_large_one() -> None:
    small, large = (
        open_backend(residual_net(batch=1, side=side), kind="onnx") for side in (16, 256)
    )
    times = run_times_us({"small": small, "large": large}, 0.2)
    assert 0 < times["small"] < times["large"]


def test_integer_input_brings_its_quantization(tmp_path: Path) -> None:
    card = Card(RGB, OutputCard(task="classify"))
    plan = tapped(tmp_path, uint8_net(), card).plan
    assert (plan.input.dtype, plan.input.zero_point) == ("uint8", 128)
    assert plan.input.scale == pytest.approx(1 / 127.5)
    assert plan.main.scale == pytest.approx(0.05)


def test_named_taps_are_taken_as_named(tmp_path: Path) -> None:
    card = Card(RGB, taps=TapsCard(features="flat", maps=("c3", "r1")))
    plan = tapped(tmp_path, residual_net(), card).plan
    assert [spec.name for spec in plan.taps] == ["c3", "r1", "flat"]
    none = Card(RGB, taps=TapsCard(features=(), maps=()))
    assert tapped(tmp_path, residual_net(), none).plan.taps == ()


def test_the_float_name_of_a_quantized_activation_works(tmp_path: Path) -> None:
    card = Card(GRAY, taps=TapsCard(maps=("c1", "m1_d")))
    plan = tapped(tmp_path, qdq_net(), card).plan
    assert [spec.name for spec in plan.taps[:2]] == ["c1_q", "m1_q"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (TapsCard(maps="rr1"), "'rr1'.*nearest: .*r1"),
        (TapsCard(features="sum"), "'sum', which is a map.*under maps"),
        (TapsCard(maps="flat"), "'flat', which is a vector.*under features"),
        (TapsCard(maps="w1"), "'w1', which the model has not"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, named: TapsCard, said: str) -> None:
    with pytest.raises(CardError, match=said) as caught:
        tapped(tmp_path, residual_net(), Card(RGB, taps=named))
    assert "net.onnx" in str(caught.value)


def test_an_embedding_is_its_own_feature(tmp_path: Path) -> None:
    model = single_node("GlobalAveragePool", [1, 3, 16, 16], out_shape=[1, 3, 1, 1])
    found = tapped(tmp_path, model, Card(RGB, OutputCard(task="embed")))
    assert found.plan.logits is None
    assert found.plan.taps[-1] == found.plan.main
    outputs = opened(found).run()
    assert outputs.taps[-1].shape == outputs.main.shape == (3,)


def test_costs_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A map that breaks a fusion is not taken, and what does not fit the budget is dropped."""
    monkeypatch.setattr(
        taps,
        "_costs",
        lambda source, specs: taps._Costs({s.name: 500.0 * (s.name == "sum") for s in specs}, 3.0),
    )
    names = [s.name for s in tapped(tmp_path, residual_net(), Card(RGB)).plan.taps]
    assert names[:3] == ["r1", "r2", "r4"]
    slow = iter(range(100, 10**6, 100))
    monkeypatch.setattr(taps, "run_times_us", lambda backends, s: {n: next(slow) for n in backends})
    names = [s.name for s in tapped(tmp_path, residual_net(), Card(RGB)).plan.taps]
    assert len(names) == 2


def test_candidates_keep_to_the_budget() -> None:
    model = residual_net(batch=1, side=64)
    backend = open_backend(model, kind="onnx")
    graph = read_graph(model, backend, "net")
    candidates = map_candidates(graph)
    names = [candidate.spec.name for candidate in candidates]
    assert "c1" not in names  # its ReLU fuses with it
    assert [c.depth for c in candidates] == sorted(c.depth for c in candidates)
    assert {c.band for c in shortlist(candidates)} == {0, 1, 2}
    assert find_head(graph).classified


def test_missing_onnx_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr("edge_guard.backends.onnx_graph.import_module", absent)
    with pytest.raises(ConfigError, match=r"edge-guard\[calibrate\]"):
        tapped(tmp_path, residual_net(), Card(RGB))


def test_a_model_that_only_gives_nan_is_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(residual_net(batch=1))
    model.graph.initializer[-1].CopyFrom(
        onnx.numpy_helper.from_array(np.full(5, np.nan, np.float32), "b5")
    )
    with pytest.raises(ModelError, match="not finite"):
        tapped(tmp_path, model.SerializeToString(), Card(RGB))


def check_bit_identity(path: Path, found: TappedModel, runs: int) -> None:
    bare, backend = open_backend(path), opened(found)
    rng = np.random.default_rng(3)
    for _ in range(runs):
        low, high = (0, 256) if bare.tensor.dtype != np.int8 else (-128, 128)
        bare.tensor[...] = rng.integers(low, high, bare.tensor.shape)
        backend.tensor[...] = bare.tensor
        assert np.array_equal(bare.run().main, backend.run().main)
    assert bare.runtime == backend.runtime


def test_tapped_tflite_keeps_its_output_bit_for_bit(tmp_path: Path) -> None:
    found = tap_model(DEMO, Card(RGB))
    check_bit_identity(DEMO, found, 50)
    assert found.model.startswith(DEMO.read_bytes()[:8])
    assert len(found.model) - DEMO.stat().st_size < 100  # appended, nothing rewritten


def test_tapped_tflite_keeps_its_signatures() -> None:
    found = tap_model(DEMO, Card(RGB))
    before, after = (
        Interpreter(model_content=data).get_signature_list()
        for data in (DEMO.read_bytes(), found.model)
    )
    assert before == after


@needs_data
@pytest.mark.parametrize(
    "name", ["resnet8_cifar10_int8", "resnet8_cifar10_float", "pcb_simplecnn_int8_tflite"]
)
def test_real_tflite_outputs_stay_bit_identical(tmp_path: Path, name: str) -> None:
    path = linked_model(name, tmp_path)
    gray = "pcb" in name
    card = Card(
        InputCard("gray" if gray else "rgb"),
        OutputCard(activation="logits" if gray else "softmax"),
    )
    found = tap_model(path, card)
    check_bit_identity(path, found, 100)
    assert len(found.plan.taps) == 4
