"""The shipped classifiers are small, alike, and good but not perfect at their task."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from demo_model import check, dataset
from demo_model.layers import MEAN, STD
from line_simulator.defects import LABELS

from edge_guard.card import Card

MODELS = Path(__file__).resolve().parents[2] / "models"
UNSEEN_SEED = 9001


@cache
def unseen() -> tuple[dataset.Images, dataset.Labels]:
    return dataset.images(40, UNSEEN_SEED)


@cache
def answers(kind: str) -> npt.NDArray[np.intp]:
    return check.logits(MODELS / f"demo_line.{kind}", unseen()[0]).argmax(1)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_model_is_small_and_knows_the_parts(kind: str) -> None:
    assert (MODELS / f"demo_line.{kind}").stat().st_size < 300_000
    assert (answers(kind) == unseen()[1]).mean() > 0.94


def test_both_files_give_the_same_answers() -> None:
    assert (answers("onnx") == answers("tflite")).mean() > 0.97


def test_card_says_what_training_did() -> None:
    card = msgspec.toml.decode((MODELS / "demo_line.toml").read_bytes(), type=Card)
    assert card.input.mean == MEAN
    assert card.input.std == STD
    assert card.output.labels == LABELS


def test_both_files_are_int8_inside() -> None:
    graph = onnx.load(MODELS / "demo_line.onnx").graph
    weights = {t.name: t.data_type for t in graph.initializer if t.name.endswith("_quantized")}
    assert weights["stem_weight_quantized"] == onnx.TensorProto.INT8
    assert sum(node.op_type == "QuantizeLinear" for node in graph.node) > 10
    interpreter = Interpreter(model_path=str(MODELS / "demo_line.tflite"))
    interpreter.allocate_tensors()
    for details in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        assert details["dtype"] is np.int8
        assert details["quantization"][0] > 0


def test_models_folder_is_small_enough_for_a_wheel() -> None:
    assert sum(path.stat().st_size for path in MODELS.iterdir()) < 16_000_000
