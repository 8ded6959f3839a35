"""Small ONNX networks for edge cases, with fixed random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
QDQ_LOGIT_STEP = 0.1


def serialized(
    nodes: Sequence[Any],
    weights: dict[str, np.ndarray],
    *,
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, tuple[int, list[Any]]],
) -> bytes:
    """Return a checked model of these nodes."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _random(*shape: int, scale: float = 0.4) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32) * scale


def residual_net(
    *, batch: Any = "batch", end: str | None = None, side: int = 16, channels: int = 3
) -> bytes:
    """Conv-relu, a residual block, conv-relu, pool, dense; optionally Softmax or Sigmoid."""
    conv = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], **conv),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], **conv),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], **conv),
        helper.make_node("Add", ["r1", "c3"], ["sum"]),
        helper.make_node("Conv", ["sum", "w4"], ["c4"], strides=[2, 2], **conv),
        helper.make_node("Relu", ["c4"], ["r4"]),
        helper.make_node("GlobalAveragePool", ["r4"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w5", "b5"], ["logits" if end else "y"]),
    ]
    if end:
        nodes.append(helper.make_node(end, ["logits"], ["y"]))
    weights = {
        "w1": _random(8, channels, 3, 3),
        "w2": _random(8, 8, 3, 3),
        "w3": _random(8, 8, 3, 3),
        "w4": _random(12, 8, 3, 3),
        "w5": _random(12, 5),
        "b5": _random(5),
    }
    return serialized(
        nodes,
        weights,
        inputs={"x": (FLOAT, [batch, channels, side, side])},
        outputs={"y": (FLOAT, [batch, 5])},
    )


def qdq_net() -> bytes:
    """A quantized net as exporters write it: int8 activations between QuantizeLinear and
    DequantizeLinear, two convolutions, pool, dense."""
    weights: dict[str, np.ndarray] = {}
    nodes: list[Any] = []

    def point(name: str, scale: float, zero: int) -> list[str]:
        weights[f"{name}_scale"] = np.array(scale, np.float32)
        weights[f"{name}_zero"] = np.array(zero, np.int8)
        return [f"{name}_scale", f"{name}_zero"]

    def quantized(name: str, scale: float, zero: int) -> str:
        parameters = point(name, scale, zero)
        nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_q"]))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}_q", *parameters], [f"{name}_d"])
        )
        return f"{name}_d"

    def weight(name: str, *shape: int) -> str:
        weights[f"{name}_q"] = np.random.default_rng(1).integers(-90, 90, shape).astype(np.int8)
        parameters = point(name, 0.01, 0)
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *parameters], [name]))
        return name

    x = quantized("x", 1 / 127.5, 0)
    nodes.append(helper.make_node("Conv", [x, weight("w1", 8, 1, 3, 3)], ["c1"], pads=[1] * 4))
    c1 = quantized("c1", 0.02, -128)
    nodes.append(helper.make_node("MaxPool", [c1], ["m1"], kernel_shape=[2, 2], strides=[2, 2]))
    m1 = quantized("m1", 0.02, -128)
    nodes.append(helper.make_node("Conv", [m1, weight("w2", 16, 8, 3, 3)], ["c2"], pads=[1] * 4))
    c2 = quantized("c2", 0.05, -128)
    nodes.append(helper.make_node("GlobalAveragePool", [c2], ["pool"]))
    nodes.append(helper.make_node("Flatten", ["pool"], ["flat"]))
    flat = quantized("flat", 0.03, -128)
    nodes.append(helper.make_node("MatMul", [flat, weight("w3", 16, 4)], ["l"]))
    logits = quantized("l", QDQ_LOGIT_STEP, 3)
    nodes[-1].output[0] = "y"
    assert logits == "l_d"
    return serialized(
        nodes,
        weights,
        inputs={"x": (FLOAT, ["n", 1, 16, 16])},
        outputs={"y": (FLOAT, ["n", 4])},
    )


def uint8_net() -> bytes:
    """uint8 NHWC pixels in, uint8 vector out; the quantization stands in the graph only."""
    weights = {
        "s": np.array(1 / 127.5, np.float32),
        "z": np.array(128, np.uint8),
        "so": np.array(0.05, np.float32),
        "zo": np.array(100, np.uint8),
        "w": _random(6, 3, 3, 3),
        "d": _random(6, 4),
        "axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["f"]),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["c"]),
        helper.make_node("ReduceMean", ["c", "axes"], ["m"], keepdims=0),
        helper.make_node("MatMul", ["m", "d"], ["l"]),
        helper.make_node("QuantizeLinear", ["l", "so", "zo"], ["y"]),
    ]
    return serialized(
        nodes, weights, inputs={"x": (UINT8, [1, 12, 10, 3])}, outputs={"y": (UINT8, [1, 4])}
    )


def single_node(
    op: str, shape: list[Any], out_type: int = FLOAT, out_shape: list[Any] | None = None, **kw: Any
) -> bytes:
    """One operator on a float input."""
    node = helper.make_node(op, ["x"], ["y"], **kw)
    return serialized(
        [node],
        {},
        inputs={"x": (FLOAT, shape)},
        outputs={"y": (out_type, shape if out_shape is None else out_shape)},
    )
