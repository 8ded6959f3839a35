"""How many different pictures there were."""

from __future__ import annotations

from collections import deque

import numpy as np

from edge_guard.calibration.advice.sight import Sight, differences

_REMEMBERED = 500
"""Looks that pictures are compared with: one that comes back after as many others is new again."""


class Looks:
    """Groups pictures that are alike: each joins a look that it differs from by noise only.

    Leader clustering (Hartigan 1975, "Clustering algorithms", ch. 3): one pass, nothing to choose
    but the distance, and that comes from the sensor's own noise.
    """

    def __init__(self) -> None:
        self._leaders: deque[Sight] = deque(maxlen=_REMEMBERED)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, sight: Sight) -> bool:
        """Count a picture and return whether it is a new look."""
        leaders = list(self._leaders)
        grain = np.maximum([one.grain for one in leaders], sight.grain)
        if (differences(leaders, sight) <= grain).any():
            return False
        self._leaders.append(sight)
        self._count += 1
        return True


def alike(one: Sight, other: Sight) -> bool:
    """Return whether two pictures differ by no more than noise and light."""
    return float(differences([one], other)[0]) <= max(one.grain, other.grain)
