"""ONNX models on onnxruntime's CPU kernels."""

from __future__ import annotations

import platform
from importlib import import_module
from typing import Any, cast

import numpy as np

from edge_guard.backends.failures import one_line
from edge_guard.backends.layout import array_shape, input_spec, planned_outputs, tensor_spec
from edge_guard.backends.spec import Runtime, TapPlan, TensorSpec
from edge_guard.errors import ConfigError, ModelError
from edge_guard.types import Array, Outputs

_DTYPES = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8"}
# A TensorProto.external_data entry, as protobuf writes it: key (field 1) "location", value follows.
_EXTERNAL_DATA = b"\x0a\x08location\x12"


class OnnxBackend:
    """A loaded ONNX model; inputs and outputs are bound once to arrays that stay.

    Parameters
    ----------
    model : bytes
        The model file's content; weights in other files are refused.
    plan : TapPlan or None
        None: only the model's own first output.
    threads : int
        Threads inside one operator; operators run one after the other.
    name : str
        What errors call the model.

    Raises
    ------
    ModelError
        The model is damaged, unsupported, or does not fit the plan.
    """

    def __init__(self, model: bytes, plan: TapPlan | None, *, threads: int, name: str) -> None:
        self._name = name
        refuse_external_data(model, name)
        session, version = _session(model, threads, name)
        self.runtime = Runtime("onnxruntime", version, "default", platform.machine())
        self.input = plan.input if plan else _input(session, name)
        self.tensor: Array = np.zeros(array_shape(self.input), self.input.dtype)
        fed = _only_input(session, name)
        feed = self.tensor.reshape(_fixed_shape(fed, name))
        names = [session.get_outputs()[0].name]
        if plan:
            names = list(dict.fromkeys([*names, *_planned_names(plan)]))
        results = _probe(session, names, {fed.name: feed}, name)
        self.plan = plan or _bare_plan(self.input, names[0], results[0], name)
        self._outputs = planned_outputs(
            self.plan, dict(zip(names, results, strict=True)), results[0], name
        )
        self.given = (self.plan.main, *self.plan.answers)
        self._session: Any = session
        self._binding = session.io_binding()
        for bind, tensors in (
            (self._binding.bind_input, {fed.name: feed}),
            (self._binding.bind_output, dict(zip(names, results, strict=True))),
        ):
            for tensor_name, array in tensors.items():
                bind(tensor_name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> Outputs:
        """Return the outputs for ``tensor``: views that the next run overwrites.

        Raises
        ------
        ModelError
            The runtime failed, or the model is closed.
        """
        if self._session is None:
            raise ModelError(f"{self._name}: the model is closed", "open it again")
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            raise ModelError(f"{self._name}: onnxruntime failed: {one_line(error)}") from error
        return self._outputs

    def close(self) -> None:
        """Release the model's memory; arrays handed out stay readable."""
        self._session = self._binding = None


def observe(model: bytes, names: list[str], name: str) -> dict[str, Array]:
    """Return what one run on zeros gives for the named outputs, those that are arrays."""
    session, _ = _session(model, 1, name)
    fed = _input(session, name)
    feed = {fed.name: np.zeros(_fixed_shape(_only_input(session, name), name), fed.dtype)}
    tensors = {o.name for o in session.get_outputs() if o.type.startswith("tensor(")}
    asked = [wanted for wanted in names if wanted in tensors]
    return dict(zip(asked, _compute(session, asked, feed, name), strict=True))


def refuse_external_data(model: bytes, name: str) -> None:
    """Raise ModelError when an ONNX model keeps its weights in other files."""
    if _EXTERNAL_DATA in model:
        raise ModelError(
            f"{name}: the model keeps its weights in other files",
            'make one file of it: python -c "import onnx; '
            "onnx.save(onnx.load('MODEL.onnx'), 'SINGLE.onnx')\"",
        )


def _session(model: bytes, threads: int, name: str) -> tuple[Any, str]:
    """A session that computes in ``threads`` threads without busy waiting."""
    try:
        onnxruntime = import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(
            f"{name}: ONNX models need onnxruntime, which is not installed",
            "pip install onnxruntime",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come back as exceptions
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model, sess_options=options, providers=["CPUExecutionProvider"]
    )
    return session, str(onnxruntime.__version__)


def _only_input(session: Any, name: str) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(
            f"{name}: the model has {len(inputs)} inputs", "export it with one image input"
        )
    return inputs[0]


def _fixed_shape(fed: Any, name: str) -> tuple[int, ...]:
    """The input's shape with a dynamic batch made 1."""
    shape = [1, *fed.shape[1:]] if fed.shape and not isinstance(fed.shape[0], int) else fed.shape
    if len(shape) != 4 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ModelError(
            f"{name}: input {fed.name!r} has shape {fed.shape}",
            "export it with one image of fixed height, width and channel count as input",
        )
    return tuple(shape)


def _input(session: Any, name: str) -> TensorSpec:
    """Spec of the input; its quantization is unknown here, so integers count as they are."""
    fed = _only_input(session, name)
    shape = _fixed_shape(fed, name)
    spec = tensor_spec(
        name,
        fed.name,
        _DTYPES.get(fed.type, fed.type),
        shape,
        channels_last=shape[1] not in (1, 3) and shape[3] in (1, 3),
    )
    return input_spec(spec, name)


def _probe(session: Any, names: list[str], feed: dict[str, Array], name: str) -> list[Array]:
    """What one run gives: arrays of the outputs' true shapes, to be bound."""
    types = {output.name: output.type for output in session.get_outputs()}
    for wanted in names:
        if types.get(wanted) not in _DTYPES:
            raise ModelError(
                f"{name}: output {wanted!r} is {types.get(wanted, 'absent')}",
                "export the model with a float32, int8 or uint8 output (no ArgMax at the end)",
            )
    return [np.array(result, order="C") for result in _compute(session, names, feed, name)]


def _compute(session: Any, names: list[str], feed: dict[str, Array], name: str) -> list[Array]:
    try:
        return cast(list[Array], session.run(names, feed))
    except Exception as error:
        raise ModelError(f"{name}: onnxruntime failed: {one_line(error)}") from error


def _planned_names(plan: TapPlan) -> list[str]:
    logits = [] if plan.logits is None else [plan.logits.name]
    return [*logits, *(spec.name for spec in (*plan.taps, *plan.answers))]


def _bare_plan(fed: TensorSpec, output: str, main: Array, name: str) -> TapPlan:
    spec = tensor_spec(name, output, str(main.dtype), main.shape, channels_last=fed.channels_last)
    return TapPlan(input=fed, main=spec, logits=None, probabilities=False, taps=())
