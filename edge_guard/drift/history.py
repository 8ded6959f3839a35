"""Means over the latest frames, however many: running totals, kept finely for what is recent."""

from __future__ import annotations

import numpy as np

from edge_guard._kernels import add_to_history
from edge_guard.types import Array, Doubles

_FINE = 64
_COARSE = 64
"""Totals of each of the last 64 frames, and of each 64th of the last 4,096."""


class History:
    """Running totals of V numbers a frame: 8·V·129 bytes.

    Parameters
    ----------
    usual : Doubles
        (V,) what stands for a value that is not there.
    """

    def __init__(self, usual: Doubles) -> None:
        size = len(usual)
        self.frames = 0
        self._usual = usual
        self._total = np.zeros(size)
        self._fine = np.zeros((_FINE, size))
        self._coarse = np.zeros((_COARSE, size))

    def add(self, values: Doubles) -> None:
        """Take one frame's values (V,) in."""
        add_to_history(self.frames, values, self._usual, self._total, self._fine, self._coarse)
        self.frames += 1

    def mean(self, frames: int) -> tuple[Doubles, int]:
        """Return the mean over about the last ``frames`` frames, and over how many it is.

        Exactly so many up to 64; beyond, up to 63 fewer; at most 4,096 and what there is.
        """
        frames = max(1, min(frames, self.frames, _FINE * (_COARSE - 1)))
        start = self.frames - frames
        if frames <= _FINE:
            before = self._fine[start % _FINE]
        else:
            start = -(-start // _FINE) * _FINE
            before = self._coarse[start // _FINE % _COARSE]
        frames = max(self.frames - start, 1)
        return (self._total - before) / frames, frames

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart."""
        return {
            "frames": np.array([self.frames]),
            "total": self._total,
            "fine": self._fine,
            "coarse": self._coarse,
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`.

        Raises
        ------
        ValueError
            It is of something else.
        """
        for name, old in self.state().items():
            if state[name].shape != old.shape or not np.isfinite(state[name]).all():
                raise ValueError(f"{name} does not fit")
        self.frames = max(int(state["frames"][0]), 0)
        self._total[:], self._fine[:] = state["total"], state["fine"]
        self._coarse[:] = state["coarse"]
