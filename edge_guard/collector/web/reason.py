"""One reason: its sentence, and its value against the range that passes, as a small bar."""

from __future__ import annotations

from nicegui import ui

from edge_guard.collector.web.marks import box
from edge_guard.collector.web.words import expected, number
from edge_guard.types import Reason


def reason_part(place: int, reason: Reason) -> None:
    """Show one reason.

    Parameters
    ----------
    place : int
        1 = leading.
    reason : Reason
    """
    with box("reason"):
        with box("reason-top"):
            ui.label(str(place)).classes("reason-place")
            ui.label(reason.message).classes("reason-words")
        ui.label(reason.guard).classes("reason-guard")
        if reason.value is None:
            ui.label("no value").classes("quiet")
            return
        low, high = reason.expected
        if low is not None or high is not None:
            _bar(reason.value, low, high)
        with box("reason-range"):
            ui.label(f"{number(reason.value)}{side(reason.value, low, high)}").classes(
                "reason-value"
            )
            ui.label(expected(low, high))


def side(value: float, low: float | None, high: float | None) -> str:
    """Return in words on which side of its range a value lies; empty inside."""
    if high is not None and value > high:
        return ", above"
    return ", below" if low is not None and value < low else ""


def positions(value: float, low: float | None, high: float | None) -> tuple[float, float, float]:
    """Return where the range starts and ends and where the value stands, in per cent of the bar.

    Parameters
    ----------
    value : float
    low, high : float or None
        At least one is given; a missing one lies at the bar's end. One alone does not say how
        far is far: where nothing is negative, the bar starts at zero.
    """
    known = [edge for edge in (value, low, high) if edge is not None]
    spread = max(known) - min(known) or abs(value) or 1.0
    start, width = min(known) - 0.15 * spread, 1.3 * spread
    if len(known) == 2 and min(known) >= 0 < max(known):
        start, width = 0.0, 1.15 * max(known)

    def place(edge: float) -> float:
        return round(100 * (edge - start) / width, 2)

    return (
        place(low) if low is not None else 0.0,
        place(high) if high is not None else 100.0,
        place(value),
    )


def _bar(value: float, low: float | None, high: float | None) -> None:
    first, last, here = positions(value, low, high)
    with box("bar"):
        box("bar-range").style(f"left: {first}%; width: {max(0.0, last - first):.2f}%")
        box("bar-value").style(f"left: {here}%")
