"""Draws the pictures of the concepts' pages from computations; run it to draw them anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_guard.bundle import read_bundle
from edge_guard.calibration.conformal import promise
from edge_guard.pipeline import Pipeline
from edge_guard.sources import open_source
from edge_guard.types import Doubles, Frame

ROOT = Path(__file__).resolve().parents[1]
INK, PAPER, FAINT = "#222", "#fff", "#bbb"
COLORS = {"accept": "#009e73", "review": "#e69f00", "invalid": "#56b4e9"}
"""Of Okabe and Ito, told apart by the colour-blind."""
MARKS = {"accept": 12, "review": 34, "invalid": 56}
"""Height of each verdict's bar in px, so that it is not told by colour alone."""
REFERENCES = (60, 100, 298, 300, 500, 1000)
CALIBRATIONS = 4000


def flag_rates(references: int, rng: np.random.Generator) -> Doubles:
    """Return the true flag rate after each of many calibrations with independent references.

    Scores are uniform, so that the rate beyond a threshold t is exactly 1 − t.
    """
    scores = np.sort(rng.random((CALIBRATIONS, references)), axis=1)
    return np.array([1.0 - promise(row, references, 0.01).score_limit for row in scores])


def promise_picture() -> str:
    """Return the flag rates that calibrations lead to, by the number of references."""
    rng = np.random.default_rng(1)
    step, left, top, wide = 34, 150, 40, 420
    parts = [_text(8, 22, "true share of good frames that are flagged", size=13)]
    bottom = top + step * len(REFERENCES)
    for percent in (0, 1, 2, 3, 4, 5):
        x = left + wide * percent / 5
        dash = "" if percent == 1 else ' stroke-dasharray="2 4"'
        parts += [
            f'<path d="M{x} {top}V{bottom}" stroke="{INK if percent == 1 else FAINT}"{dash}/>',
            _text(x, bottom + 16, f"{percent} %", anchor="middle"),
        ]
    for row, references in enumerate(REFERENCES):
        y = top + step * (row + 0.5)
        rates = flag_rates(references, rng)
        regime = promise(np.zeros(references), references, 0.01).regime
        sure = regime == "confident"
        middle, high = (left + wide * q / 0.05 for q in np.quantile(rates, [0.5, 0.95]))
        color = COLORS["accept" if sure else "review"]
        parts += [
            f'<path d="M{left} {y}H{high:.1f}" stroke="{color}" stroke-width="9"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="5.5" fill="{INK}"/>',
            _text(left - 10, y + 4, f"{references} references", anchor="end"),
            _text(left + wide + 10, y + 4, "95 % confidence" if sure else "on average"),
        ]
    return _svg(700, bottom + 28, parts)


def shift_picture() -> str:
    """Return the verdicts of the shipped recording, frame by frame, above what is in it."""
    script = json.loads((ROOT / "models" / "events.json").read_text("utf-8"))
    verdicts = list(_verdicts())
    left, wide, base = 20, 660, 76
    parts = []
    for number, verdict in enumerate(verdicts):
        x, height = left + wide * number / len(verdicts), MARKS[verdict]
        parts.append(
            f'<path d="M{x:.1f} {base}v-{height}" stroke="{COLORS[verdict]}" stroke-width="1.3"/>'
        )
    for row, event in enumerate(script["events"]):
        start, end = (
            left + wide * event[key] / len(verdicts) for key in ("first_frame", "last_frame")
        )
        y = base + 12 + 16 * (row % 2)
        name = event["name"].replace("_", " ")
        parts += [
            f'<path d="M{start:.1f} {base + 6}H{end:.1f}" stroke="{INK}" stroke-width="4"/>',
            _text((start + end) / 2, y + 12, name, anchor="middle"),
        ]
    for place, (verdict, color) in enumerate(COLORS.items()):
        x = left + 110 * place
        parts.append(f'<path d="M{x + 6} 140v-{MARKS[verdict] / 4}" stroke="{color}" ')
        parts[-1] += 'stroke-width="12"/>'
        parts.append(_text(x + 18, 140, f"{verdict} {verdicts.count(verdict)}"))
    return _svg(700, 152, parts)


def _verdicts() -> Iterator[str]:
    pipeline = Pipeline(read_bundle(ROOT / "models" / "demo_line.guard"), threads=1, live=True)
    source = open_source(str(ROOT / "models" / "footage.avi"), stream="top")
    while not source.finished:
        frame = source.read(5.0)
        if isinstance(frame, Frame):
            yield str(pipeline.inspect(frame).verdict)


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


def _svg(width: int, height: float, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
    head += f'font-family="sans-serif" fill="{INK}">'
    paper = f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])


PICTURES = {"promise.svg": promise_picture, "shift.svg": shift_picture}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (ROOT / "docs" / "images" / name).write_text(draw(), "utf-8")
