"""TFLite models on LiteRT (or tflite-runtime where only that is installed)."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from edge_guard.backends.failures import one_line
from edge_guard.backends.layout import array_shape, input_spec, planned_outputs, tensor_spec
from edge_guard.backends.spec import Runtime, TapPlan, TensorSpec
from edge_guard.errors import ConfigError, ModelError
from edge_guard.types import Array, Outputs

_PACKAGES = (
    ("ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter"),
)


class TfliteBackend:
    """A loaded TFLite model; inputs and outputs are views of the interpreter's own memory.

    Parameters
    ----------
    model : bytes
        The model file's content; the interpreter verifies the flatbuffer before it uses it.
    plan : TapPlan or None
        None: only the model's own first output.
    threads : int
    name : str
        What errors call the model.

    Raises
    ------
    ModelError
        The model is damaged, unsupported, or does not fit the plan.
    """

    def __init__(self, model: bytes, plan: TapPlan | None, *, threads: int, name: str) -> None:
        self._name = name
        interpreter, package = _interpreter(model, threads, name)
        self._interpreter: Any = interpreter
        self.runtime = Runtime(package, version(package), _kernels(interpreter), platform.machine())
        fed = interpreter.get_input_details()
        if len(fed) != 1:
            raise ModelError(
                f"{name}: the model has {len(fed)} inputs", "export it with one image input"
            )
        self.input = input_spec(_spec(fed[0], name), name)
        self.tensor: Array = _view(interpreter, fed[0]).reshape(array_shape(self.input))
        given = interpreter.get_output_details()
        self.plan = plan or TapPlan(
            input=self.input, main=_spec(given[0], name), logits=None, probabilities=False, taps=()
        )
        if self.plan.input != self.input:
            raise ModelError(
                f"{name}: the input is not the planned {self.plan.input.name!r}",
                "calibrate again: plan and model do not belong together",
            )
        self.given = tuple(_specs(given, name))
        arrays = {detail["name"]: _view(interpreter, detail) for detail in reversed(given)}
        self._outputs = planned_outputs(self.plan, arrays, _view(interpreter, given[0]), name)

    def run(self) -> Outputs:
        """Return the outputs for ``tensor``: views that the next run overwrites.

        Raises
        ------
        ModelError
            The runtime failed, or the model is closed.
        """
        if self._interpreter is None:
            raise ModelError(f"{self._name}: the model is closed", "open it again")
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self._name}: the interpreter failed: {one_line(error)}") from error
        return self._outputs

    def close(self) -> None:
        """Release the model's memory once no array of it is in use."""
        self._interpreter = None


def _interpreter(model: bytes, threads: int, name: str) -> tuple[Any, str]:
    """A verified interpreter with its memory allocated, and the package it comes from."""
    for package, module in _PACKAGES:
        try:
            found = import_module(module)
        except ImportError:
            continue
        interpreter = found.Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
        return interpreter, package
    raise ConfigError(
        f"{name}: TFLite models need ai-edge-litert, which is not installed",
        "pip install ai-edge-litert (or tflite-runtime where that is what the board has)",
    )


def _kernels(interpreter: Any) -> str:
    """What computes the model: XNNPACK takes operators over by replacing them with a delegate."""
    operators = interpreter._get_ops_details()
    return "xnnpack" if any(op["op_name"] == "DELEGATE" for op in operators) else "default"


def _spec(detail: dict[str, Any], name: str) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    return tensor_spec(
        name,
        detail["name"],
        np.dtype(detail["dtype"]).name,
        detail["shape"],
        channels_last=True,
        scale=float(scale) or 1.0,
        zero_point=int(zero_point),
    )


def _specs(details: list[dict[str, Any]], name: str) -> Iterator[TensorSpec]:
    """Specs of the outputs that can be given out: a detector's number of boxes need not."""
    for detail in details:
        with suppress(ModelError):
            yield _spec(detail, name)


class _Memory:
    """A tensor's memory, for NumPy; keeps the interpreter alive as long as an array uses it.

    ``tensor()()`` gives the same memory, but while such an array lives ``invoke`` refuses to run.
    """

    def __init__(self, interpreter: Any, index: int) -> None:
        self._interpreter = interpreter
        self.__array_interface__ = dict(interpreter.tensor(index)().__array_interface__)


def _view(interpreter: Any, detail: dict[str, Any]) -> Array:
    """The tensor's memory as a flat array."""
    return np.asarray(_Memory(interpreter, detail["index"])).reshape(-1)
