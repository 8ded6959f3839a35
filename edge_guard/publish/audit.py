"""Which frames are sent for an audit: drawn at random whatever their verdict, odds known.

Poisson sampling (Särndal, Swensson & Wretman 1992, Model Assisted Survey Sampling, §3.2): each
frame is drawn by itself with probability π, so that 1/π weighs it back to all frames. π is fixed
for a window before its first frame, from how many frames came before and, where bytes are budgeted,
how large the pictures of those drawn before were. Nothing of the window's own frames moves it, so
E[I/π | past] = 1 for each of them and weighted sums stay unbiased. The draw never stops within a
window: a random sample that ends when it has become expensive is none. Bytes are kept on average.
"""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_RATE = 30.0
"""Frames a second that are expected before any was counted: what a camera gives."""
FIRST_BYTES = 100_000.0
"""Size of a picture that is expected before any was sent."""
_system = random.SystemRandom()
_SWELL = 2.0
"""A window ends early when it has so many times the frames that were expected."""


class AuditDraw:
    """Draws frames of one stream. Not for two threads at once.

    Parameters
    ----------
    per_hour : float
        Budget: frames an hour, on average; 0 draws none.
    window_s : float
        Length of a window, in which π is one number.
    draw : callable
        Returns numbers evenly in [0, 1); default: the operating system's randomness, which
        nobody who puts parts on the line can foresee.
    bytes_per_hour : float, optional
        Second budget: bytes of pictures an hour, on average; None: no limit.
    """

    def __init__(
        self,
        per_hour: float,
        window_s: float,
        draw: Callable[[], float] = _system.random,
        bytes_per_hour: float | None = None,
    ) -> None:
        self._per_second = per_hour / 3600.0
        self._window_s = window_s
        self._draw = draw
        self._began: float | None = None
        self._frames = 0
        self._rate = FIRST_RATE
        self._bytes_per_second = None if bytes_per_hour is None else bytes_per_hour / 3600.0
        self._size = FIRST_BYTES
        self._sizes: list[int] = []

    def take(self, now: float) -> float | None:
        """Return π where the next frame is drawn, None where it is not.

        Parameters
        ----------
        now : float
            Monotonic time, s.
        """
        if not self._per_second:
            return None
        self._turn_window(now)
        self._frames += 1
        probability = min(1.0, self._wanted_per_second() / self._rate)
        return probability if self._draw() < probability else None

    def sent(self, size_bytes: int) -> None:
        """Take up how large the picture of a drawn frame was; counts from the next window on."""
        self._sizes.append(size_bytes)

    def _wanted_per_second(self) -> float:
        if self._bytes_per_second is None:
            return self._per_second
        return min(self._per_second, self._bytes_per_second / self._size)

    def _turn_window(self, now: float) -> None:
        """Start a window where there is none, and where the last is over or overfull."""
        if self._began is None:
            self._began = now
        elapsed = now - self._began
        full = self._frames >= _SWELL * max(self._rate * self._window_s, 1.0)
        if elapsed < self._window_s and not full:
            return
        if elapsed > 0:
            self._rate = max(self._frames, 1) / elapsed
        else:
            self._rate *= _SWELL
        if self._sizes:
            self._size = max(0.5 * (self._size + sum(self._sizes) / len(self._sizes)), 1.0)
        self._began, self._frames, self._sizes = now, 0, []
