"""TFLite files: what is in one, and a copy that gives out more tensors.

The copy is the same file with a longer list of outputs appended and the subgraph's offset turned
to it: weights, operators, metadata and signatures keep their very bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from edge_guard.backends.graph import Graph, Node, Op
from edge_guard.backends.layout import DTYPES, input_spec, tensor_spec
from edge_guard.backends.spec import TensorSpec
from edge_guard.errors import ConfigError, ModelError

_OPS: dict[str, Op] = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "conv",
    "TRANSPOSE_CONV": "conv",
    "FULLY_CONNECTED": "dense",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
    "MEAN": "pool",
    "RELU": "activation",
    "RELU6": "activation",
    "LEAKY_RELU": "activation",
    "PRELU": "activation",
    "HARD_SWISH": "activation",
    "SOFTMAX": "softmax",
    "LOG_SOFTMAX": "softmax",
    "LOGISTIC": "sigmoid",
    "RESHAPE": "reshape",
    "SQUEEZE": "reshape",
    "EXPAND_DIMS": "reshape",
}
_TYPES = {0: "float32", 3: "uint8", 9: "int8"}
_QUANTIZE = ("QUANTIZE", "DEQUANTIZE")
_OUTPUTS_FIELD = 2  # of the table SubGraph: tensors, inputs, outputs, operators, name


def read_graph(model: bytes, given: Sequence[TensorSpec], name: str) -> Graph:
    """Return the first subgraph of a model that an interpreter has loaded, hence verified.

    Parameters
    ----------
    model : bytes
    given : sequence of TensorSpec
        Its outputs as the interpreter tells them: the file need not know their sizes.
    name : str
        What errors call the model.

    Raises
    ------
    ModelError
        The model has not one image input, or an output that is not supported.
    ConfigError
        The flatbuffer schema is not installed.
    """
    schema = _schema()
    root = schema.Model.GetRootAs(model, 0)
    subgraph = root.Subgraphs(0)
    builtins = {value: key for key, value in vars(schema.BuiltinOperator).items()}
    if subgraph.InputsLength() != 1 or subgraph.OutputsLength() < 1:
        raise ModelError(
            f"{name}: the model has {subgraph.InputsLength()} inputs and "
            f"{subgraph.OutputsLength()} outputs",
            "export it with one image input and an output",
        )
    names = [subgraph.Tensors(i).Name().decode() for i in range(subgraph.TensorsLength())]
    nodes, aliases, untold = _nodes(root, subgraph, names, builtins)
    repeated = {key for key, count in Counter(names).items() if count > 1 or not key}
    tensors = {
        spec.name: spec
        for spec in _activations(subgraph, names, name)
        if spec.name not in repeated and not (spec.name in untold and spec.height > 1)
    }
    tensors |= {spec.name: spec for spec in given}
    fed, main = names[subgraph.Inputs(0)], names[subgraph.Outputs(0)]
    for required in (fed, main):
        if required not in tensors:
            raise ModelError(
                f"{name}: tensor {required!r} is not float32, int8 or uint8 with batch size 1",
                "export the model for one image, with a float32, int8 or uint8 output",
            )
    spec = input_spec(tensors[fed], name)
    return Graph(
        kind="tflite",
        input=spec,
        quantized_input=None if spec.dtype == "float32" else spec,
        main=main,
        answers=tuple(one for one in given if one.name != main),
        nodes=nodes,
        tensors=tensors,
        aliases=aliases,
    )


def _schema() -> Any:
    try:
        return import_module("ai_edge_litert.schema_py_generated")
    except ImportError as error:
        raise ConfigError(
            "reading TFLite models needs ai-edge-litert and flatbuffers, which are not installed",
            "pip install ai-edge-litert flatbuffers",
        ) from error


def _nodes(
    root: Any, subgraph: Any, names: list[str], builtins: dict[int, str]
) -> tuple[tuple[Node, ...], dict[str, str], set[str]]:
    """Operators, other names of activations, and activations whose layout is not NHWC."""
    nodes: list[Node] = []
    aliases: dict[str, str] = {}
    live = {subgraph.Inputs(0)}
    untold: set[str] = set()
    for operator in (subgraph.Operators(i) for i in range(subgraph.OperatorsLength())):
        code = root.OperatorCodes(operator.OpcodeIndex())
        label = builtins.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")
        read = [i for i in operator.InputsAsNumpy() if i in live] if operator.InputsLength() else []
        wrote = [int(i) for i in operator.OutputsAsNumpy()] if operator.OutputsLength() else []
        if not read or label == "SHAPE":
            continue
        live.update(wrote)
        inputs = tuple(aliases.get(names[i], names[i]) for i in read)
        outputs = tuple(names[i] for i in wrote)
        if label in _QUANTIZE and len(outputs) == 1:
            aliases[outputs[0]] = inputs[0]
            continue
        op = _OPS.get(label, "other")
        if label == "TRANSPOSE" or (op not in ("conv", "pool", "dense") and untold & {*inputs}):
            untold.update(outputs)
        nodes.append(Node(op, inputs, outputs))
    return tuple(nodes), aliases, untold


def _activations(subgraph: Any, names: list[str], model: str) -> list[TensorSpec]:
    """Specs of the tensors that a backend could hand out."""
    found = []
    for index, name in enumerate(names):
        tensor = subgraph.Tensors(index)
        shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        dtype = _TYPES.get(tensor.Type(), "")
        if dtype not in DTYPES or not 2 <= len(shape) <= 4 or shape[0] != 1 or min(shape) < 1:
            continue
        quantization = tensor.Quantization()
        scales = quantization.ScaleLength() if quantization else 0
        if dtype != "float32" and scales != 1:
            continue
        found.append(
            tensor_spec(
                model,
                name,
                dtype,
                shape,
                channels_last=True,
                scale=float(quantization.Scale(0)) if scales == 1 else 1.0,
                zero_point=int(quantization.ZeroPoint(0)) if scales == 1 else 0,
            )
        )
    return found


def add_outputs(model: bytes, wanted: Sequence[str]) -> bytes:
    """Return a copy of the model that also gives out the named tensors of its first subgraph.

    The model must be one that an interpreter has loaded, and the names unique in it.
    """
    schema = _schema()
    subgraph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    names = [subgraph.Tensors(i).Name().decode() for i in range(subgraph.TensorsLength())]
    outputs = [subgraph.Outputs(i) for i in range(subgraph.OutputsLength())]
    outputs += [i for i in (names.index(name) for name in wanted) if i not in outputs]
    table = subgraph._tab
    field = table.Offset(4 + 2 * _OUTPUTS_FIELD) + table.Pos
    tapped = bytearray(model)
    tapped += bytes(-len(tapped) % 4)
    struct.pack_into("<I", tapped, field, len(tapped) - field)
    tapped += struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
    return bytes(tapped)
