"""Small detectors of the parts in ``parts.py``: a YOLOv8-style ONNX, an SSD-style TFLite file.

Each cell of 2 px asks how red, or how blue, the disc around it is. No training: the weights are
averages and differences of colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from onnx import TensorProto, helper, numpy_helper
from parts import LABELS, SIDE, SIZE

STRIDE = 2
CELLS = SIDE // STRIDE
_KERNEL = 15
_GAIN, _LIMIT = 24.0, 0.30
CARD = f"""
[input]
color = "rgb"
mean = [0.0]
std = [255.0]
[output]
task = "detect"
labels = {list(LABELS)}
threshold = 0.5
"""


def weights() -> tuple[np.ndarray, np.ndarray]:
    """Return kernels (channels, 3, 15, 15) and biases: red disc, blue disc, and their surround."""
    rows, columns = np.indices((_KERNEL, _KERNEL)) - _KERNEL // 2
    disc = (np.hypot(rows, columns) < SIZE / 2).astype(np.float32)
    ring = ((np.hypot(rows, columns) >= SIZE / 2) & (np.hypot(rows, columns) < 7.9)) * 1.0
    kernel = np.zeros((8, 3, _KERNEL, _KERNEL), np.float32)
    for kind, (own, other) in enumerate(((0, 2), (2, 0))):
        kernel[kind, own], kernel[kind, other] = disc / disc.sum(), -disc / disc.sum()
        kernel[kind, own] -= 0.5 * ring / ring.sum()
        kernel[kind, other] += 0.5 * ring / ring.sum()
    kernel[2:] = np.random.default_rng(0).normal(size=(6, 3, _KERNEL, _KERNEL)) * 0.02
    return kernel, np.zeros(8, np.float32)


def write_yolo(path: Path, *, card: str = CARD) -> Path:
    """Write the ONNX file: (1, 4 + 2, 1024) of centre, size in px, and a score a class."""
    kernel, bias = weights()
    at = np.arange(CELLS) * STRIDE + 0.5 * STRIDE
    grid = np.stack([np.tile(at, CELLS), np.repeat(at, CELLS)])
    boxes = np.concatenate([grid, np.full_like(grid, SIZE)])[None].astype(np.float32)
    head = np.zeros((2, 8, 1, 1), np.float32)
    head[0, 0], head[1, 1] = _GAIN, _GAIN
    tensors = {
        "w": kernel,
        "b": bias,
        "h": head,
        "hb": np.full(2, -_GAIN * _LIMIT, np.float32),
        "boxes": boxes,
        "shape": np.array([1, 2, CELLS * CELLS], np.int64),
    }
    pads = [_KERNEL // 2, _KERNEL // 2, _KERNEL // 2 - 1, _KERNEL // 2 - 1]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=pads, strides=[STRIDE, STRIDE]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "h", "hb"], ["l"]),
        helper.make_node("Sigmoid", ["l"], ["s"]),
        helper.make_node("Reshape", ["s", "shape"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, CELLS * CELLS])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    path.with_suffix(".toml").write_text(card)
    return path


def write_ssd(path: Path, *, card: str = CARD) -> Path:
    """Write the TFLite file: convolutions, then TensorFlow's own detection post-processing."""
    kernel, bias = weights()
    builder = _Tflite()
    builder.tensor("x", (1, SIDE, SIDE, 3))
    builder.constant("w", kernel.transpose(0, 2, 3, 1))
    builder.constant("b", bias)
    builder.tensor("c", (1, CELLS, CELLS, 8))
    builder.convolution(["x", "w", "b"], "c", stride=STRIDE, relu=True)
    head = np.zeros((3, 1, 1, 8), np.float32)  # background first
    head[1, 0, 0, 0], head[2, 0, 0, 1] = _GAIN, _GAIN
    builder.constant("h", head)
    builder.constant("hb", np.array([-9.0, *[-_GAIN * _LIMIT] * 2], np.float32))
    builder.tensor("l", (1, CELLS, CELLS, 3))
    builder.convolution(["c", "h", "hb"], "l")
    builder.tensor("s", (1, CELLS, CELLS, 3))
    builder.operator("LOGISTIC", ["l"], ["s"])
    builder.constant("shape", np.array([1, CELLS * CELLS, 3], np.int32))
    builder.tensor("scores", (1, CELLS * CELLS, 3))
    builder.operator("RESHAPE", ["s", "shape"], ["scores"])
    builder.constant("box shape", np.array([1, CELLS * CELLS, 4], np.int32))
    zero = np.zeros((4, 1, 1, 8), np.float32)
    builder.constant("z", zero)
    builder.constant("zb", np.zeros(4, np.float32))
    builder.tensor("e", (1, CELLS, CELLS, 4))
    builder.convolution(["c", "z", "zb"], "e")
    builder.tensor("encodings", (1, CELLS * CELLS, 4))
    builder.operator("RESHAPE", ["e", "box shape"], ["encodings"])
    at = (np.arange(CELLS) * STRIDE + 0.5 * STRIDE) / SIDE
    sizes = np.full(CELLS * CELLS, SIZE / SIDE)
    anchors = np.stack([np.repeat(at, CELLS), np.tile(at, CELLS), sizes, sizes], 1)
    builder.constant("anchors", anchors.astype(np.float32))
    outputs = [f"TFLite_Detection_PostProcess{suffix}" for suffix in ("", ":1", ":2", ":3")]
    for name in outputs:
        builder.tensor(name, ())  # as real files have them: sizes come with the first run
    builder.postprocessing(["encodings", "scores", "anchors"], outputs)
    path.write_bytes(builder.file("x", outputs))
    path.with_suffix(".toml").write_text(card)
    return path


