"""Made-up features with the traits that matter for a search: few true dimensions, rectified."""

from __future__ import annotations

import numpy as np

from edge_guard.types import Array, Doubles

TRUE_DIMENSIONS = 24


class Features:
    """Draws vectors as a network's pooled penultimate layer gives them, L2-normalised.

    relu(latent · mixing + noise): non-negative, many zeros, channels of different size; the latent
    vectors come from ten clusters.
    """

    def __init__(self, dim: int, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        channels = self._rng.lognormal(0, 0.7, dim)
        self._mixing = self._rng.normal(size=(TRUE_DIMENSIONS, dim)) * channels
        self._centres = self._rng.normal(size=(10, TRUE_DIMENSIONS))
        self._noise = 0.3 * channels

    def draw(self, n: int) -> Array:
        """Return (n, D) float32 rows of norm 1, like the references."""
        centres = self._centres[self._rng.integers(0, len(self._centres), n)]
        return self._made(centres + 0.6 * self._rng.normal(size=centres.shape))

    def far(self, n: int) -> Array:
        """Return rows from clusters of their own, three times as far out."""
        return self._made(4 * self._rng.normal(size=(n, TRUE_DIMENSIONS)))

    def isotropic(self, n: int) -> Array:
        """Return rows in any direction at all: no structure to profit from."""
        return normalized(self._rng.normal(size=(n, len(self._noise))))

    def _made(self, latent: Doubles) -> Array:
        noise = self._noise * self._rng.normal(size=(len(latent), len(self._noise)))
        return normalized(np.maximum(latent @ self._mixing + noise, 0))


def normalized(rows: Doubles) -> Array:
    """Return rows of norm 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
