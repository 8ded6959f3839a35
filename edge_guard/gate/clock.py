"""Capture times that stand still or run backwards: old pictures sent as new ones."""

from __future__ import annotations

from edge_guard.types import Reason

_NS_IN_MS = 1e6


class ClockDetector:
    """Compares each frame's capture time with the one before; O(1) state.

    >>> clock = ClockDetector()
    >>> [clock.update(t) is not None for t in (5, 6, 6, 4, 0, 7)]
    [False, False, True, True, False, False]
    """

    def __init__(self) -> None:
        self._latest_ns = 0

    def update(self, monotonic_ns: int) -> Reason | None:
        """Return why a frame's monotonic capture time is wrong, or None; 0 is unknown."""
        if monotonic_ns == 0:
            return None
        ahead_ms = (monotonic_ns - self._latest_ns) / _NS_IN_MS
        if self._latest_ns == 0 or ahead_ms > 0.0:
            self._latest_ns = monotonic_ns
            return None
        words = (
            "the capture time stands still"
            if ahead_ms == 0.0
            else f"the frame was captured {-ahead_ms:.0f} ms before an earlier one"
        )
        return Reason("gate.timestamp", words, ahead_ms, (0.0, None))