class _Tflite:
    """Gathers one subgraph of float tensors."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._names: list[str] = []
        self._buffers = [schema.BufferT()]
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def tensor(self, name: str, shape: tuple[int, ...], *, kind: int = 0, buffer: int = 0) -> None:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), shape, kind, buffer
        self._tensors.append(tensor)
        self._names.append(name)

    def constant(self, name: str, values: np.ndarray) -> None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        kind = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}
        self.tensor(name, values.shape, kind=kind[str(values.dtype)], buffer=len(self._buffers) - 1)

    def convolution(
        self, inputs: list[str], output: str, *, stride: int = 1, relu: bool = False
    ) -> None:
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        if relu:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        self.operator("CONV_2D", inputs, [output])
        self._operators[-1].builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        self._operators[-1].builtinOptions = options

    def operator(self, kind: str, inputs: list[str], outputs: list[str]) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs = [self._names.index(name) for name in inputs]
        operator.outputs = [self._names.index(name) for name in outputs]
        self._operators.append(operator)

    def postprocessing(self, inputs: list[str], outputs: list[str]) -> None:
        self.operator("CUSTOM", inputs, outputs)
        self._codes[-1].customCode = b"TFLite_Detection_PostProcess"
        builder = flexbuffers.Builder()
        with builder.Map():
            for key, number in (
                ("max_detections", 10),
                ("max_classes_per_detection", 1),
                ("detections_per_class", 10),
                ("num_classes", 2),
            ):
                builder.Int(key, number)
            builder.Bool("use_regular_nms", False)
            for key, value in (
                ("nms_score_threshold", 0.02),
                ("nms_iou_threshold", 0.4),
                ("y_scale", 10.0),
                ("x_scale", 10.0),
                ("h_scale", 5.0),
                ("w_scale", 5.0),
            ):
                builder.Float(key, value)
        self._operators[-1].customOptions = np.frombuffer(builder.Finish(), np.uint8)

    def file(self, source: str, targets: list[str]) -> bytes:
        graph = schema.SubGraphT()
        graph.name = b"main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs = [self._names.index(source)]
        graph.outputs = [self._names.index(name) for name in targets]
        model = schema.ModelT()
        model.version, model.description = 3, b"a detector of parts"
        model.operatorCodes, model.subgraphs, model.buffers = self._codes, [graph], self._buffers
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
