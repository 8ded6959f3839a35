"""What a backend is: the tensors it names, the plan of taps it follows, the contract it keeps."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from edge_guard.types import Array, Outputs

Kind = Literal["onnx", "tflite"]
"""Format of a model file."""


class TensorSpec(msgspec.Struct, frozen=True):
    """One tensor of a model, batch dimension 1.

    Attributes
    ----------
    name : str
        Its name in the model file.
    dtype : str
        ``float32``, ``int8`` or ``uint8``.
    height, width, channels : int
        For a vector, height = width = 1.
    channels_last : bool
        NHWC (True) or NCHW (False); vectors count as NHWC.
    scale, zero_point : float, int
        real = (stored − zero_point) · scale; 1 and 0 for float32.
    """

    name: str
    dtype: Literal["float32", "int8", "uint8"]
    height: int
    width: int
    channels: int
    channels_last: bool = True
    scale: float = 1.0
    zero_point: int = 0

    @property
    def size(self) -> int:
        """Number of values."""
        return self.height * self.width * self.channels


class TapPlan(msgspec.Struct, frozen=True):
    """What goes into a tapped model, and which tensors it gives out.

    Attributes
    ----------
    input : TensorSpec
        The model's only input. Kept here because an ONNX runtime does not tell its quantization.
    main : TensorSpec
        The model's own (first) output.
    logits : TensorSpec or None
        Pre-softmax tensor; may be ``main`` itself. None for tasks without classes.
    probabilities : bool
        True when ``logits`` could only be had after the softmax or sigmoid; scores then use log p.
    taps : tuple of TensorSpec
        Inner tensors, shallow to deep. The last one is the penultimate feature where one exists
        (a vector: height = width = 1; for an ``embed`` model it is ``main`` itself).
    answers : tuple of TensorSpec
        A detector's outputs after ``main``, in the model's order.
    """

    input: TensorSpec
    main: TensorSpec
    logits: TensorSpec | None
    probabilities: bool
    taps: tuple[TensorSpec, ...]
    answers: tuple[TensorSpec, ...] = ()


class Runtime(msgspec.Struct, frozen=True):
    """What computes the model; a bundle records it, and a device refuses another one.

    Attributes
    ----------
    backend : str
        ``onnxruntime``, ``ai-edge-litert`` or ``tflite-runtime``.
    version : str
    kernels : str
        ``default`` or ``xnnpack``.
    machine : str
        ``platform.machine()``.
    """

    backend: str
    version: str
    kernels: str
    machine: str


class Backend(Protocol):
    """A loaded model. One thread at a time; ``run`` allocates nothing that grows.

    Arrays have no batch dimension: (C,) for a vector, (H, W, C) or (C, H, W) for a map.
    """

    runtime: Runtime
    input: TensorSpec
    plan: TapPlan
    given: tuple[TensorSpec, ...]
    """The model's own outputs that can be given out."""
    tensor: Array
    """The input tensor, reused: (H, W, C) or (C, H, W) as ``input`` says; preprocess writes it."""

    def run(self) -> Outputs:
        """Return the outputs for ``tensor``: views that the next run overwrites.

        Raises
        ------
        ModelError
            The runtime failed.
        """
        ...

    def close(self) -> None:
        """Release the model's memory."""
        ...
