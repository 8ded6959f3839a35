"""Usual frames that are sent beside the flagged ones: drawn at random, and diverse, in a budget.

On pressure diverse frames go first: what the random ones have used is taken from the same bytes,
and nothing diverse is sent until there is room again. Random ones are never cut short; their odds
are lowered for the next window instead, and travel with each frame (`edge_guard.publish.audit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_guard.config import StreamTable
from edge_guard.publish.audit import AuditDraw
from edge_guard.publish.diverse import DiverseDraw


@dataclass(frozen=True, slots=True)
class Drawn:
    """Why a frame is sent whatever its verdict.

    Attributes
    ----------
    sampled : float or None
        The probability with which it was drawn at random; None: it was not.
    diverse : float or None
        How far it is from those sent before; None: it is not sent for that.
    """

    sampled: float | None = None
    diverse: float | None = None


class Sampling:
    """Draws the frames of one stream. Not for two threads at once.

    Parameters
    ----------
    table : StreamTable
    """

    def __init__(self, table: StreamTable) -> None:
        budget = table.sample_bytes_per_hour
        seconds = table.summary_seconds
        self._audit = AuditDraw(table.audit_per_hour, seconds, bytes_per_hour=budget)
        self._diverse = DiverseDraw(table.diverse_per_hour)
        self._budget = budget
        self._room = 0.0
        self._last: float | None = None

    def draw(self, values: Mapping[str, float], accepted: bool, now: float) -> Drawn:
        """Return why the next frame is sent; empty where it is not.

        Parameters
        ----------
        values : mapping of str to float
            What was measured in it.
        accepted : bool
            Others are sent anyway.
        now : float
            Monotonic time, s.
        """
        sampled = self._audit.take(now)
        if not accepted:
            return Drawn(sampled)
        affordable = sampled is None and self._has_room(now)
        return Drawn(sampled, self._diverse.take(values, now, affordable=affordable))

    def sent(self, drawn: Drawn, size_bytes: int) -> None:
        """Take up how large the picture of a drawn frame was."""
        if drawn.sampled is not None:
            self._audit.sent(size_bytes)
        if drawn != Drawn():
            self._room -= size_bytes

    def _has_room(self, now: float) -> bool:
        """Return whether bytes are left; an hour's worth at most is saved up."""
        if self._budget is None:
            return True
        elapsed = 0.0 if self._last is None else now - self._last
        self._last = now
        self._room = min(float(self._budget), self._room + elapsed * self._budget / 3600.0)
        return self._room > 0.0
