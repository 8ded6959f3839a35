"""What a bundle says of a detector's outputs."""

from __future__ import annotations

from typing import Literal

import msgspec

Form = Literal["yolo5", "yolo8", "yolo10", "ssd"]
Knots = tuple[tuple[float, float], ...]


class DetectionSpec(msgspec.Struct, frozen=True):
    """How outputs become boxes, and boxes become confidence.

    Attributes
    ----------
    form : str
        ``yolo5``: (N, 5 + classes) with centre, size, objectness, a score a class. ``yolo8``: the
        same without objectness. ``yolo10``: (N, 6) with corners, score, class. ``ssd``: three
        outputs, corners (N, 4) from the top left in shares of the input, classes (N), scores (N).
    columns_first : bool
        The boxes are the columns of the output, not its rows.
    shares : bool
        Coordinates are shares of the model's input; px of it where false.
    threshold : float
        Boxes that score as high are the model's answer.
    box_knots : tuple of pairs
        Map from a box's ln of the odds to those of being right (`edge_guard.confidence`); empty
        where no labels calibrated it.
    """

    form: Form
    columns_first: bool = False
    shares: bool = False
    threshold: float = 0.25
    box_knots: Knots = ()
