"""The scores in float64 NumPy, written from their formulas; and a Scorer run in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from edge_guard import _kernels

Floats = npt.NDArray[np.float64]
SIZES = (1, 7, 15, 16, 17, 31, 33, 97, 1280)
"""Dimensions that straddle the lanes of every level."""


@dataclass(frozen=True)
class Scored:
    scores: Floats
    fused: float
    p_value: float
    max_p: float
    indices: list[int]


def run(
    scorer: _kernels.Scorer,
    logits: npt.NDArray[np.generic] | None = None,
    taps: Sequence[npt.NDArray[np.generic]] = (),
    statistics: npt.NDArray[np.float32] | None = None,
) -> Scored:
    values = np.full(scorer.n_scores + 3, -7.0)
    indices = np.full(scorer.n_indices, -7, np.int32)
    given = np.empty(0, np.float32) if statistics is None else statistics
    scorer.score(logits, tuple(taps), given, values, indices)
    scores, rest = values[: scorer.n_scores], values[scorer.n_scores :]
    return Scored(scores, rest[0], rest[1], rest[2], indices.tolist())


def scorer_of(
    *,
    logits: _kernels.Tensor | None = None,
    probabilities: bool = False,
    temperature: float = 1.0,
    gamma: float = 0.1,
    top: int = 10,
    taps: Sequence[_kernels.Tensor] = (),
    n_statistics: int = 0,
    views: Sequence[_kernels.View] = (),
    fusion: _kernels.Fusion | None = None,
    patches: _kernels.Patches | None = None,
) -> _kernels.Scorer:
    return _kernels.Scorer(
        logits, probabilities, temperature, gamma, top, taps, n_statistics, views, fusion, patches
    )


def score_vector(x: npt.NDArray[np.float32], view: _kernels.View) -> Scored:
    """Score x as if it were the image statistics."""
    return run(scorer_of(n_statistics=len(x), views=[view]), statistics=x)


def logit_scores(logits: Floats, temperature: float, gamma: float, top: int) -> Floats:
    """gen, energy, msp; the complements 1 − p are summed from the other classes."""
    scaled = logits.astype(np.float64) / temperature
    log_p = log_softmax(scaled)
    log_rest = np.array(
        [logsumexp(np.delete(log_p, c)) if len(log_p) > 1 else -np.inf for c in range(len(log_p))]
    )
    largest = np.argsort(-log_p, kind="stable")[:top]
    gen = np.exp(gamma * (log_p + log_rest))[largest].sum()
    energy = -temperature * logsumexp(scaled)
    return np.array([gen, energy, np.exp(log_rest[log_p.argmax()])])


def edges(side: int) -> list[int]:
    """Limits of the grid's min(4, side) blocks."""
    blocks = min(4, side)
    return [i * side // blocks for i in range(blocks + 1)]


def pooled(real: Floats) -> Floats:
    """Mean, deviation and deviation of the 4×4 grid's block means of a (H, W, C) map."""
    height, width, _ = real.shape
    bands = np.array_split(real, edges(height))[1:-1]
    blocks = [
        block.mean((0, 1))
        for band in bands
        for block in np.array_split(band, edges(width), axis=1)[1:-1]
    ]
    return np.concatenate([real.mean((0, 1)), real.std((0, 1)), np.std(blocks, axis=0)])


def mahalanobis(x: Floats, means: Floats, precision: Floats) -> Floats:
    """(x − μ)ᵀ P (x − μ) for each mean, with the full precision matrix."""
    offsets = x - means
    return (offsets @ precision * offsets).sum(1)


def fuse(scores: Floats, parts: dict[str, Floats], top1: float, top3: float) -> float:
    z = (scores - parts["center"]) / parts["spread"]
    a = np.sign(z) * np.log(1 + np.abs(z))
    b = 3 * np.tanh(a / 3)
    fused = (parts["weight"] * b).sum() + (parts["tail"] * np.maximum(0, a - parts["knee"])).sum()
    largest = np.sort(b)[::-1]
    fused += top1 * largest[0] + top3 * largest[:3].mean()
    return float(fused)
