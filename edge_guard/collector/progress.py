"""Which sequences of one boot are complete: a short list of ranges."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise, takewhile

import msgspec

from edge_guard.publish.messages import BootReceipt

MOST_RANGES = 4096
"""A boot whose complete sequences are scattered wider than this must fill its gaps first."""
MOST_GAPS = 256
"""Gaps named in one receipt."""
LAST_SEQUENCE = 2**53
"""No boot counts further; JSON readers elsewhere would lose digits beyond."""

_ranges = msgspec.json.Decoder(list[tuple[int, int]])


class Progress:
    """The complete sequences of one boot as sorted, inclusive ranges that do not touch.

    Parameters
    ----------
    ranges : list of (int, int), optional
        Sorted, with at least one missing sequence between two neighbours.
    """

    def __init__(self, ranges: list[tuple[int, int]] | None = None) -> None:
        self.ranges = ranges or []

    @classmethod
    def from_text(cls, text: str) -> Progress:
        """Return the progress that ``text`` wrote."""
        return cls(_ranges.decode(text))

    def text(self) -> str:
        """Return the ranges as JSON."""
        return msgspec.json.encode(self.ranges).decode()

    def __contains__(self, sequence: int) -> bool:
        at = bisect_right(self.ranges, (sequence, LAST_SEQUENCE)) - 1
        return at >= 0 and sequence <= self.ranges[at][1]

    def add(self, first: int, last: int) -> int:
        """Return how many of first..last were missing; all of them are complete afterwards."""
        at = bisect_right(self.ranges, (first, LAST_SEQUENCE))
        if at and self.ranges[at - 1][1] >= first - 1:
            at -= 1
        touched = list(takewhile(lambda known: known[0] <= last + 1, self.ranges[at:]))
        known = sum(max(0, min(b, last) - max(a, first) + 1) for a, b in touched)
        if touched:
            merged = (min(first, touched[0][0]), max(last, touched[-1][1]))
        else:
            merged = (first, last)
        self.ranges[at : at + len(touched)] = [merged]
        return last - first + 1 - known

    def union(self, other: Progress) -> Progress:
        """Return what is complete in either."""
        both = Progress(list(self.ranges))
        for first, last in other.ranges:
            both.add(first, last)
        return both

    @property
    def full(self) -> bool:
        """Whether another separate range would be one too many."""
        return len(self.ranges) >= MOST_RANGES

    @property
    def contiguous(self) -> int:
        """The sequence up to which nothing is missing; 0 = the first is missing."""
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 1 else 0

    @property
    def highest(self) -> int:
        """The highest complete sequence; 0 = none."""
        return self.ranges[-1][1] if self.ranges else 0

    @property
    def count(self) -> int:
        """How many sequences are complete."""
        return sum(b - a + 1 for a, b in self.ranges)

    def receipt(self, boot_id: str) -> BootReceipt:
        """Return the receipt, which names at most ``MOST_GAPS`` gaps and ends before the next."""
        bounds = [(0, 0), *self.ranges] if not self.contiguous else self.ranges
        gaps = [(before[1] + 1, after[0] - 1) for before, after in pairwise(bounds)]
        highest = self.highest if len(gaps) <= MOST_GAPS else gaps[MOST_GAPS][0] - 1
        return BootReceipt(boot_id, self.contiguous, highest, tuple(gaps[:MOST_GAPS]))
