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

import numpy as np

from edge_guard._kernels import step_charts
from edge_guard.drift.runlength import CLIP
from edge_guard.drift.spec import ChannelSpec
from edge_guard.types import Array, Doubles


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
        self._k = np.array([c.references for c in channels]).T
        n, k = self._k.shape
        self._shewhart = np.array([c.shewhart for c in channels])
        self._marginal = np.array([c.scales for c in channels]).T
        self._limit = np.tile(np.array([c.limits for c in channels]).T, 2)
        self._band = np.array([c.dead_band for c in channels])
        self._rho_fitted = np.array([c.rho for c in channels])
        self._channel = np.array([[c.mean for c in channels], np.zeros(k), np.ones(k)])
        self._column = np.zeros((3 * n + 2, 2 * k))
        self._columns = np.zeros((2 * n + 2, 2 * k))
        self.level, self._since = self._columns[:n], self._columns[n : 2 * n]
        self._jumping, self._jumped = self._columns[2 * n :]
        self._before = np.full(k, np.nan)
        self._frames = 0
        self.prewhiten(self._rho_fitted)

    @property
    def rho(self) -> Doubles:
        """Correlation (K,) of neighbouring frames that is taken out."""
        rho: Doubles = self._channel[1]
        return rho

    def prewhiten(self, rho: Doubles) -> None:
        """Take neighbouring frames to correlate by ``rho`` (K,), at the same sd of a frame."""
        root = np.sqrt(1 - rho**2)
        scale = self._marginal * np.sqrt((1 - rho**2) / (1 - self._rho_fitted**2))
        jump = np.tile(self._shewhart * scale[0], 2)
        self._column[:] = np.concatenate(
            (
                np.tile(1.0 / scale, 2),
                np.tile(self._k + (1 - rho) * self._band / scale, 2),
                self._limit,
                [jump, jump * np.sqrt(1 + np.tile(rho, 2) ** 2)],
            )
        )
        self._channel[1:] = rho, root

    def forget_neighbour(self) -> None:
        """The next frame does not follow the last one closely."""
        self._before[:] = np.nan

    def reset(self) -> None:
        """Set every chart to 0."""
        self._columns[:] = 0.0
        self._since[:] = self._frames

    def update(self, x: Doubles) -> bool:
        """Take one frame's values (K,) in; return whether any chart alarms.

        Charts of a channel without a finite value rest, and its neighbour stays.
        """
        self._frames += 1
        return step_charts(
            x, self._frames, CLIP, self._channel, self._column, self._before, self._columns
        )

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
        self.level[:], self._since[:] = state["level"], state["since"]
        self._frames = int(state["frames"][0])
        self.prewhiten(np.clip(state["rho"], 0.0, 0.999))
        self.forget_neighbour()
