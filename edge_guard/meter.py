"""What a stream has cost and found since its start, for the metrics: counters and histograms."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter

from edge_guard.sources.contract import Damaged
from edge_guard.types import Frame, Result

BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGES = ("gate", "preprocess", "model", "guards")


class Histogram:
    """Durations in fixed buckets; one writer.

    >>> h = Histogram()
    >>> h.add(0.002); h.add(99.0)
    >>> h.cumulative()[:2], h.count, h.total_seconds
    ([0, 1], 2, 99.002)
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self.total_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Take one duration in."""
        self._counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    @property
    def count(self) -> int:
        """How many durations there were."""
        return sum(self._counts)

    def cumulative(self) -> list[int]:
        """Return how many durations were at most each of `BOUNDS_SECONDS`, and all of them."""
        running = 0
        return [running := running + n for n in self._counts]


class Meter:
    """Counters of one stream. One writer, any readers.

    Attributes
    ----------
    latency : Histogram
        From capture to the verdict on the disk.
    stages : dict of str to Histogram
        Of frames that the model saw.
    """

    def __init__(self) -> None:
        self.latency = Histogram()
        self.stages = {stage: Histogram() for stage in STAGES}
        self._reasons: Counter[str] = Counter()
        self._mutex = threading.Lock()

    def observe(self, item: Frame | Damaged, result: Result) -> None:
        """Take one reported frame in."""
        if item.monotonic_ns:
            self.latency.add(max(0.0, (time.monotonic_ns() - item.monotonic_ns) / 1e9))
        if result.timing_us.model:
            for stage, histogram in self.stages.items():
                histogram.add(getattr(result.timing_us, stage) / 1e6)
        with self._mutex:
            self._reasons.update({reason.guard for reason in result.reasons})

    @property
    def reasons(self) -> dict[str, int]:
        """A copy of how many frames had a reason from each guard."""
        with self._mutex:
            return dict(self._reasons)
