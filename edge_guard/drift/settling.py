"""Whether the frames of this stream resemble their neighbours more than the references did.

References from a folder tell nothing of how alike frames are that follow each other. Over the first
frames of a stream, of each channel with mean square difference Δ² of neighbours and variance v:

    ρ = 1 − Δ² / (2 min(v, σ²))        where v ≥ σ²/4: slower wandering does not matter

(von Neumann 1941), σ² of the references; taken from differences so that a slow drift of the mean is
not mistaken for likeness of neighbours.
"""

from __future__ import annotations

import numpy as np

from edge_guard._kernels import settle
from edge_guard.drift.spec import ChannelSpec
from edge_guard.types import Array, Doubles

FRAMES = 512
_LARGEST = 0.995
_CAREFUL = 2.0


class Settling:
    """Measures the likeness of neighbours over the first `FRAMES` frames of K channels.

    Parameters
    ----------
    channels : tuple of ChannelSpec
    """

    def __init__(self, channels: tuple[ChannelSpec, ...]) -> None:
        self._sd = np.array([c.sd for c in channels])
        self._mean = np.array([c.mean for c in channels])
        self._sums = np.zeros((4, len(channels)))
        self._before = np.full(len(channels), np.nan)
        self.frames = 0

    @property
    def done(self) -> bool:
        """True once enough frames were seen."""
        return self.frames >= FRAMES

    def forget_neighbour(self) -> None:
        """The next frame does not follow the last one closely."""
        self._before[:] = np.nan

    def update(self, x: Doubles) -> None:
        """Take one frame's values (K,) in, NaN where there is none."""
        self.frames += 1
        settle(x, self._mean, self._sd, self._before, self._sums)

    def correlation(self) -> Doubles:
        """Return ρ (K,), at two standard errors above what was measured; 0 where it is small."""
        mean = self._sums[0] / max(self.frames, 1)
        variance = self._sums[1] / max(self.frames, 1) - mean**2
        pairs = np.maximum(self._sums[3], 1)
        rho = 1 - self._sums[2] / pairs / (2 * np.clip(variance, 1e-12, 1.0))
        error = np.sqrt(np.maximum(1 - rho**2, 0.0) / pairs)
        careful = np.clip(rho + _CAREFUL * error, 0.0, _LARGEST)
        return np.where((variance >= 0.25) & (rho > _CAREFUL * error), careful, 0.0)

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart."""
        return {"sums": self._sums, "frames": np.array([self.frames])}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`.

        Raises
        ------
        ValueError
            It is of other channels.
        """
        if state["sums"].shape != self._sums.shape or not np.isfinite(state["sums"]).all():
            raise ValueError("the settling does not fit")
        self._sums[:], self.frames = state["sums"], int(state["frames"][0])
