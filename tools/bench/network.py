"""A MobileNetV2-class int8 model: the real shapes and random weights, to run before a guard."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

SIDE = 224
CLASSES = 1000
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first (Sandler et al. 2018, table 2)."""


class Model:
    """The network on one thread of onnxruntime, in a session of its own."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mobilenet_v2_int8.onnx"
            write(path)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self._image = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)

    def run(self) -> None:
        """Run the model once."""
        self._session.run(None, {"image": self._image})


def write(path: Path, classes: int = CLASSES) -> None:
    """Write the network, quantized to int8 (QDQ) on random images."""
    writer = _Writer()
    x = writer.conv("image", 3, 32, kernel=3, stride=2)
    channels = 32
    for expansion, out, blocks, first in STAGES:
        for block in range(blocks):
            stride = first if block == 0 else 1
            x = writer.bottleneck(x, channels, out, expansion, stride)
            channels = out
    x = writer.conv(x, channels, 1280, kernel=1)
    x = writer.head(x, 1280, classes)
    float_path = path.with_suffix(".float.onnx")
    writer.save(float_path, classes)
    logging.disable(logging.WARNING)  # it recommends a preparation that this network does not need
    quantization.quantize_static(
        float_path, path, _Images(), quant_format=quantization.QuantFormat.QDQ, per_channel=True
    )
    logging.disable(logging.NOTSET)
    float_path.unlink()


class _Images(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        shape = (1, 3, SIDE, SIDE)
        self._images = iter([rng.normal(size=shape).astype(np.float32) for _ in range(3)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next image to find the ranges with."""
        image = next(self._images, None)
        return None if image is None else {"image": image}


class _Writer:
    def __init__(self) -> None:
        self._rng = np.random.default_rng(2)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def conv(
        self,
        x: str,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> str:
        """Add a convolution with He-scaled weights, ReLU6 behind it where asked for."""
        fan_in = inputs // groups * kernel * kernel
        weight = (
            self._rng.normal(size=(outputs, inputs // groups, kernel, kernel)) * (2 / fan_in) ** 0.5
        )
        names = [x, self._weight(weight), self._weight(np.zeros(outputs))]
        pad = [kernel // 2] * 4
        y = self._add("Conv", names, strides=[stride] * 2, pads=pad, group=groups)
        return (
            self._add("Clip", [y, self._weight(np.array(0)), self._weight(np.array(6))])
            if relu
            else y
        )

    def bottleneck(self, x: str, inputs: int, outputs: int, expansion: int, stride: int) -> str:
        """Add an inverted residual block."""
        wide = inputs * expansion
        y = self.conv(x, inputs, wide, kernel=1) if expansion > 1 else x
        y = self.conv(y, wide, wide, kernel=3, stride=stride, groups=wide)
        y = self.conv(y, wide, outputs, kernel=1, relu=False)
        return self._add("Add", [x, y]) if stride == 1 and inputs == outputs else y

    def head(self, x: str, inputs: int, classes: int) -> str:
        """Add pooling and the classifier, named "logits"."""
        flat = self._add("Flatten", [self._add("GlobalAveragePool", [x])])
        weight = self._weight(self._rng.normal(size=(classes, inputs)) * inputs**-0.5)
        bias = self._weight(np.zeros(classes))
        self._nodes.append(helper.make_node("Gemm", [flat, weight, bias], ["logits"], transB=1))
        return "logits"

    def save(self, path: Path, classes: int) -> None:
        """Write what was added, as float32."""
        floats = TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "mobilenet_v2",
            [helper.make_tensor_value_info("image", floats, [1, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", floats, [1, classes])],
            self._weights,
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)

    def _weight(self, values: np.ndarray) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def _add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name
