"""The report's charts: score histograms, ROC, risk against coverage, reliability."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_guard.evaluation.judge import Judged
from edge_guard.evaluation.metrics import auroc, reliability, risk_coverage, roc
from edge_guard.evaluation.record import Answers
from edge_guard.evaluation.svg import COLORS, Axis, Line, chart
from edge_guard.types import Array

_BINS = 40
_POINTS = 200
"""Curves are thinned to about so many points."""


def histograms(inside: Judged, outside: Mapping[str, Judged], limit: float) -> str:
    """Return the share of images by fused score, each set's own, with the flag threshold."""
    sets = {"like the references": inside} | dict(outside)
    return score_histogram({name: judged.fused for name, judged in sets.items()}, limit)


def score_histogram(sets: Mapping[str, Array], limit: float) -> str:
    """Return the share of images by fused score (N,) of each set, with the flag threshold."""
    shown = np.concatenate([fused[np.isfinite(fused)] for fused in sets.values()])
    low, high = _range(np.append(shown, limit))
    edges = np.linspace(low, high, _BINS + 1)
    lines = []
    for color, (name, fused) in zip(_colors(len(sets)), sets.items(), strict=True):
        counts, _ = np.histogram(np.clip(fused, low, high), edges)
        lines.append(Line(name, edges, _closed(counts / max(len(fused), 1)), color, steps=True))
    top = max(float(line.y.max()) for line in lines) * 1.05
    at = np.array([limit, limit])
    lines.append(Line("flagged beyond", at, np.array([0.0, top]), COLORS[-1], dashed=True))
    return chart(
        "Histogram of fused scores",
        Axis("fused score (higher = more unlike the references)", low, high),
        Axis("share of images", 0.0, top),
        lines,
    )


def roc_curves(inside: Judged, outside: Mapping[str, Judged]) -> str:
    """Return detection against false flags at every threshold on the fused score."""
    lines = []
    for color, (name, judged) in zip(_colors(len(outside), 1), outside.items(), strict=True):
        x, y = roc(inside.fused, judged.fused)
        words = f"{name}, AUROC {auroc(inside.fused, judged.fused):.4f}"
        lines.append(Line(words, *_thinned(x, y), color))
    ends = np.array([0.0, 1.0])
    lines.append(Line("chance", ends, ends, "#777777", dashed=True))
    return chart(
        "ROC curves",
        Axis("share of good images flagged", 0.0, 1.0),
        Axis("share of foreign images flagged", 0.0, 1.0),
        lines,
    )


def risk_curve(answered: Answers) -> str:
    """Return the share of wrong answers among the most confident ones."""
    curve = risk_coverage(answered.confidence, answered.correct)
    high = max(float(curve.risk.max()) * 1.1, 0.01)
    words = f"AURC {curve.aurc:.4f}, AUGRC {curve.augrc:.4f}"
    return chart(
        "Risk against coverage",
        Axis("coverage: share of answers accepted, surest first", 0.0, 1.0),
        Axis("share of accepted answers that is wrong", 0.0, high),
        [Line(words, *_thinned(curve.coverage, curve.risk), COLORS[0])],
    )


def reliability_diagram(answered: Answers) -> str:
    """Return accuracy against confidence in bins of equal count."""
    bins = reliability(answered.confidence, answered.correct)
    low = float(np.floor(10 * min(bins.confidence.min(), bins.accuracy.min())) / 10)
    low = min(low, 0.9)
    ends = np.array([low, 1.0])
    return chart(
        "Reliability of the confidence",
        Axis("confidence", low, 1.0),
        Axis("share of right answers", low, 1.0),
        [
            Line(
                "answers, equal counts a dot", bins.confidence, bins.accuracy, COLORS[0], dots=True
            ),
            Line("as it should be", ends, ends, "#777777", dashed=True),
        ],
    )


def _colors(n: int, first: int = 0) -> list[str]:
    return [COLORS[(first + i) % (len(COLORS) - 1)] for i in range(n)]


def _range(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.02 * (high - low) or 1.0
    return low - pad, high + pad


def _closed(shares: Array) -> Array:
    """Return B shares as the B + 1 heights of a step line."""
    return np.append(shares, shares[-1])


def _thinned(x: Array, y: Array) -> tuple[Array, Array]:
    rows = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[rows], y[rows]
