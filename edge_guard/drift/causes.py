"""What has changed: the known change of the references that moved the channels most alike.

With v = W (look of the mean change), in units in which the references' looks have no correlation
and variance 1, compressed by c(v) = sign(v) ln(1 + |v|/5), and s_i
the same of each known change (`edge_guard.calibration.drift_signatures`):

    similarity_i = s_i·c(v) / (|s_i| √(|c(v)|² − noise)),    noise = Σ of the variances of the means

so that a change seen in a few frames only is not called unlike because of what they wobble. Known
changes that hardly move the channel which deviates most, or move it the other way, do not explain
it and are left out. The family is that of the most similar, ``other`` below `LEAST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_guard.drift.spec import SignatureSpec
from edge_guard.types import Array, Doubles

LEAST = 0.6
"""Changes less similar than this to every known one are ``other``."""

OTHER = SignatureSpec("other", "the pictures have changed in a way that has no name here")
_NOISE_SHARE = 0.9
_LARGE = 5.0
"""Deviations from which more is not much news."""

_UNRULY = 2.0
"""Means of real frames wobble so much more than independent ones of the whitener's variance."""

_EXPLAINS = 0.5
"""A cause moves the most deviating channel by at least this share of what it moves any."""

_VISIBLE = 1.0
"""A known change that moves no channel by so many deviations of a frame teaches nothing."""


class Attribution(NamedTuple):
    """The likeliest cause, how similar it is, −1 to 1, and the share that tells its size, or −1."""

    cause: SignatureSpec
    similarity: float
    share: int = -1


class Causes:
    """The signatures of one bundle: M known changes, each described by D numbers.

    Parameters
    ----------
    signatures : tuple of SignatureSpec
        (M,).
    directions : Array
        (M, D) of `edge_guard.drift.looks.look`.
    whitener : Array
        (D, D) W.
    scales : Array
        (K,) standard deviations of a frame's image channels, the first K of D.
    """

    def __init__(
        self,
        signatures: tuple[SignatureSpec, ...],
        directions: Array,
        whitener: Array,
        scales: Array,
    ) -> None:
        whole = np.asarray(directions, np.float64)
        moves = whole[:, : len(scales)] / scales
        most = np.abs(moves).max(1)
        kept = most >= _VISIBLE
        self._signatures = [s for s, keep in zip(signatures, kept, strict=True) if keep]
        self._shares = moves[kept] / most[kept, None]
        self._whitener = np.asarray(whitener, np.float64)
        rows = compressed(whole[kept] @ self._whitener.T)
        self._rows = rows / np.maximum(np.linalg.norm(rows, axis=1), 1e-12)[:, None]

    def attribute(
        self, change: Doubles, effective: float, leading: int, sign: float
    ) -> Attribution:
        """Return the likeliest cause of a change.

        Parameters
        ----------
        change : Doubles
            (D,) `edge_guard.drift.looks.look` of the mean change.
        effective : float
            Independent frames that the mean is of.
        leading : int
            The image channel that deviates most.
        sign : float
            Of its deviation.
        """
        explain = self._shares[:, leading] * np.sign(sign) >= _EXPLAINS
        if not explain.any():
            return Attribution(OTHER, 0.0)
        v = compressed(self._whitener @ change)
        energy = float(v @ v)
        noise = _UNRULY * len(v) / (_LARGE**2 * max(effective, 1.0))
        noise = min(noise, _NOISE_SHARE * energy)
        along = self._rows @ v / max(np.sqrt(energy - noise), 1e-12)
        along[~explain] = -1.0
        best = int(along.argmax())
        similarity = min(float(along[best]), 1.0)
        found = self._signatures[best] if similarity >= LEAST else OTHER
        return Attribution(found if found.family != "other" else OTHER, similarity)


def compressed(v: Array) -> Doubles:
    """Return sign(v) ln(1 + |v|/5): how much of a large change there is says little of its kind."""
    return np.asarray(np.sign(v) * np.log1p(np.abs(v) / _LARGE))


def whitener_of(values: Array, scales: Array, shrinkage: float = 0.3) -> Doubles:
    """Return W of references' channel values (N, K): W cov(x) Wᵀ = 1.

    Parameters
    ----------
    values : Array
        (N, K).
    scales : Array
        (K,) standard deviations, at least the channels' floors.
    shrinkage : float
        Share of no correlation in the correlations.
    """
    standard = (np.asarray(values, np.float64) - values.mean(0)) / scales
    correlation = standard.T @ standard / len(standard)
    correlation = (1 - shrinkage) * correlation + shrinkage * np.eye(len(scales))
    level, axes = np.linalg.eigh(correlation)
    root = axes @ np.diag(1.0 / np.sqrt(np.maximum(level, 1e-3))) @ axes.T
    return np.asarray(root / np.asarray(scales)[None])
