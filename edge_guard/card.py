"""The model card: what a model expects at its input and means at its output.

A card is ``MODEL.toml`` beside the model. Size, layout and quantization are the model's own and
are not in the card.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import msgspec

from edge_guard.errors import CardError, ConfigError
from edge_guard.toml_reader import convert, read_document

MAX_LABELS_BYTES = 1 << 20


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
    coordinates: Literal["auto", "pixels", "shares"] = "auto"
    """Of a detector's boxes: px or shares of the model's input."""
    threshold: float = 0.25
    """Score from which on a detector's box is its answer."""


class TapsCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which inner tensors guards read: ``auto`` or tensor names."""

    features: str | tuple[str, ...] = "auto"
    maps: str | tuple[str, ...] = "auto"


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole model card."""

    input: InputCard = InputCard()
    output: OutputCard = OutputCard()
    taps: TapsCard = TapsCard()


def read_card(model: Path, card: Path | None = None) -> Card | None:
    """Return the model's card with its labels as a tuple, or None where there is none.

    Parameters
    ----------
    model : Path
        The model file; its card is the file of the same name that ends in ``.toml``.
    card : Path, optional
        Another card; it must exist.

    Raises
    ------
    CardError
        The card or its labels cannot be read, are not TOML or text, hold an unknown key or a wrong
        type, or values that no model can have.
    """
    path = card or model.with_suffix(".toml")
    if card is None and not path.exists():
        return None
    try:
        document = read_document(path)
    except ConfigError as error:
        raise CardError(f"model card {error.problem}", "correct its path or content") from error
    found, problems = convert(document, Card)
    if found is None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CardError(problems[0].sentence(path) + more, "correct the model card")
    _check_values(found, path)
    return msgspec.structs.replace(
        found, output=msgspec.structs.replace(found.output, labels=_labels(found.output, path))
    )


def _check_values(card: Card, path: Path) -> None:
    """Refuse what no model can have."""
    for key, values in (("mean", card.input.mean), ("std", card.input.std)):
        if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
            raise CardError(
                f"{path}: [input] {key} = {list(values)}", "give one finite value, or one a channel"
            )
    if 0.0 in card.input.std:
        raise CardError(f"{path}: [input] std = {list(card.input.std)}", "std must not be zero")
    if not 0.0 < card.output.threshold < 1.0:
        raise CardError(
            f"{path}: [output] threshold = {card.output.threshold}", "give a score between 0 and 1"
        )
    if card.output.decoder is not None and card.output.task != "detect":
        raise CardError(
            f'{path}: [output] decoder = "{card.output.decoder}" with task = "{card.output.task}"',
            'a decoder is for task = "detect"',
        )


def _labels(output: OutputCard, card: Path) -> tuple[str, ...]:
    """The labels in index order, read from their file where the card names one."""
    if not isinstance(output.labels, str):
        return output.labels
    path = card.parent / output.labels
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_LABELS_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CardError(
            f"{card}: [output] labels: {path} cannot be read: {why}",
            "give a list of labels, or the path of a text file with one a line",
        ) from error
    labels = [line.strip() for line in lines]
    while labels and not labels[-1]:
        labels.pop()
    if "" in labels:
        raise CardError(
            f"{path}:{labels.index('') + 1}: an empty line among the labels",
            "one label a line: an empty one would shift those after it",
        )
    return tuple(labels)
