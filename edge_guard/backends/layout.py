"""From a runtime's tensor shape to a TensorSpec, and from a plan to the arrays of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Literal, cast

from edge_guard.backends.spec import TapPlan, TensorSpec
from edge_guard.errors import ModelError
from edge_guard.types import Array, Outputs

DTYPES = ("float32", "int8", "uint8")


def tensor_spec(
    model: str,
    name: str,
    dtype: str,
    shape: Sequence[int],
    *,
    channels_last: bool,
    scale: float = 1.0,
    zero_point: int = 0,
) -> TensorSpec:
    """Return the spec of a tensor of this shape, batch dimension included.

    (1, C) and (1, 1, 1, C) are vectors; rank 3 (1, N, C) is one row of N positions. Errors call
    the file ``model``.

    Raises
    ------
    ModelError
        The element type, the batch size or the rank is not supported, or the quantization makes no
        sense.
    """
    if not (isfinite(scale) and scale > 0):
        raise ModelError(
            f"{model}: tensor {name!r} has quantization scale {scale}", "export the model again"
        )
    if dtype not in DTYPES:
        raise ModelError(
            f"{model}: tensor {name!r} is {dtype}",
            "export the model with float32, int8 or uint8 tensors",
        )
    dims = [int(size) for size in shape]
    if dims and dims[0] != 1 and len(dims) > 1:
        raise ModelError(
            f"{model}: tensor {name!r} has shape {tuple(dims)}: a batch of {dims[0]}",
            "export the model with batch size 1 or a dynamic batch",
        )
    inner = dims[1:] if len(dims) > 1 else dims
    if len(inner) > 3 or any(size < 1 for size in inner):
        raise ModelError(
            f"{model}: tensor {name!r} has shape {tuple(dims)}",
            "export the model with fixed sizes and at most 4 dimensions",
        )
    height, width, channels, last = _place(inner, channels_last=channels_last)
    return TensorSpec(
        name=name,
        dtype=cast(Literal["float32", "int8", "uint8"], dtype),
        height=height,
        width=width,
        channels=channels,
        channels_last=last,
        scale=scale,
        zero_point=zero_point,
    )


def _place(inner: list[int], *, channels_last: bool) -> tuple[int, int, int, bool]:
    """Height, width, channels and layout of a shape without its batch dimension."""
    if len(inner) == 2:
        return 1, inner[0], inner[1], True
    if len(inner) == 3:
        height, width, channels = inner if channels_last else (inner[1], inner[2], inner[0])
        if height * width == 1:
            return 1, 1, channels, True
        return height, width, channels, channels_last
    return 1, 1, inner[0] if inner else 1, True


def array_shape(spec: TensorSpec) -> tuple[int, ...]:
    """Return the shape that an array of this tensor has in Python, without batch dimension."""
    if spec.height == spec.width == 1:
        return (spec.channels,)
    if spec.channels_last:
        return (spec.height, spec.width, spec.channels)
    return (spec.channels, spec.height, spec.width)


def input_spec(spec: TensorSpec, name: str) -> TensorSpec:
    """Return the spec when it is an image that frames can become.

    Raises
    ------
    ModelError
        The input is not an image with 1 or 3 channels.
    """
    if spec.height > 1 and spec.width > 1 and spec.channels in (1, 3):
        return spec
    raise ModelError(
        f"{name}: input {spec.name!r} is not an image of 1 or 3 channels "
        f"({spec.height} x {spec.width} x {spec.channels})",
        "edge-guard guards models that take one image",
    )


def planned_outputs(plan: TapPlan, arrays: Mapping[str, Array], main: Array, name: str) -> Outputs:
    """Return one run's outputs as the plan orders them, as views of the runtime's arrays.

    Raises
    ------
    ModelError
        The model does not give out what the plan says.
    """

    def planned(spec: TensorSpec) -> Array:
        found = main if spec.name == plan.main.name else arrays.get(spec.name)
        if found is None or str(found.dtype) != spec.dtype or found.size != spec.size:
            raise ModelError(
                f"{name}: the model does not give out {spec.name!r} as {spec.dtype} "
                f"{array_shape(spec)}",
                "calibrate again: plan and model do not belong together",
            )
        return found.reshape(array_shape(spec))

    return Outputs(
        main=planned(plan.main),
        logits=None if plan.logits is None else planned(plan.logits),
        taps=tuple(planned(spec) for spec in plan.taps),
        answers=tuple(planned(spec) for spec in plan.answers),
    )
