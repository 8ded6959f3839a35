"""What has changed: the known change of the references that moved the channels most alike.

With v = W (mean of x − μ since the change) the change of the image channels in units in which the
references have no correlation and variance 1, compressed by c(v) = sign(v) ln(1 + |v|), and s_i
the same of each known change (`edge_guard.calibration.drift_signatures`):

    similarity_i = s_i·c(v) / (|s_i| √(|c(v)|² − noise)),    noise = Σ of the variances of the means

so that a change seen in a few frames only is not called unlike because of what they wobble. The
family is that of the most similar, ``other`` below `LEAST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_guard.drift.spec import SignatureSpec
from edge_guard.types import Array, Doubles

LEAST = 0.6
"""Changes less similar than this to every known one are ``other``."""

OTHER = SignatureSpec("other", "something that edge-guard has no name for")
_NOISE_SHARE = 0.9


class Attribution(NamedTuple):
    """The likeliest cause, and how similar it is, −1 to 1."""

    cause: SignatureSpec
    similarity: float


class Causes:
    """The signatures of one bundle, M of them over K image channels.

    Parameters
    ----------
    signatures : tuple of SignatureSpec
        (M,).
    directions : Array
        (M, K): mean change of each channel, in its own unit.
    whitener : Array
        (K, K) W.
    """

    def __init__(
        self, signatures: tuple[SignatureSpec, ...], directions: Array, whitener: Array
    ) -> None:
        self._signatures = signatures
        self._whitener = np.asarray(whitener, np.float64)
        rows = compressed(np.asarray(directions, np.float64) @ self._whitener.T)
        self._rows = rows / np.maximum(np.linalg.norm(rows, axis=1), 1e-12)[:, None]

    def attribute(self, change: Doubles, effective: float) -> Attribution:
        """Return the likeliest cause of a change.

        Parameters
        ----------
        change : Doubles
            (K,) mean of x − μ since the change, units of the channels.
        effective : float
            Independent frames that the mean is of.
        """
        if not self._signatures:
            return Attribution(OTHER, 0.0)
        v = compressed(self._whitener @ change)
        energy = float(v @ v)
        noise = min(len(v) / max(effective, 1.0), _NOISE_SHARE * energy)
        along = self._rows @ v / max(np.sqrt(energy - noise), 1e-12)
        best = int(along.argmax())
        similarity = min(float(along[best]), 1.0)
        found = self._signatures[best] if similarity >= LEAST else OTHER
        return Attribution(found if found.family != "other" else OTHER, similarity)


def compressed(v: Array) -> Doubles:
    """Return sign(v) ln(1 + |v|): how much of a large change there is says little of its kind."""
    return np.asarray(np.sign(v) * np.log1p(np.abs(v)))


def whitener_of(values: Array, scales: Array, shrinkage: float = 0.1) -> Doubles:
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
