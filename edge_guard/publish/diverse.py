"""Which usual frames are sent because nothing like them was sent lately: for retraining, not rates.

Streaming farthest points: a frame is diverse where its distance to each of the last frames kept is
above a radius. Each frame that is sent makes the radius 1.5 times as large, each period without one
1.5 times as small, so that about one a period is sent whatever the stream looks like, and that one
is among the farthest (after Charikar, Chekuri, Feder & Motwani 1997, "Incremental Clustering and
Dynamic Information Retrieval", whose radius only grows). Distance is the root mean square
difference of what was measured anyway, each in its running standard deviations and cut at 8.

Such frames are chosen by their content, so they have no probability and count for no rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from edge_guard.types import Doubles

KEPT = 64
"""Frames that a new one is compared with."""
LEARN = 100
"""Frames from which the scales are learnt before any is chosen."""
_GROWTH = 1.5
_MOST_DEVIATIONS = 8.0
_SMALLEST = 1e-9


class DiverseDraw:
    """Chooses frames of one stream. Not for two threads at once.

    Parameters
    ----------
    per_hour : float
        Budget: about so many frames an hour, never more at once than one hour's; 0 chooses none.
    """

    def __init__(self, per_hour: float) -> None:
        self._period_s = 3600.0 / per_hour if per_hour else 0.0
        self._most = max(per_hour, 1.0)
        self._tokens = 1.0
        self._radius = 1.0
        self._last: float | None = None
        self._names: tuple[str, ...] = ()
        self._reset(())

    def take(self, values: Mapping[str, float], now: float, *, affordable: bool) -> float | None:
        """Return the distance of a frame that is to be sent, None for one that is not.

        Parameters
        ----------
        values : mapping of str to float
            What was measured in it; another set of names begins anew.
        now : float
            Monotonic time, s.
        affordable : bool
            Whether the budget of bytes has room: without, a frame is only learnt from.
        """
        if not self._period_s or not values:
            return None
        self._pass_time(now)
        z = self._standardised(values)
        if z is None or not affordable or self._tokens < 1.0:
            return None
        distance = self._distance(z)
        if distance <= self._radius:
            return None
        self._kept[self._sent % KEPT] = z
        self._sent += 1
        self._tokens -= 1.0
        self._radius = min(self._radius, _MOST_DEVIATIONS) * _GROWTH
        return distance

    def _pass_time(self, now: float) -> None:
        elapsed = 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        periods = min(elapsed / self._period_s, 100.0)
        self._tokens = min(self._most, self._tokens + periods)
        self._radius = max(_SMALLEST, self._radius * _GROWTH**-periods)

    def _standardised(self, values: Mapping[str, float]) -> Doubles | None:
        """Return the frame in running standard deviations; None while they are being learnt."""
        names = tuple(values)
        if names != self._names:
            self._reset(names)
        x = np.fromiter(values.values(), np.float64, len(values))
        x = np.where(np.isfinite(x), x, self._mean)
        self._seen += 1
        delta = x - self._mean
        self._mean += delta / self._seen
        self._m2 += delta * (x - self._mean)
        if self._seen <= LEARN:
            return None
        sd = np.sqrt(self._m2 / (self._seen - 1))
        z = np.divide(x - self._mean, sd, out=np.zeros_like(x), where=sd > _SMALLEST)
        return np.asarray(np.clip(z, -_MOST_DEVIATIONS, _MOST_DEVIATIONS))

    def _distance(self, z: Doubles) -> float:
        """Return how far a frame is from the nearest one kept; 0 would be: the same."""
        kept = self._kept[: min(self._sent, KEPT)]
        if not len(kept):
            return sqrt(float(np.mean(z * z)))
        return sqrt(float(np.mean((kept - z) ** 2, axis=1).min()))

    def _reset(self, names: tuple[str, ...]) -> None:
        self._names, self._seen, self._sent = names, 0, 0
        self._mean, self._m2 = np.zeros(len(names)), np.zeros(len(names))
        self._kept = np.zeros((KEPT, len(names)))
