"""Which frames the monitors can use, and why they see nothing when they do not.

A frame that comes again, out of order or without a picture is left out and counted; after a pause
the next frame has no neighbour. What lasts makes the monitors blind, and they say so.
"""

from __future__ import annotations

from collections import Counter
from math import isnan

import numpy as np

from edge_guard.types import Doubles, Frame

BLIND_AFTER = 100
"""So many unusable frames in a row, or frames without a channel's value."""

_PAUSE = 10.0
"""A pause is longer than so many usual intervals."""

_MEMORY = 0.05


class Intake:
    """Judges whether frames are fit for monitors of K channels.

    Parameters
    ----------
    names : tuple of str
        Of the channels.

    Attributes
    ----------
    skipped : Counter of str
        Frames left out, by cause.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.skipped: Counter[str] = Counter()
        self._sequence: int | None = None
        self._monotonic_ns = 0
        self._interval_ns = 0.0
        self._begun = False
        self._missing = np.zeros(len(names), np.int64)
        self._gaps = False
        self._row: Counter[str] = Counter()

    @property
    def blind(self) -> str:
        """Why the monitors see nothing, or not all; empty when they do."""
        if not self._row and not self._gaps:
            return ""
        for cause, frames in self._row.items():
            if frames >= BLIND_AFTER:
                return f"{frames} frames in a row {cause}"
        silent = [n for n, m in zip(self._names, self._missing, strict=True) if m >= BLIND_AFTER]
        return f"no value of {', '.join(silent)} for {self._missing.max()} frames" if silent else ""

    def skip(self, cause: str) -> None:
        """Leave a frame out."""
        self.skipped[cause] += 1
        self._row = Counter({cause: self._row[cause] + 1})

    def takes(self, frame: Frame) -> bool:
        """Return whether the frame comes after the last one; where it does not, it is left out.

        A stream that has begun to count anew is followed after `BLIND_AFTER` frames.
        """
        late = self._sequence is not None and frame.sequence <= self._sequence
        if late and self._row["came out of order"] < BLIND_AFTER - 1:
            self.skip("came out of order")
            return False
        self._sequence = frame.sequence
        return True

    def follows(self, frame: Frame) -> bool:
        """Return whether the frame follows the last one without a pause or a jump of the clock."""
        before, self._monotonic_ns = self._monotonic_ns, frame.monotonic_ns
        if not before or not frame.monotonic_ns:
            return True
        interval = frame.monotonic_ns - before
        usual = self._interval_ns or float(max(interval, 1))
        if not 0 < interval <= _PAUSE * usual:
            return False
        self._interval_ns = usual + _MEMORY * (interval - usual)
        return True

    def differs(self, x: Doubles, *, same: bool) -> bool:
        """Return whether the values (K,) are another frame's; a repetition is left out."""
        if same and self._begun:
            self.skip("were repetitions of the one before")
            return False
        self._begun = True
        if isnan(x @ x) or self._gaps:
            missing = np.isnan(x)
            self._missing = (self._missing + 1) * missing
            self._gaps = bool(missing.any())
        if self._row:
            self._row.clear()
        return True
