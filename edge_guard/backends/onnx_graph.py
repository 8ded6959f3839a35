"""ONNX files: what is in one, and a copy that gives out more tensors. Only calibration comes here.

Shapes and types are those of a run, not inferred ones: the reader has the runtime give out every
activation once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import msgspec
import numpy as np

from edge_guard.backends.graph import Graph, Node
from edge_guard.backends.layout import DTYPES, tensor_spec
from edge_guard.backends.onnx import observe
from edge_guard.backends.onnx_operators import OPS, SCALE_INPUT
from edge_guard.backends.spec import TensorSpec
from edge_guard.errors import ModelError, missing_extra
from edge_guard.types import Array


def read_graph(model: bytes, fed: TensorSpec, name: str) -> Graph:
    """Return the network in a model that onnxruntime has loaded.

    Parameters
    ----------
    model : bytes
    fed : TensorSpec
        Its input as the runtime tells it; the quantization is found here.
    name : str
        What errors call the model.

    Raises
    ------
    ModelError
        The model cannot be read or run, or its output is not supported.
    ConfigError
        The package ``onnx`` is not installed.
    """
    proto = _parse(model, name)
    reader = _Reader(proto.graph, fed.name, channels_last=fed.channels_last)
    main, *more = (output.name for output in proto.graph.output)
    names = dict.fromkeys([main, *more, *(out for node in reader.nodes for out in node.outputs)])
    arrays = observe(_with_outputs(proto, dict.fromkeys(names)), list(names), name)
    tensors = {key: spec for key in arrays if (spec := reader.spec(key, arrays[key], name))}
    if main not in tensors:
        found = f"{arrays[main].dtype} {arrays[main].shape}" if main in arrays else "not a tensor"
        raise ModelError(
            f"{name}: output {main!r} is {found}",
            "export the model for one image, with a float32, int8 or uint8 output",
        )
    integers = reader.integer_input(fed)
    return Graph(
        kind="onnx",
        input=integers if integers and fed.dtype != "float32" else fed,
        main=main,
        nodes=tuple(reader.nodes),
        tensors=tensors,
        aliases=reader.aliases,
        quantized_input=integers,
        answers=tuple(tensors[name] for name in more if name in tensors),
    )


def add_outputs(model: bytes, wanted: Sequence[TensorSpec], name: str) -> bytes:
    """Return a copy of the model, for one image, that also gives out the named activations."""
    proto = _parse(model, name)
    element = import_module("onnx").TensorProto
    types = {"float32": element.FLOAT, "int8": element.INT8, "uint8": element.UINT8}
    return _with_outputs(proto, {spec.name: types[spec.dtype] for spec in wanted})


def unsigned_activations(model: bytes, name: str) -> bytes | None:
    """Return the same network with its int8 activations stored as uint8; None where it has none.

    q + 128 with zero point + 128 is the same number. onnxruntime does this by itself on x86, whose
    integer kernels want uint8, but not next to a tensor that is given out: there it falls back to
    float, which made a 64-pixel net 40 to 80 % slower a tap. Stored as uint8, taps cost 0 to 2 %.
    """
    proto = _parse(model, name)
    onnx = import_module("onnx")
    graph = proto.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    fixed = weights.keys() | {value.name for value in (*graph.input, *graph.output)}
    shifted: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        point = weights.get(node.input[2])
        stored = node.input[0] if node.op_type == "DequantizeLinear" else node.output[0]
        if point is None or point.data_type != onnx.TensorProto.INT8 or stored in fixed:
            continue
        if point.name not in shifted:
            shifted[point.name] = f"{point.name}_uint8"
            values = onnx.numpy_helper.to_array(point).astype(np.int16) + 128
            graph.initializer.append(
                onnx.numpy_helper.from_array(values.astype(np.uint8), shifted[point.name])
            )
        node.input[2] = shifted[point.name]
    del graph.value_info[:]
    return cast(bytes, proto.SerializeToString()) if shifted else None


def _parse(model: bytes, name: str) -> Any:
    try:
        onnx = import_module("onnx")
    except ImportError as error:
        raise missing_extra("onnx", "calibrate") from error
    try:
        return onnx.load_model_from_string(model)
    except Exception as error:
        raise ModelError(f"{name}: not an ONNX model", "export or copy it again") from error


def _with_outputs(proto: Any, types: Mapping[str, int | None]) -> bytes:
    """The model for one image, with these outputs too; the runtime infers a type not given."""
    onnx = import_module("onnx")
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    del graph.value_info[:]
    weights = {tensor.name for tensor in graph.initializer}
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.name not in weights and dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    present = {value.name for value in graph.output}
    for name, element_type in types.items():
        if name not in present:
            value = graph.output.add(name=name)
            if element_type is not None:
                value.type.tensor_type.elem_type = element_type
    return cast(bytes, copy.SerializeToString())


class _Reader:
    """Walks a graph once and keeps what later questions need."""

    def __init__(self, graph: Any, fed: str, *, channels_last: bool) -> None:
        self._graph = graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self.aliases = _quantized_names(graph)
        self.nodes: list[Node] = []
        self.scales: dict[str, tuple[float, int]] = {}
        self.layouts: dict[str, bool | None] = {fed: channels_last}
        self._live = {fed}
        for node in graph.node:
            self._visit(node)

    def spec(self, name: str, array: Array, model: str) -> TensorSpec | None:
        """The spec of an activation seen as ``array``; None where it cannot be given out."""
        layout = self.layouts.get(name, False)
        exact = array.dtype == np.float32
        scale, zero_point = (1.0, 0) if exact else self.scales.get(name, (1.0, 0))
        if (
            str(array.dtype) not in DTYPES
            or not 2 <= array.ndim <= 4
            or array.shape[0] != 1
            or array.size == 0
            or (layout is None and array.ndim == 4)
            or not (exact or name in self.scales)
        ):
            return None
        return tensor_spec(
            model,
            name,
            str(array.dtype),
            array.shape,
            channels_last=bool(layout),
            scale=scale,
            zero_point=zero_point,
        )

    def _visit(self, node: Any) -> None:
        """Take one operator in."""
        if node.op_type == "Constant":
            self._constants.update(
                (node.output[0], a.t) for a in node.attribute if a.name == "value"
            )
        read = [name for name in node.input if name in self._live]
        if not read or node.op_type == "Shape":
            return
        self._live.update(node.output)
        inputs = tuple(self.aliases.get(name, name) for name in read)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self._requantize(node, inputs[0])
            return
        output = self.aliases.get(node.output[0], node.output[0])
        self.nodes.append(Node(OPS.get(node.op_type, "other"), inputs, (output,)))
        self.layouts[output] = self._layout(node, inputs)
        scale = self._scale(node, SCALE_INPUT.get(node.op_type))
        if scale is None and OPS.get(node.op_type) in ("pool", "reshape"):
            scale = self.scales.get(inputs[0])
        if scale is not None:
            self.scales.setdefault(output, scale)

    def _requantize(self, node: Any, source: str) -> None:
        """Another form of the same activation."""
        output = node.output[0]
        if node.op_type == "DequantizeLinear" or source != output:
            self.aliases[output] = source
        elif (scale := self._scale(node, 1)) is not None:
            self.scales[output] = scale

    def integer_input(self, fed: TensorSpec) -> TensorSpec | None:
        """The input with the quantization that the operators reading it know."""
        for node in self._graph.node:
            known = node.op_type in ("QuantizeLinear", "DequantizeLinear", "QLinearConv")
            if not known or node.input[0] != fed.name or (found := self._scale(node, 1)) is None:
                continue
            point = self._constants.get(node.input[2]) if len(node.input) > 2 else None
            signed = point is not None and point.data_type == import_module("onnx").TensorProto.INT8
            return msgspec.structs.replace(
                fed, dtype="int8" if signed else "uint8", scale=found[0], zero_point=found[1]
            )
        return None

    def _scale(self, node: Any, index: int | None) -> tuple[float, int] | None:
        """Scale and zero point of a node, where they are constant and the same for all channels."""
        if index is None or len(node.input) <= index or node.input[index] not in self._constants:
            return None
        to_array = import_module("onnx").numpy_helper.to_array
        scale = to_array(self._constants[node.input[index]]).reshape(-1)
        point = self._constants.get(node.input[index + 1]) if len(node.input) > index + 1 else None
        points = np.zeros(1, np.int8) if point is None else to_array(point).reshape(-1)
        if scale.size != 1 or points.size != 1:
            return None
        return float(scale[0]), int(points[0])

    def _layout(self, node: Any, inputs: tuple[str, ...]) -> bool | None:
        """Whether an operator's 4-D output is NHWC; None: neither that nor NCHW."""
        before = self.layouts.get(inputs[0], False)
        op = OPS.get(node.op_type)
        if op in ("conv", "pool"):
            return False if node.op_type != "ReduceMean" else before
        if node.op_type != "Transpose":
            return before
        order = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
        return {(0, 2, 3, 1): True, (0, 3, 1, 2): False}.get(tuple(order))


def _quantized_names(graph: Any) -> dict[str, str]:
    """From each float activation that is only quantized to the name of its integers."""
    uses = Counter(name for node in graph.node for name in node.input)
    given = {value.name for value in (*graph.output, *graph.input)}
    return {
        node.input[0]: node.output[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear"
        and uses[node.input[0]] == 1
        and node.input[0] not in given
    }
