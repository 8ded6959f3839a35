"""Runs of flagged frames: one trouble in the picture flags many frames, and is one incident."""

from __future__ import annotations

from collections import deque

from edge_guard.alarms.rules import DeadBand

WINDOW = 20
"""Frames that the flagged share is taken over."""
HIGH, LOW = 0.5, 0.1
"""The alarm holds from ``HIGH`` of the window on, until ``LOW`` of it."""
GAP = 10
"""Frames without a flag that end a run."""


class Burst:
    """Follows the frames of one stream.

    Attributes
    ----------
    active : bool
        Whether so many frames are flagged that it is an alarm.
    running : bool
        Whether the next flagged frame belongs together with earlier ones.
    """

    def __init__(self) -> None:
        self._latest: deque[bool] = deque(maxlen=WINDOW)
        self._band = DeadBand(HIGH, LOW)
        self._calm = GAP
        self.active = False

    @property
    def running(self) -> bool:
        """True from a flagged frame until ``GAP`` frames in a row were none."""
        return self.active or self._calm < GAP

    def update(self, flagged: bool) -> bool:
        """Take one frame up; return whether a run begins with it."""
        begins = flagged and not self.running
        self._calm = 0 if flagged else self._calm + 1
        self._latest.append(flagged)
        self.active = self._band.update(sum(self._latest) / WINDOW)
        return begins
