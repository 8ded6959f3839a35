"""Risk against coverage as a drawing: a line in its interval, the goal, where one is and may go."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_guard.retune.consequences import Point

WIDTH, HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 14, 46
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def risk_coverage(points: Sequence[Point], max_error: float, now: Point, then: Point | None) -> str:
    """Return an SVG drawing; its numbers are also told in words beside it.

    Parameters
    ----------
    points : sequence of Point
        Strict to loose.
    max_error : float
        The goal, a dashed line.
    now, then : Point, Point or None
        The present threshold, a ring, and the new one, a diamond.
    """
    known = [point for point in points if not math.isnan(point.risk.share)]
    top = _top(known, max_error)
    parts = [_axes(top), _goal(max_error, top)]
    if len(known) > 1:
        upper = [(p.coverage.share, min(p.risk.high, top)) for p in known]
        lower = [(p.coverage.share, min(p.risk.low, top)) for p in reversed(known)]
        line = [(p.coverage.share, min(p.risk.share, top)) for p in known]
        parts.append(f'<polygon class="risk-reach" points="{_path([*upper, *lower], top)}"/>')
        parts.append(f'<polyline class="risk-line" points="{_path(line, top)}"/>')
    parts.append(_marked(now, top, "now"))
    if then is not None:
        parts.append(_marked(then, top, "then"))
    words = "wrong answers among the accepted, against the share of frames accepted"
    return (
        f'<svg class="risk" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
        + "".join(parts)
        + "</svg>"
    )


def _top(points: Sequence[Point], max_error: float) -> float:
    """Return the upper end of the scale: the goal is seen well, and the line while it is near."""
    highest = max((point.risk.share for point in points), default=0.0)
    wanted = max(2.5 * max_error, min(1.15 * highest, 12 * max_error))
    return min(wanted, 1.0)


def _at(coverage: float, risk: float, top: float) -> tuple[float, float]:
    x = _LEFT + coverage * (WIDTH - _LEFT - _RIGHT)
    y = HEIGHT - _BOTTOM - risk / top * (HEIGHT - _TOP - _BOTTOM)
    return x, y


def _path(points: Sequence[tuple[float, float]], top: float) -> str:
    return " ".join("{:.1f},{:.1f}".format(*_at(x, y, top)) for x, y in points)


def _axes(top: float) -> str:
    step = next((one for one in _STEPS if top / one <= 6), 1.0)
    parts = []
    for i in range(int(top / step + 1e-9) + 1):
        x, y = _at(0.0, i * step, top)
        parts.append(f'<path class="risk-grid" d="M{x:.1f} {y:.1f}H{WIDTH - _RIGHT}"/>')
        text = f"{100 * i * step:g} %"
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 5:.1f}" text-anchor="end">{text}</text>')
    for i in range(6):
        x, y = _at(i / 5, 0.0, top)
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{20 * i} %</text>')
    middle, below = _at(0.5, 0.0, top)
    parts.append(
        f'<text x="{middle:.1f}" y="{below + 40:.1f}" text-anchor="middle">frames accepted</text>'
    )
    return "".join(parts)


def _goal(max_error: float, top: float) -> str:
    x, y = _at(0.0, max_error, top)
    words = f"at most {100 * max_error:g} % wrong"
    return (
        f'<path class="risk-goal" d="M{x:.1f} {y:.1f}H{WIDTH - _RIGHT}"/>'
        f'<text x="{x + 6:.1f}" y="{y - 6:.1f}">{words}</text>'
    )


def _marked(point: Point, top: float, word: str) -> str:
    """Return a ring (now) or a diamond (then) with its word; nothing where it is unknown."""
    if math.isnan(point.risk.share) or math.isnan(point.coverage.share):
        return ""
    x, y = _at(point.coverage.share, min(point.risk.share, top), top)
    shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
    if word == "then":
        shape = f'<path d="M{x:.1f} {y - 9:.1f}l9 9l-9 9l-9 -9z"/>'
    side = "end" if point.coverage.share > 0.85 else "start"
    shift = -12 if side == "end" else 12
    text = f'<text x="{x + shift:.1f}" y="{y - 10:.1f}" text-anchor="{side}">{word}</text>'
    return f'<g class="risk-{word}">{shape}{text}</g>'
