"""The fast monitor: prewhitened two-sided CUSUM charts with a dead band, and a Shewhart limit.

For each channel, with μ, ρ of the references (`edge_guard.drift.spec`), of frame t:

    d = x_t − μ,    e = d_t − ρ d_{t−1}
    C± ← max(0, C± + min(±e / s_k, 4) − k − (1 − ρ) band / s_k)         alarm at C± > h_k

for the k of `edge_guard.drift.runlength` (Page 1954, "Continuous inspection schemes"; prewhitening:
Alwan & Roberts 1988). The Shewhart limit L asks a second frame to agree, so that one strange frame
is no drift:  e_t > L s  and  e_{t+1} + ρ e_t > L s √(1 + ρ²),  the same on the other side.
Each chart remembers when it last stood at 0: the change came then, by its own estimate.
"""

from __future__ import annotations

from math import isnan

import numpy as np

from edge_guard.drift.runlength import CLIP, REFERENCE_VALUES
from edge_guard.drift.spec import ChannelSpec
from edge_guard.types import Array, Doubles

_K = np.array(REFERENCE_VALUES)[:, None]


class Charts:
    """All charts of K channels: one of each reference value for each channel and side.

    Parameters
    ----------
    channels : tuple of ChannelSpec

    Attributes
    ----------
    level : Doubles
        (charts, 2 K): C of all upper sides, then of all lower sides.
    """

    def __init__(self, channels: tuple[ChannelSpec, ...]) -> None:
        k = len(channels)
        self._mean = np.array([c.mean for c in channels])
        self._shewhart = np.array([c.shewhart for c in channels])
        self._marginal = np.array([c.scales for c in channels]).T
        self._limit = np.tile(np.array([c.limits for c in channels]).T, 2)
        self._band = np.array([c.dead_band for c in channels])
        self._rho_fitted = np.array([c.rho for c in channels])
        self.level = np.zeros((len(REFERENCE_VALUES), 2 * k))
        self._frames = 0
        self._since = np.zeros(self.level.shape, np.int64)
        self._jumping = np.zeros(2 * k)
        self._jumped = np.zeros(2 * k, np.bool_)
        self._may_confirm = False
        self._before: Doubles | None = None
        self.prewhiten(self._rho_fitted)

    def prewhiten(self, rho: Doubles) -> None:
        """Take neighbouring frames to correlate by ``rho`` (K,), at the same sd of a frame."""
        self.rho = rho
        scale = self._marginal * np.sqrt((1 - rho**2) / (1 - self._rho_fitted**2))
        self._root = np.sqrt(1 - rho**2)
        self._inverse = np.tile(1.0 / scale, 2)
        self._allowance = np.tile(_K + (1 - rho) * self._band / scale, 2)
        self._rho_twice = np.tile(rho, 2)
        self._jump = np.tile(self._shewhart * scale[0], 2)
        self._second = self._jump * np.sqrt(1 + self._rho_twice**2)

    def forget_neighbour(self) -> None:
        """The next frame does not follow the last one closely."""
        self._before = None

    def reset(self) -> None:
        """Set every chart to 0."""
        self.level[:] = 0.0
        self._jumping[:] = 0.0
        self._jumped[:] = False
        self._since[:] = self._frames

    def update(self, x: Doubles) -> bool:
        """Take one frame's values (K,) in, NaN where there is none; return whether any alarms."""
        d = x - self._mean
        e = d * self._root if self._before is None else d - self.rho * self._before
        if isnan(e @ e):
            d, e = self._without_gaps(d, e)
        both = np.concatenate((e, -e))
        step = np.minimum(both * self._inverse, CLIP)
        step -= self._allowance
        self.level += step
        np.maximum(self.level, 0.0, out=self.level)
        self._frames += 1
        self._since[self.level == 0.0] = self._frames
        self._before = d
        jumped = self._confirm(both)
        return jumped or bool(np.count_nonzero(self.level > self._limit))

    def leading(self) -> tuple[int, int]:
        """Return which channel speaks loudest, and how many frames ago its change came, from 1."""
        ratio = self.level / self._limit + self._jumped
        chart, column = np.unravel_index(int(ratio.argmax()), ratio.shape)
        frames = max(self._frames - int(self._since[chart, column]), 1)
        return int(column) % len(self.rho), frames

    def onset(self, channel: int) -> int:
        """Return how many frames ago the longest climb of a channel's charts began, from 1."""
        k = len(self.rho)
        return max(self._frames - int(self._since[:, [channel, channel + k]].min()), 1)

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart."""
        return {
            "level": self.level,
            "since": self._since,
            "frames": np.array([self._frames]),
            "rho": self.rho,
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`; the frame before it is forgotten.

        Raises
        ------
        ValueError
            It is of other channels.
        """
        for name, old in self.state().items():
            if state[name].shape != old.shape or not np.isfinite(state[name]).all():
                raise ValueError(f"{name} does not fit")
        self.level = state["level"].copy()
        self._since, self._frames = state["since"].astype(np.int64), int(state["frames"][0])
        self.prewhiten(np.clip(state["rho"], 0.0, 0.999))
        self.forget_neighbour()

    def _without_gaps(self, d: Doubles, e: Doubles) -> tuple[Doubles, Doubles]:
        """Return both with gaps filled: charts without a value rest, neighbours stay."""
        before = np.zeros_like(d) if self._before is None else self._before
        return np.where(np.isfinite(d), d, before), np.where(np.isfinite(d), e, 0.0)

    def _confirm(self, both: Doubles) -> bool:
        """Return whether this frame confirms the jump of the one before; note its own jump."""
        jumps = both > self._jump
        jumping = bool(np.count_nonzero(jumps))
        if not (self._may_confirm or jumping):
            return False
        self._jumped = (self._jumping > 0.0) & (
            both + self._rho_twice * self._jumping > self._second
        )
        self._jumping = np.where(jumps, both, 0.0)
        confirmed = bool(self._jumped.any())
        self._may_confirm = jumping or confirmed
        return confirmed
