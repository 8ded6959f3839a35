"""The ways pixels are usually scaled, and which of them a model's input can take."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from edge_guard.backends.spec import TensorSpec
from edge_guard.backends.tables import pixel_tables
from edge_guard.card import Card, InputCard

MIN_LEVELS = 64
"""A scaling under which an integer input keeps fewer levels than this is not meant for it."""


class Scaling(NamedTuple):
    """tensor = (pixel − mean) / std, channels in the order red, green, blue."""

    words: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def card(self, card: InputCard) -> InputCard:
        """Return the card with this scaling, in its own colour order."""
        mean, std = self.mean, self.std
        if card.color == "bgr":
            mean, std = mean[::-1], std[::-1]
        elif card.color == "gray":
            mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
        return msgspec.structs.replace(card, mean=mean, std=std)


USUAL = (
    Scaling("raw pixels 0 to 255", (0.0,), (1.0,)),
    Scaling("pixel / 255, 0 to 1", (0.0,), (255.0,)),
    Scaling("-1 to 1", (127.5,), (127.5,)),
    Scaling("ImageNet mean and deviation", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    Scaling("(pixel - 128) / 128", (128.0,), (128.0,)),
    Scaling("pixel - 128", (128.0,), (1.0,)),
)


def fitting_scaling(spec: TensorSpec) -> Scaling:
    """Return the scaling that maps pixels 0 to 255 onto an integer input's range.

    A usual one where it lies within one level of that everywhere, else the exact one.
    """
    limits = np.iinfo(spec.dtype)
    ramp = np.arange(256) + limits.min
    card = InputCard(color="rgb" if spec.channels == 3 else "gray")
    distance = {
        usual: int(np.abs(pixel_tables(usual.card(card), spec).astype(int) - ramp).max())
        for usual in USUAL
    }
    best = min(USUAL, key=lambda usual: distance[usual])
    if distance[best] <= 1:
        return best
    mean = (spec.zero_point - int(limits.min)) * 1.0
    return Scaling("the input's own range", (mean,), (1.0 / spec.scale,))


def candidate_cards(card: Card, spec: TensorSpec) -> list[Card]:
    """Return cards with the usual colour orders and scalings, the given one first.

    For an integer input, scalings that would leave it fewer than 64 levels are left out.

    Parameters
    ----------
    card : Card
    spec : TensorSpec
        The model's input.
    """
    orders = [card.input.color]
    if card.input.color != "gray":
        orders.append("bgr" if card.input.color == "rgb" else "rgb")
    found = [card]
    for color in orders:
        own = msgspec.structs.replace(card.input, color=color)
        if color != card.input.color:
            own = msgspec.structs.replace(own, mean=own.mean[::-1], std=own.std[::-1])
        for scaled in (own, *(usual.card(own) for usual in USUAL)):
            candidate = msgspec.structs.replace(card, input=scaled)
            if candidate not in found and _levels(scaled, spec) >= MIN_LEVELS:
                found.append(candidate)
    return found


def _levels(card: InputCard, spec: TensorSpec) -> int:
    return min(len(np.unique(table)) for table in pixel_tables(card, spec))
