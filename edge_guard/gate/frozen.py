"""A frozen stream: the same picture again and again, to the bit or nearly so.

A frozen picture that is coded again, or has a running clock written into it, is not the same to the
bit. Its cells are: the median change of their means stays far below what the sensor's noise alone
would make of it.
"""

from __future__ import annotations

import numpy as np

from edge_guard import _kernels
from edge_guard.gate.cells import median
from edge_guard.gate.spec import RepeatSpec
from edge_guard.types import Array, Doubles, Floats, Reason

MIN_REPEATS = 3
_NEAR_REPEATS = 5
"""Nearly equal frames in a row must be so many, whatever the references repeat."""

_SHARE_OF_NOISE = 0.1
_LIGHT_WINDOW = 8
"""Frames over which the light's changes are averaged."""

_FLICKER_MARGIN, _FLICKER_FLOOR = 2.0, 2.0


def longest_run(hashes: list[int]) -> int:
    """Return the length of the longest run of equal neighbours (0 for none)."""
    longest = run = 0
    previous = None
    for value in hashes:
        run = run + 1 if value == previous else 1
        previous = value
        longest = max(longest, run)
    return longest


def fit_repeats(
    hashes: list[int], cells: Array, noise: Array, pixels: int, light: Doubles | None
) -> RepeatSpec:
    """Return what the references, in the order of capture, change from one to the next.

    Parameters
    ----------
    hashes : list of int
    cells : Array
        (N, G, G) cell means, grey levels.
    noise : Array
        (N,), noise of each reference, grey levels.
    pixels : int
        Of the smallest reference.
    light : Doubles or None
        (N,), brightness of the whole scene against its usual; None where it is not fixed.
    """
    changes = median(np.abs(np.diff(cells, axis=0)))
    told_apart = changes[changes > 0.0]
    noise_of_a_cell = float(np.min(noise)) / np.sqrt(pixels / cells[0].size)
    least = min(noise_of_a_cell, float(told_apart.min())) if len(told_apart) else 0.0
    return RepeatSpec(
        frozen_after=max(MIN_REPEATS, 2 * longest_run(hashes)),
        least_change=float(_SHARE_OF_NOISE * least),
        flicker=None if light is None else _flicker_limit(light),
    )


def _flicker_limit(light: Doubles) -> float:
    steps = np.abs(np.diff(light))
    windows = np.convolve(steps, np.full(_LIGHT_WINDOW, 1.0 / _LIGHT_WINDOW), "valid")
    largest = float(windows.max()) if len(steps) >= _LIGHT_WINDOW else float(steps.max(initial=0.0))
    return _FLICKER_MARGIN * largest + _FLICKER_FLOOR


class FrozenDetector:
    """Counts frames in a row that show the same; O(1) state.

    >>> spec = RepeatSpec(frozen_after=3, least_change=0.01, flicker=None)
    >>> detector = FrozenDetector(spec)
    >>> cells = np.zeros((8, 8), np.float32)
    >>> [detector.update(h, cells + h) is not None for h in (7, 7, 7, 8)]
    [False, False, True, False]
    """

    def __init__(self, spec: RepeatSpec) -> None:
        self._after = spec.frozen_after
        self._near_after = max(_NEAR_REPEATS, spec.frozen_after)
        self._least = spec.least_change
        self._previous: int | None = None
        self._cells = np.zeros((_kernels.CELLS, _kernels.CELLS), np.float32)
        self._run = self._near_run = 1

    def update(self, pixels_hash: int, cells: Floats) -> Reason | None:
        """Return why the stream is frozen as of this frame, or None.

        Parameters
        ----------
        pixels_hash : int
            Equal for equal pictures.
        cells : Floats
            (G, G) cell means.
        """
        same = pixels_hash == self._previous
        near = same or self._hardly_changed(cells)
        self._run = self._run + 1 if same else 1
        self._near_run = self._near_run + 1 if near else 1
        np.copyto(self._cells, cells)
        self._previous = pixels_hash
        if self._run >= self._after:
            return _frozen("the same frame", self._run, self._after)
        if self._near_run >= self._near_after:
            return _frozen("nearly the same frame", self._near_run, self._near_after)
        return None

    def _hardly_changed(self, cells: Floats) -> bool:
        if self._previous is None or self._least == 0.0:
            return False
        return _kernels.median_change(cells, self._cells) < self._least


def _frozen(what: str, run: int, after: int) -> Reason:
    words = f"the picture is frozen: {what} {run} times in a row"
    return Reason("gate.frozen", words, float(run), (None, float(after - 1)))


class FlickerDetector:
    """Averages how much the scene's light changes from frame to frame; O(1) state.

    Parameters
    ----------
    limit : float
        Largest usual mean change, grey levels.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._steps = [0.0] * _LIGHT_WINDOW
        self._seen = 0
        self._previous = 0.0

    def update(self, light: float) -> Reason | None:
        """Return why the light flickers as of this frame, or None.

        A single change of the light is no flicker: the changes must go to and fro.
        """
        if self._seen:
            self._steps[self._seen % _LIGHT_WINDOW] = light - self._previous
        self._previous = light
        self._seen += 1
        if self._seen <= _LIGHT_WINDOW:
            return None
        change = (sum(map(abs, self._steps)) - abs(sum(self._steps))) / _LIGHT_WINDOW
        if change <= self._limit:
            return None
        words = f"the light flickers by about {change:.0f} grey levels from frame to frame"
        return Reason("gate.flicker", words, change, (None, self._limit))
