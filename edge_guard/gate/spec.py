"""What the input gate learnt from the references: limits per check, as the bundle stores them."""

from __future__ import annotations

from typing import Literal

import msgspec

Check = Literal[
    "dead",
    "frozen",
    "format",
    "exposure",
    "clipping",
    "focus",
    "noise",
    "color",
    "alignment",
    "occlusion",
]

ORDER: tuple[Check, ...] = (
    "dead",
    "frozen",
    "format",
    "exposure",
    "clipping",
    "color",
    "focus",
    "alignment",
    "occlusion",
    "noise",
)
"""The first failing check in this order is the leading reason."""

ORDER_OF_LOCAL_CHANGE: tuple[Check, ...] = (
    "dead",
    "frozen",
    "format",
    "alignment",
    "occlusion",
    "focus",
    "exposure",
    "clipping",
    "color",
    "noise",
)
"""The order when only a part of a fixed scene has changed and its light is as ever."""

OF_LIGHT: frozenset[Check] = frozenset({"exposure", "clipping", "color"})
"""Checks that speak of the light on the whole scene."""

Range = tuple[float | None, float | None]
"""Lowest and highest value that passes; None = no bound on that side."""


class Limit(msgspec.Struct, frozen=True):
    """Range of one image statistic.

    Attributes
    ----------
    check : Check
        The family the statistic speaks for.
    statistic : str
        Name of the image statistic.
    usual : Range
        Range seen on the references; outside it the statistic explains a flag.
    hard : Range
        Range with margin; outside it the frame is not inspectable.
    """

    check: Check
    statistic: str
    usual: Range
    hard: Range


class CellSpec(msgspec.Struct, frozen=True):
    """Limits of the static cell residual (dirt, occlusion); its arrays are in the bundle.

    usual, hard : float
        Largest standardised residual of any cell on 99 % of the references, and on all of them
        with margin.
    shift : tuple of float
        Lowest and highest median over the cells of what they differ from their own usual, grey
        levels: the light of the whole scene.
    """

    usual: float
    hard: float
    shift: tuple[float, float]


class AlignmentSpec(msgspec.Struct, frozen=True):
    """Limits of the camera's displacement, in px of the frame, from phase correlation.

    usual_px : largest displacement of a reference from their mean image.
    """

    usual_px: float


class GateSpec(msgspec.Struct, frozen=True):
    """The fitted input gate.

    Attributes
    ----------
    size : tuple of (int, int, int) or None
        Height, width, channels that every reference has; None where they differ.
    limits : tuple of Limit
    frozen_after : int
        Identical frames in a row, from a live source, that mean a frozen picture.
    cells : CellSpec or None
        None where the scene is not fixed.
    alignment : AlignmentSpec or None
        None where the scene is not fixed.
    """

    size: tuple[int, int, int] | None
    limits: tuple[Limit, ...]
    frozen_after: int
    cells: CellSpec | None = None
    alignment: AlignmentSpec | None = None
