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

import numpy as np

from edge_guard._kernels import step_ranks
from edge_guard.drift.runlength import FAST_SHARE
from edge_guard.drift.spec import DriftSpec
from edge_guard.types import Array, Doubles

_SIZES = (0.25, 0.5, 1.0, 1.5, 2.5)
_BETS = np.array([*_SIZES, *(-s for s in _SIZES)])


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
        self._edges = np.ascontiguousarray(edges, np.float64)
        self._rng = np.random.default_rng(seed)
        self._weights = np.array(weights, np.float64)
        self._anew = (self._weights.sum(1) == 0.0).astype(np.float64)
        k = len(spec.channels)
        self._sums, self._uniform = np.zeros((2, k)), self._rng.random(k)
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
        self._sums[:] = 0.0

    def lengthen(self, blocks: Array) -> None:
        """Take longer blocks, and so a new history: means of other lengths spread differently."""
        longer = blocks > self._blocks
        self._weights[longer] = 0.0
        self._anew[longer] = 1.0
        self._blocks = np.maximum(self._blocks, blocks)
        self.reset()

    def update(self, x: Doubles) -> bool:
        """Take one frame's values (K,) in; return whether it alarms.

        A value that is not finite begins its channel's block anew.
        """
        full = step_ranks(
            x, self._blocks, self._edges, self._anew, _BETS, self._uniform,
            self._sums, self._weights, self.wealth,
        )  # fmt: skip
        if not full:
            return False
        self._uniform = self._rng.random(len(x))
        return self.total > self.limit

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart; the blocks at hand are begun again."""
        return {
            "weights": self._weights,
            "anew": self._anew,
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
        self._weights[:], self.wealth[:] = state["weights"], state["wealth"]
        self._blocks[:], self._anew[:] = state["blocks"], state["anew"] > 0.0
