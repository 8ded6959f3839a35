"""A frozen stream: the very same picture again and again."""

from __future__ import annotations

from edge_guard.types import Reason

MIN_REPEATS = 3


def longest_run(hashes: list[int]) -> int:
    """Return the length of the longest run of equal neighbours (0 for none)."""
    longest = run = 0
    previous = None
    for value in hashes:
        run = run + 1 if value == previous else 1
        previous = value
        longest = max(longest, run)
    return longest


class FrozenDetector:
    """Counts identical frames in a row; O(1) state.

    >>> detector = FrozenDetector(after=3)
    >>> [detector.update(h) is not None for h in (7, 7, 7, 8)]
    [False, False, True, False]
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self._previous: int | None = None
        self._run = 0

    def update(self, pixels_hash: int) -> Reason | None:
        """Return why the stream is frozen as of this frame, or None."""
        self._run = self._run + 1 if pixels_hash == self._previous else 1
        self._previous = pixels_hash
        if self._run < self._after:
            return None
        return Reason(
            "gate.frozen",
            f"the picture is frozen: the same frame {self._run} times in a row",
            float(self._run),
            (None, float(self._after - 1)),
        )
