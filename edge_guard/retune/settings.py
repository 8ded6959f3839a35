"""What an engineer asks of a retune."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked.

    Attributes
    ----------
    target : float
        Share of accepted answers that are to be right, 0 < target < 1.
    confidence : float
        With which it is promised, 0 < confidence < 1.
    references : bool
        The parent's labelled references count as well: the promise then holds if production is
        like them.
    cost_escape, cost_look : float or None
        Of one accepted wrong answer and of one human look, in any one unit; both or none.
    review_budget : float or None
        Share of the frames that people can look at.
    who : str
        Who asks.
    """

    target: float = 0.99
    confidence: float = 0.95
    references: bool = False
    cost_escape: float | None = None
    cost_look: float | None = None
    review_budget: float | None = None
    who: str = ""

    @property
    def max_error(self) -> float:
        """α."""
        return round(1.0 - self.target, 12)

    @property
    def delta(self) -> float:
        """The promise may fail with this probability."""
        return round(1.0 - self.confidence, 12)
