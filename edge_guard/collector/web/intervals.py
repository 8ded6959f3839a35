"""Shares with their intervals, one below the other on one scale, as markup of numbers and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEAST_SPAN = 0.02
"""Of the scale; shares closer than that look alike."""


@dataclass(frozen=True, slots=True)
class Row:
    """One share; without limits it was counted, not estimated."""

    name: str
    share: float
    low: float | None = None
    high: float | None = None


def intervals(
    rows: Sequence[Row],
    low: float | None = None,
    high: float | None = None,
    limit: float | None = None,
) -> str:
    """Return the markup; empty of no rows. Names are escaped.

    Parameters
    ----------
    rows : sequence of Row
    low, high : float, optional
        Ends of the scale; default: what the rows need.
    limit : float, optional
        A promise, drawn through all rows.
    """
    if not rows:
        return ""
    ends = [end for row in rows for end in (row.low, row.high, row.share) if end is not None]
    ends += [1.3 * limit] if limit is not None else []
    begin = max(0.0, min(ends) - LEAST_SPAN) if low is None else low
    end = min(1.0, max(ends) + LEAST_SPAN / 10) if high is None else high
    span = max(end - begin, LEAST_SPAN)

    def place(value: float) -> float:
        return min(max(100.0 * (value - begin) / span, 0.0), 100.0)

    promise = None if limit is None else place(limit)
    drawn = [
        _row(
            row, place(row.share), [place(e) for e in (row.low, row.high) if e is not None], promise
        )
        for row in rows
    ]
    said = "" if limit is None else f"<span>promised at most {_percent(limit)}</span>"
    scale = f"<span>{_percent(begin)}</span>{said}<span>{_percent(begin + span)}</span>"
    return (
        f'<div class="intervals">{"".join(drawn)}'
        f'<div></div><div class="interval-scale">{scale}</div></div>'
    )


def _row(row: Row, at: float, ends: Sequence[float], limit: float | None) -> str:
    drawn = ""
    if len(ends) == 2:
        width = max(ends[1] - ends[0], 0.5)
        drawn = f'<i class="interval-range" style="left:{ends[0]:.2f}%;width:{width:.2f}%"></i>'
    shape = "interval-point" if drawn else "interval-point is-counted"
    drawn += f'<i class="{shape}" style="left:{at:.2f}%"></i>'
    if limit is not None:
        drawn += f'<i class="interval-limit" style="left:{limit:.2f}%"></i>'
    words = _percent(row.share)
    if row.low is not None and row.high is not None:
        words += f' <span class="quiet">{_percent(row.low)}–{_percent(row.high)}</span>'
    return (
        f'<div class="interval-name">{escape(row.name)}</div><div class="interval">{drawn}</div>'
        f'<div class="interval-words">{words}</div>'
    )


def _percent(share: float) -> str:
    digits = 2 if 0.0 < share < 0.001 else 1
    return f"{100.0 * share:.{digits}f} %"
