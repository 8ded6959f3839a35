"""Exposure and gain, where the camera tells them: what auto-exposure hides from the picture.

What the camera did in the first `FRAMES` frames is usual. A value more than a tenth beyond that for
`_PATIENCE` frames in a row is a change: of the lamp, where the picture is as bright as ever or has
gone the other way, else of the camera itself.
"""

from __future__ import annotations

from math import exp, isfinite, log

import msgspec
import numpy as np

from edge_guard.publish.messages import DriftEvidence
from edge_guard.types import Array, Doubles, Exposure

FRAMES = 512
PATIENCE = 24
TOLERANCE = 0.1
_LEAST = 1e-9


class ExposureWatch:
    """Watches what a camera tells of its exposure time and its gain, each by its logarithm."""

    def __init__(self) -> None:
        self._low, self._high = np.full(2, np.inf), np.full(2, -np.inf)
        self._now = np.zeros(2)
        self._frames = 0
        self._outside = 0

    @property
    def moved(self) -> bool:
        """True while the camera has long been beyond what it did at first."""
        return self._outside >= PATIENCE

    @property
    def outside(self) -> bool:
        """True where the last frame is beyond what the camera did at first."""
        return self._outside > 0

    def update(self, exposure: Exposure | None) -> None:
        """Take in what the camera tells of a frame; None or NaN: nothing."""
        if exposure is None:
            return
        for i, value in enumerate(exposure):
            if isfinite(value):
                self._now[i] = log(max(value, _LEAST))
                if self._frames < FRAMES:
                    self._low[i] = min(self._low[i], self._now[i])
                    self._high[i] = max(self._high[i], self._now[i])
        self._frames += 1
        self._outside = self._outside + 1 if self._beyond().any() else 0

    def explain(self, evidence: DriftEvidence, light: float) -> DriftEvidence:
        """Return the evidence with what the camera did.

        Parameters
        ----------
        evidence : DriftEvidence
            Of the picture alone.
        light : float
            Change of the light in standard errors; within 3 it is as ever.
        """
        if not self.moved:
            return evidence
        more = float(self._beyond().sum()) > 0.0
        told = self._in_words()
        if abs(light) > 3.0 and evidence.family != "illumination":
            return evidence
        if abs(light) > 3.0:
            own = (light > 0.0) == more
            words = f"{evidence.words}: {told}" if own else f"{evidence.words}, although {told}"
            return msgspec.structs.replace(evidence, words=words)
        lamp = "less" if more else "more"
        return msgspec.structs.replace(
            evidence,
            family="illumination",
            words=f"{lamp} light from the lamp, which the camera makes up for: {told}",
            size=None,
            error=None,
            unit="",
        )

    def state(self) -> dict[str, Array]:
        """Return what must survive a restart."""
        counts = np.array([self._frames, self._outside])
        return {"low": self._low, "high": self._high, "now": self._now, "counts": counts}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`.

        Raises
        ------
        ValueError
            It is of something else.
        """
        for name, old in self.state().items():
            if state[name].shape != old.shape or np.isnan(state[name]).any():
                raise ValueError(f"{name} does not fit")
        self._low[:], self._high[:], self._now[:] = state["low"], state["high"], state["now"]
        self._frames, self._outside = (int(count) for count in state["counts"])

    def _beyond(self) -> Doubles:
        """Return how far exposure time and gain (2,) are beyond the usual, logarithms."""
        margin = log(1.0 + TOLERANCE)
        told = self._high >= self._low
        high, low = (np.where(told, edge, self._now) for edge in (self._high, self._low))
        above = np.maximum(self._now - high - margin, 0.0)
        return above + np.minimum(self._now - low + margin, 0.0)

    def _in_words(self) -> str:
        usual = np.where(self._now > self._high, self._high, self._low)
        said = [
            f"the camera's {name} went from {_shown(before)} to {_shown(now)}"
            for name, now, before, beyond in zip(
                ("exposure time", "gain"), self._now, usual, self._beyond(), strict=True
            )
            if beyond
        ]
        return " and ".join(said)


def _shown(logarithm: float) -> str:
    value = exp(logarithm)
    return f"{value:.4g}" if value > 2.0 * _LEAST else "0"
