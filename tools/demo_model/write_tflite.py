"""The int8 TFLite file, with the activation ranges that the int8 ONNX file was calibrated to.

Both files then hold the same network at the same precision. Conventions: TensorFlow Lite 8-bit
quantization specification (weights int8, symmetric, one scale an output channel; biases int32 at
input scale × weight scale; activations int8 with one scale and zero point).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from demo_model.layers import HEIGHT, INPUT, WIDTH, Floats, Layer

_OPERATORS = {
    "conv": schema.BuiltinOperator.CONV_2D,
    "depthwise": schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    "add": schema.BuiltinOperator.ADD,
    "mean": schema.BuiltinOperator.MEAN,
    "dense": schema.BuiltinOperator.FULLY_CONNECTED,
}
_VERSIONS = {"conv": 3, "depthwise": 3, "add": 2, "mean": 2, "dense": 4}
"""The first operator versions with int8."""


@dataclass(frozen=True)
class Quantization:
    """real = (stored − zero) · scale, one scale a channel of ``axis`` where there are several."""

    scale: Floats
    zero: int = 0
    axis: int = 0


def write(path: Path, layers: list[Layer], quantized_onnx: Path) -> None:
    """Write ``layers`` as a full-int8 NHWC model with the ranges of ``quantized_onnx``."""
    writer = _Writer(_activations(onnx.load(quantized_onnx)))
    writer.activation(INPUT, (1, HEIGHT, WIDTH, 3))
    for layer in layers:
        writer.layer(layer)
    path.write_bytes(writer.file(INPUT, layers[-1].name))


def _activations(model: onnx.ModelProto) -> dict[str, Quantization]:
    """Return scale and zero point of each activation, by its name in the float network."""
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = values[node.input[1]], values[node.input[2]]
            name = node.input[0].removesuffix("_QuantizeLinear_Input")
            found[name] = Quantization(np.atleast_1d(scale), int(zero))
    return found


class _Writer:
    """Gathers tensors, buffers and operators of one subgraph."""

    def __init__(self, activations: dict[str, Quantization]) -> None:
        self._activations = activations
        self._tensors: list[Any] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._numbers: dict[str, int] = {}
        self._buffers = [schema.BufferT()]
        self._operators: list[Any] = []
        self._kinds = list(_OPERATORS)

    def activation(self, name: str, shape: tuple[int, ...]) -> None:
        """Add an int8 tensor that is computed."""
        self._add(name, shape, schema.TensorType.INT8, self._activations[name], buffer=0)

    def constant(
        self, name: str, values: npt.NDArray[Any], quantization: Quantization | None
    ) -> None:
        """Add a tensor that is stored: int8 weights, int32 biases or axes."""
        kind = schema.TensorType.INT8 if values.dtype == np.int8 else schema.TensorType.INT32
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._add(name, values.shape, kind, quantization, buffer=len(self._buffers) - 1)

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: int,
        quantization: Quantization | None,
        *,
        buffer: int,
    ) -> None:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), shape, kind, buffer
        if quantization is not None:
            tensor.quantization = _parameters(quantization)
        self._numbers[name] = len(self._tensors)
        self._shapes[name] = shape
        self._tensors.append(tensor)

    def layer(self, layer: Layer) -> None:
        """Add one operator with its constants and its output."""
        inputs = list(layer.inputs)
        if layer.weight is not None:
            inputs += self._weights(layer)
        elif layer.kind == "mean":
            self.constant("axes", np.array([1, 2], np.int32), None)
            inputs.append("axes")
        self.activation(layer.name, self._output_shape(layer))
        operator = schema.OperatorT()
        operator.opcodeIndex = self._kinds.index(layer.kind)
        operator.inputs = [self._numbers[name] for name in inputs]
        operator.outputs = [self._numbers[layer.name]]
        operator.builtinOptionsType, operator.builtinOptions = _options(layer)
        self._operators.append(operator)

    def _weights(self, layer: Layer) -> list[str]:
        """Add weights and bias in TFLite's order of axes."""
        assert layer.weight is not None
        assert layer.bias is not None
        weight = layer.weight
        if layer.kind == "conv":
            weight = weight.transpose(0, 2, 3, 1)
        elif layer.kind == "depthwise":
            weight = weight.transpose(1, 2, 3, 0)
        axis = 3 if layer.kind == "depthwise" else 0
        others = tuple(i for i in range(weight.ndim) if i != axis)
        scale = np.abs(weight).max(others if layer.kind != "dense" else None, keepdims=True) / 127
        stored = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
        scales = scale.reshape(-1).astype(np.float32)
        self.constant(f"{layer.name}_weight", stored, Quantization(scales, axis=axis))
        bias_scale = scales * self._activations[layer.inputs[0]].scale
        bias = np.rint(layer.bias / bias_scale).astype(np.int32)
        self.constant(f"{layer.name}_bias", bias, Quantization(bias_scale))
        return [f"{layer.name}_weight", f"{layer.name}_bias"]

    def _output_shape(self, layer: Layer) -> tuple[int, ...]:
        shape = self._shapes[layer.inputs[0]]
        if layer.kind == "add":
            return shape
        if layer.kind == "mean":
            return (1, shape[3])
        assert layer.weight is not None
        channels = layer.weight.shape[0]
        if layer.kind == "dense":
            return (1, channels)
        return (1, shape[1] // layer.stride, shape[2] // layer.stride, channels)

    def file(self, source: str, target: str) -> bytes:
        """Return the flatbuffer."""
        graph = schema.SubGraphT()
        graph.name = b"main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [self._numbers[source]], [self._numbers[target]]
        model = schema.ModelT()
        model.version, model.description = 3, b"edge-guard demo line"
        model.operatorCodes = [_code(kind) for kind in self._kinds]
        model.subgraphs, model.buffers = [graph], self._buffers
        builder = flatbuffers.Builder(1 << 17)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _parameters(quantization: Quantization) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = quantization.scale.astype(np.float32)
    parameters.zeroPoint = np.full(len(quantization.scale), quantization.zero, np.int64)
    parameters.quantizedDimension = quantization.axis
    return parameters


def _code(kind: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = _OPERATORS[kind]
    code.version = _VERSIONS[kind]
    return code


def _options(layer: Layer) -> tuple[int, Any]:
    """Return type and table of an operator's options."""
    relu = schema.ActivationFunctionType.RELU
    activation = relu if layer.relu else schema.ActivationFunctionType.NONE
    options: Any
    if layer.kind == "mean":
        options = schema.ReducerOptionsT()
        return schema.BuiltinOptions.ReducerOptions, options
    if layer.kind == "add":
        options, number = schema.AddOptionsT(), schema.BuiltinOptions.AddOptions
    elif layer.kind == "dense":
        options = schema.FullyConnectedOptionsT()
        number = schema.BuiltinOptions.FullyConnectedOptions
    else:
        options, number = _convolution_options(layer)
    options.fusedActivationFunction = activation
    return number, options


def _convolution_options(layer: Layer) -> tuple[Any, int]:
    if layer.kind == "depthwise":
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        number = schema.BuiltinOptions.DepthwiseConv2DOptions
    else:
        options, number = schema.Conv2DOptionsT(), schema.BuiltinOptions.Conv2DOptions
    options.padding = schema.Padding.SAME
    options.strideH = options.strideW = layer.stride
    options.dilationHFactor = options.dilationWFactor = 1
    return options, number
