"""The model card: what a model expects at its input and means at its output.

A card is ``MODEL.toml`` beside the model. Size, layout and quantization are the model's own and
are not in the card.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class InputCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a frame becomes the model's input tensor.

    tensor = (pixel_0_255 − mean) / std per channel in the order of ``color``, then quantized by
    the model's own scale and zero point.
    """

    color: Literal["rgb", "bgr", "gray"] = "rgb"
    resize: Literal["stretch", "center-crop", "letterbox"] = "stretch"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


class OutputCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model's output means."""

    task: Literal["classify", "detect", "anomaly", "embed"] = "classify"
    activation: Literal["logits", "softmax", "sigmoid"] = "logits"
    labels: tuple[str, ...] | str = ()
    """The labels in index order, or the path of a text file with one a line."""
    decoder: str | None = None


class TapsCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which inner tensors guards read: ``auto`` or tensor names."""

    features: str | tuple[str, ...] = "auto"
    maps: str | tuple[str, ...] = "auto"


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole model card."""

    input: InputCard = InputCard()
    output: OutputCard = OutputCard()
    taps: TapsCard = TapsCard()
