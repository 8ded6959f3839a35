"""The guaranteed monitor: ranks of block means, bet against by a mixture of Shiryaev-Roberts sums.

Frames of a block are averaged, so that blocks hardly depend on each other. The block mean falls
into one of the bins between sorted edges; with m_j the weight of bin j and U uniform,

    p = (Σ_{i<j} m_i + U m_j) / Σ m,    m_j ← m_j + 1,    z = Φ⁻¹(p)
    R_λ ← (R_λ + 1) · exp(λ z − λ²/2),    λ ∈ ±{.25, .5, 1, 1.5, 2.5}
    alarm when the mean of R_λ over λ and channels > A

Edges at the sorted block means of n references, with as many gaps between neighbours as m_j says,
make the bins' probabilities Dirichlet(m) whatever the distribution is (Wilks 1962, "Mathematical
Statistics", §8.7.4), so p is exactly uniform and independent of what came before as long as blocks
keep coming from that distribution. Where the references are not in the order of a stream, all m_j
start at 0 and the first blocks of the stream itself are the history: p = (Σ_{i<j} m_i +
U (m_j + 1)) / (Σ m + 1). Then E[mean R] after T frames is Σ_c w_c T / B_c and

    P(false alarm within T frames) ≤ T Σ_c (w_c / B_c) / A

(Shin, Ramdas & Rinaldo 2023, "E-detectors", Theorem 2.4; the ranks are those of Vovk, Nouretdinov &
Gammerman 2003). A history that keeps growing takes slow drift in: that is for the charts.
"""

from __future__ import annotations

from math import isnan
from statistics import NormalDist

import numpy as np

from edge_guard.drift.runlength import FAST_SHARE
from edge_guard.drift.spec import DriftSpec
from edge_guard.types import Array, Doubles

_SIZES = (0.25, 0.5, 1.0, 1.5, 2.5)
_BETS = np.array([*_SIZES, *(-s for s in _SIZES)])
_HALF_SQUARES = 0.5 * _BETS**2
_ROOF = 1e250
_EDGE = 1e-12
_normal = NormalDist()


class EDetector:
    """Ranks and bets of K channels; each has blocks of its own length.

    Parameters
    ----------
    spec : DriftSpec
    edges : Doubles
        (K, E) ascending, padded with infinity.
    weights : Doubles
        (K, E + 1) of the bins between and beyond them; all 0: no history.
    seed : int
        Of the ranks' random part.
    """

    def __init__(
        self,
        spec: DriftSpec,
        edges: Doubles,
        weights: Doubles,
        seed: int = 0,
    ) -> None:
        self._blocks = np.array([c.block for c in spec.channels], np.float64)
        self._edges = edges
        self._rng = np.random.default_rng(seed)
        self._weights = np.array(weights, np.float64)
        self._given = self._weights.sum(1) > 0.0
        k = len(spec.channels)
        self._sum, self._n = np.zeros(k), np.zeros(k)
        self.wealth = np.zeros((k, len(_BETS)))
        pace = float((1.0 / self._blocks).mean())
        self.limit = spec.frames_between_alarms / (1.0 - FAST_SHARE) * pace

    @property
    def total(self) -> float:
        """Mean of all sums R; an alarm above ``limit``."""
        return float(self.wealth.mean())

    def leading(self) -> int:
        """Return the channel that most of the wealth comes from."""
        return int(self.wealth.sum(1).argmax())

    def reset(self) -> None:
        """Start betting anew; the history of ranks stays."""
        self.wealth[:] = 0.0
        self._sum[:] = self._n[:] = 0.0

    def lengthen(self, blocks: Array) -> None:
        """Take longer blocks, and so a new history: means of other lengths spread differently."""
        longer = blocks > self._blocks
        self._weights[longer] = 0.0
        self._given &= ~longer
        self._blocks = np.maximum(self._blocks, blocks)
        self.reset()

    def update(self, x: Doubles) -> bool:
        """Take one frame's values (K,) in, NaN where there is none; return whether it alarms."""
        self._sum += x
        self._n += 1.0
        if isnan(self._sum @ self._sum):  # the blocks of these channels begin anew
            missing = np.isnan(x)
            self._sum[missing] = 0.0
            self._n[missing] = 0.0
        full = self._n >= self._blocks
        if not np.count_nonzero(full):
            return False
        channels = np.flatnonzero(full)
        self._bet(channels, self._sum[channels] / self._n[channels])
        self._sum[full] = self._n[full] = 0.0
        return self.total > self.limit

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart; the blocks at hand are begun again."""
        return {
            "weights": self._weights,
            "given": self._given,
            "blocks": self._blocks,
            "wealth": self.wealth,
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`.

        Raises
        ------
        ValueError
            It is of other channels.
        """
        for name, old in self.state().items():
            new = state[name]
            if new.shape != old.shape or not np.isfinite(new).all() or (new < 0).any():
                raise ValueError(f"{name} does not fit")
        self._weights, self.wealth = state["weights"].copy(), state["wealth"].copy()
        self._blocks, self._given = state["blocks"].copy(), state["given"].astype(np.bool_)

    def _bet(self, channels: Array, means: Doubles) -> None:
        """Rank the means of full blocks among the history, and bet on where the next will fall."""
        weights = self._weights[channels]
        below = self._edges[channels] <= means[:, None]
        bins = np.count_nonzero(below, axis=1)
        own = self._weights[channels, bins]
        new = 1.0 - self._given[channels]
        under = np.einsum("ke,ke->k", weights[:, :-1], below)
        p = under + self._rng.random(len(channels)) * (own + new)
        p /= np.einsum("ke->k", weights) + new
        self._weights[channels, bins] += 1.0
        z = [_normal.inv_cdf(q) for q in np.minimum(np.maximum(p, _EDGE), 1.0 - _EDGE).tolist()]
        growth = np.exp(_BETS * np.array(z)[:, None] - _HALF_SQUARES)
        self.wealth[channels] = np.minimum((self.wealth[channels] + 1.0) * growth, _ROOF)
