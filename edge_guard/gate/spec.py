"""What the input gate learnt from the references: limits per check, as the bundle stores them."""

from __future__ import annotations

from typing import Literal

import msgspec

Check = Literal[
    "dead",
    "frozen",
    "timestamp",
    "format",
    "stuck",
    "exposure",
    "clipping",
    "flicker",
    "color",
    "focus",
    "compression",
    "alignment",
    "occlusion",
    "noise",
    "banding",
    "other",
]
"""A check, or the family of a cause; ``other``: nothing that the gate has a name for."""

ORDER: tuple[Check, ...] = (
    "dead",
    "frozen",
    "timestamp",
    "format",
    "stuck",
    "exposure",
    "clipping",
    "flicker",
    "color",
    "focus",
    "compression",
    "alignment",
    "occlusion",
    "noise",
    "banding",
)
"""The first failing check in this order is the leading reason, where no cause is likelier."""

CERTAIN = 4
"""This many checks at the head of the order are facts, which no likelier cause overrules."""

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


class Way(msgspec.Struct, frozen=True):
    """One way in which a picture is spoilt.

    Attributes
    ----------
    name : str
        Unique among the ways.
    cause : Check
        Its family.
    words : str
        For people; empty where the family is ``other``.
    """

    name: str
    cause: Check
    words: str


class CauseSpec(msgspec.Struct, frozen=True):
    """The ways that the bundle's cause arrays describe, in their order."""

    ways: tuple[Way, ...]


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
    """Limits of the camera's displacement, from phase correlation.

    usual_px, usual_deg : largest displacement and turn of a reference from their mean image.
    """

    usual_px: float
    usual_deg: float = 0.0


class RepeatSpec(msgspec.Struct, frozen=True):
    """Limits of what changes from frame to frame of a live source.

    Attributes
    ----------
    frozen_after : int
        Frames in a row that show the same: a frozen picture.
    least_change : float
        A median change of the cells below this, grey levels, is no change.
    flicker : float or None
        Largest mean change of the whole scene's light from frame to frame, grey levels; None where
        the scene is not fixed.
    """

    frozen_after: int
    least_change: float
    flicker: float | None


class GateSpec(msgspec.Struct, frozen=True):
    """The fitted input gate.

    Attributes
    ----------
    size : tuple of (int, int, int) or None
        Height, width, channels that every reference has; None where they differ.
    limits : tuple of Limit
    repeats : RepeatSpec
    cells : CellSpec or None
        None where the scene is not fixed.
    alignment : AlignmentSpec or None
        None where the scene is not fixed.
    causes : CauseSpec or None
        None where nothing could be learnt of causes.
    """

    size: tuple[int, int, int] | None
    limits: tuple[Limit, ...]
    repeats: RepeatSpec
    cells: CellSpec | None = None
    alignment: AlignmentSpec | None = None
    causes: CauseSpec | None = None
