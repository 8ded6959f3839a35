"""ONNX files: the float network, and its int8 QDQ form by static quantization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from demo_model.layers import HEIGHT, INPUT, WIDTH, Floats, Layer

_OPSET = 17


def write_float(path: Path, layers: list[Layer]) -> None:
    """Write the float32 network, NCHW in, (1, classes) logits out."""
    nodes, weights = [], []
    for layer in layers:
        nodes += _nodes(layer)
        for role, value in (("weight", layer.weight), ("bias", layer.bias)):
            if value is not None:
                weights.append(numpy_helper.from_array(value, f"{layer.name}_{role}"))
    head = layers[-1]
    assert head.bias is not None
    graph = helper.make_graph(
        nodes,
        "demo_line",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(head.name, TensorProto.FLOAT, [1, len(head.bias)])],
        weights,
    )
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="edge-guard")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _nodes(layer: Layer) -> list[onnx.NodeProto]:
    """Return the layer's node, and its ReLU's."""
    inside = f"{layer.name}_linear" if layer.relu else layer.name
    inputs = list(layer.inputs)
    if layer.weight is not None:
        inputs += [f"{layer.name}_weight", f"{layer.name}_bias"]
    if layer.kind == "dense":
        nodes = [helper.make_node("Gemm", inputs, [inside], inside, transB=1)]
    elif layer.kind == "add":
        nodes = [helper.make_node("Add", inputs, [inside], inside)]
    elif layer.kind == "mean":
        pooled = f"{layer.name}_pooled"
        nodes = [
            helper.make_node("GlobalAveragePool", inputs, [pooled], pooled),
            helper.make_node("Flatten", [pooled], [inside], inside),
        ]
    else:
        nodes = [_convolution(layer, inputs, inside)]
    if layer.relu:
        nodes.append(helper.make_node("Relu", [inside], [layer.name], layer.name))
    return nodes


def _convolution(layer: Layer, inputs: list[str], output: str) -> onnx.NodeProto:
    assert layer.weight is not None
    outer, _, kernel, _ = layer.weight.shape
    before = 1 if kernel == 3 and layer.stride == 1 else 0
    after = 1 if kernel == 3 else 0
    return helper.make_node(
        "Conv",
        inputs,
        [output],
        output,
        kernel_shape=[kernel, kernel],
        strides=[layer.stride] * 2,
        pads=[before, before, after, after],
        group=outer if layer.kind == "depthwise" else 1,
    )


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, tensors: Floats) -> None:
        self._feeds = iter([{INPUT: tensor[None]} for tensor in tensors])

    def get_next(self) -> dict[str, Floats] | None:
        """Return the next image to calibrate on."""
        return next(self._feeds, None)


def quantize(source: Path, target: Path, tensors: Floats) -> None:
    """Write the int8 QDQ form of ``source``, ranges taken from (N, 3, H, W) ``tensors``."""
    quantization.quantize_static(
        str(source),
        str(target),
        _Reader(np.ascontiguousarray(tensors)),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
