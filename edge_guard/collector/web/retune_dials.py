"""What an engineer turns on the page of a retune: promise, costs, review budget, a shift's size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from edge_guard.collector.web.marks import box
from edge_guard.retune.settings import Wishes


class Dials:
    """The fields.

    Parameters
    ----------
    changed : callable
        Awaited after each turn.
    """

    def __init__(self, changed: Callable[[], Awaitable[None]]) -> None:
        self._changed = changed
        with box("dials"):
            self._target = self._number("right among the accepted, %", 99.0, 50.0, 99.99, 0.1)
            self._sure = self._number("with confidence, %", 95.0, 50.0, 99.99, 1.0)
            self._escape = self._number("cost of an escape", None, 0.0, 1e12, 1.0)
            self._look = self._number("cost of a human look", None, 0.0, 1e12, 1.0)
            self._budget = self._number("review budget, % of frames", None, 0.0, 100.0, 1.0)
            self._shift = self._number("frames a shift", 10_000, 1, 1e9, 1000)
        self._references = ui.checkbox(
            "count the bundle's labelled references too: holds if production is like them",
            on_change=changed,
        )

    @property
    def frames_per_shift(self) -> float:
        """How many frames the line makes in a shift."""
        return float(self._shift.value or 0.0)

    def wishes(self, who: str) -> Wishes | str:
        """Return what is asked, or what is wrong with it in words."""
        target, sure = self._target.value, self._sure.value
        if target is None or sure is None:
            return "say how many of the accepted answers are to be right, and how sure that is"
        budget = self._budget.value
        return Wishes(
            target=round(target / 100, 6),
            confidence=round(sure / 100, 6),
            references=bool(self._references.value),
            cost_escape=self._escape.value,
            cost_look=self._look.value,
            review_budget=None if budget is None else budget / 100,
            who=who,
        )

    def _number(
        self, label: str, value: float | None, low: float, high: float, step: float
    ) -> ui.number:
        field = ui.number(label, value=value, min=low, max=high, step=step, on_change=self._changed)
        return field.props("outlined dense debounce=400").classes("dial")
