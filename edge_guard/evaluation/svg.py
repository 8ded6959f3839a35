"""Line charts as inline SVG, drawn by hand: no plotting library on the device or in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from edge_guard.types import Array

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Told apart by colour-blind people too (Okabe & Ito 2008)."""

_WIDTH, _HEIGHT = 460, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 12, 12, 44
_LEGEND_LINE = 18


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: (N,) x and y, its name ("" to leave it out of the legend), and its look."""

    name: str
    x: Array
    y: Array
    color: str
    dashed: bool = False
    steps: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its words, and the range that it spans."""

    label: str
    low: float
    high: float

    def ticks(self) -> Array:
        """Return round positions inside the range, about five."""
        raw = (self.high - self.low) / 5
        power = 10.0 ** np.floor(np.log10(raw))
        step = next(m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw) * power
        return np.arange(np.ceil(self.low / step) * step, self.high + 1e-9 * step, step) + 0.0


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Return an SVG element: curves in a frame with ticks, and a legend below.

    Parameters
    ----------
    title : str
        Read out to people who cannot see it.
    x, y : Axis
        Curves are cut off at their ends.
    lines : sequence of Line
    """
    named = [line for line in lines if line.name]
    height = _HEIGHT + _LEGEND_LINE * len(named)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *_frame(x, y),
        *(_curve(line, x, y) for line in lines),
        *(_legend(line, i) for i, line in enumerate(named)),
        "</svg>",
    ]
    return "\n".join(parts)


def _across(x: Axis, values: Array) -> Array:
    inside = np.clip((np.asarray(values, float) - x.low) / (x.high - x.low), 0.0, 1.0)
    return np.asarray(_LEFT + inside * (_WIDTH - _LEFT - _RIGHT))


def _down(y: Axis, values: Array) -> Array:
    inside = np.clip((np.asarray(values, float) - y.low) / (y.high - y.low), 0.0, 1.0)
    return np.asarray(_HEIGHT - _BOTTOM - inside * (_HEIGHT - _TOP - _BOTTOM))


def _frame(x: Axis, y: Axis) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for value, at in zip(x.ticks(), _across(x, x.ticks()), strict=True):
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" class="mid">{value:.6g}</text>')
    for value, at in zip(y.ticks(), _down(y, y.ticks()), strict=True):
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" class="end">{value:.6g}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    parts.append(
        f'<text x="{(_LEFT + right) / 2}" y="{bottom + 36}" class="mid">{escape(x.label)}</text>'
    )
    parts.append(
        f'<text transform="translate(14 {middle}) rotate(-90)" class="mid">{escape(y.label)}</text>'
    )
    return parts


def _curve(line: Line, x: Axis, y: Axis) -> str:
    across, down = _across(x, line.x), _down(y, line.y)
    if line.steps:
        across, down = np.repeat(across, 2)[1:], np.repeat(down, 2)[:-1]
    points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    drawn = f'<polyline class="curve" points="{points}" stroke="{line.color}"{dash}/>'
    if line.dots:
        drawn += "".join(
            f'<circle cx="{a:.1f}" cy="{d:.1f}" r="3.5" fill="{line.color}"/>'
            for a, d in zip(across, down, strict=True)
        )
    return drawn


def _legend(line: Line, index: int) -> str:
    y = _HEIGHT + _LEGEND_LINE * index + 12
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    return (
        f'<path class="curve" d="M{_LEFT} {y - 4}h24" stroke="{line.color}"{dash}/>'
        f'<text x="{_LEFT + 32}" y="{y}">{escape(line.name)}</text>'
    )
