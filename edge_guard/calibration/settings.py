"""What the technician asks of a calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_guard.calibration.dials import Wishes
from edge_guard.view import View


@dataclass(frozen=True, slots=True)
class Settings:
    """What the technician asks for.

    Attributes
    ----------
    false_flag_rate : float
        α: share of good frames that may be flagged.
    wishes : Wishes
        What is asked of labelled references: certificates, costs, a review budget.
    advisory : bool
        Write a bundle without a promise where the references support none.
    card_inferred : bool
        Nobody wrote the card: labelled references may correct it.
    labels : str
        ``auto``: folders name labels; ``none``: they are ignored.
    view : View
        What of the camera's picture the references show: already cut out of what they load.
    said : tuple of str
        How the references were chosen: the bundle repeats it among its warnings.
    seed, threads : int
    """

    false_flag_rate: float = 0.01
    wishes: Wishes = field(default_factory=Wishes)
    advisory: bool = False
    labels: Literal["auto", "none"] = "auto"
    card_inferred: bool = False
    view: View = View()  # noqa: RUF009  never changed
    said: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1
