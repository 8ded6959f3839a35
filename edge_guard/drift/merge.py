"""Summaries of windows merged over time and devices, each once, in any order.

A window is known by (device, boot, stream, number): what arrives again counts once. Counts are
integers, so their sums are the same in any order; moments are merged in the order of the windows'
keys, so they are the same to the bit as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edge_guard.drift.histogram import BINS_VERSION, Counts, edges_of
from edge_guard.drift.summary import merge_moments
from edge_guard.publish.messages import AccuracyBasis, AccuracyCounts, Moments, Summary

Key = tuple[str, str, str, int]


class Merged:
    """The sum of windows that one bundle judged.

    Parameters
    ----------
    bundle : str
        Id; windows of another are refused.

    Attributes
    ----------
    repeated : int
        Windows that came again.
    refused : Counter of str
        Windows that were not merged, by cause.
    """

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._windows: dict[Key, Summary] = {}
        self._basis: AccuracyBasis | None = None
        self.repeated = 0
        self.refused: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, summary: Summary) -> bool:
        """Take a window in; return False, counted with its cause, where it is not merged."""
        if cause := self._unfit(summary):
            self.refused[cause] += 1
            return False
        key = (summary.device, summary.boot_id, summary.stream, summary.window)
        if key in self._windows:
            self.repeated += 1
            return False
        self._windows[key] = summary
        if summary.accuracy is not None:
            self._basis = summary.accuracy.basis
        return True

    @property
    def frames(self) -> int:
        """Frames of all windows."""
        return sum(s.frames for s in self._windows.values())

    def verdicts(self) -> Counter[str]:
        """Return frames by verdict."""
        return _summed(s.verdicts for s in self._windows.values())

    def labels(self) -> Counter[str]:
        """Return frames by label."""
        return _summed(s.labels for s in self._windows.values())

    def reasons(self) -> Counter[str]:
        """Return flagged frames by leading reason."""
        return _summed(s.reasons for s in self._windows.values())

    def histograms(self) -> dict[str, Counts]:
        """Return the counts of each histogram, by name in alphabetical order."""
        sums: dict[str, list[int]] = {}
        for summary in self._windows.values():
            for name, counts in summary.histograms.items():
                total = sums.setdefault(name, [0] * len(counts))
                sums[name] = [a + b for a, b in zip(total, counts, strict=True)]
        return {name: tuple(sums[name]) for name in sorted(sums)}

    def accuracy(self) -> AccuracyCounts | None:
        """Return accepted frames by confidence; None where no window counts them."""
        counted = [s.accuracy for s in self._windows.values() if s.accuracy]
        if self._basis is None:
            return None
        sums = [sum(column) for column in zip(*(a.counts for a in counted), strict=True)]
        return AccuracyCounts(tuple(sums), self._basis)

    def moments(self) -> dict[str, Moments]:
        """Return the moments of each statistic, by name in alphabetical order."""
        merged: dict[str, Moments] = {}
        for key in sorted(self._windows):
            for name, moments in self._windows[key].statistics.items():
                merged[name] = merge_moments(merged[name], moments) if name in merged else moments
        return {name: merged[name] for name in sorted(merged)}

    def _unfit(self, summary: Summary) -> str:
        if summary.bundle != self._bundle:
            return "another bundle"
        if summary.histograms and summary.bins != BINS_VERSION:
            return "other bins"
        if (known := summary.accuracy) is not None:
            if self._basis not in (None, known.basis):
                return "another basis"
            if len(known.counts) != len(known.basis.values) or min(known.counts, default=0) < 0:
                return "malformed counts"
        for name, counts in summary.histograms.items():
            if len(counts) != len(edges_of(name)) + 1 or min(counts) < 0:
                return "malformed counts"
        return ""


def _summed(parts: Iterable[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total
