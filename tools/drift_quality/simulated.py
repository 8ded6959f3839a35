"""Streams of numbers with known parameters through the real baselines, charts and ranks.

All thirteen channels are fitted to simulated references and watched together, as for a camera; the
light has the standard deviation that a promise speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from edge_guard.calibration.drift_baseline import fit_channels, fit_ranks, padded
from edge_guard.calibration.drift_likeness import Series
from edge_guard.drift.channels import UNITS
from edge_guard.drift.cusum import Charts
from edge_guard.drift.edetector import EDetector
from edge_guard.drift.spec import DriftSpec
from edge_guard.types import Doubles

NAMES = tuple(UNITS)
_CHUNK = 2000
_CENSORED = 5.0
"""Runs end after so many times the promise: the mean can only be larger than what is printed."""


@dataclass(frozen=True, slots=True)
class World:
    """What a simulated camera is like.

    Attributes
    ----------
    rho : float
        Correlation of neighbouring frames.
    references : int
    light_sd : float
        Standard deviation of a frame's light, grey levels.
    """

    rho: float
    references: int
    light_sd: float = 1.0

    def frames(self, n: int, rng: np.random.Generator, after: Doubles | None = None) -> Doubles:
        """Return channels (n, 13) of frames that follow each other, and the frame ``after``."""
        scale = np.where(np.array(NAMES) == "light", self.light_sd, 1.0)
        noise = rng.normal(size=(n, len(NAMES))) * np.sqrt(1 - self.rho**2)
        if after is None:
            noise[0] = rng.normal(size=len(NAMES))
        else:
            noise[0] += self.rho * after / scale
        return np.asarray(lfilter([1.0], [1.0, -self.rho], noise, axis=0) * scale)


class Watcher:
    """Charts and ranks of one camera, calibrated on its own references.

    Parameters
    ----------
    world : World
    run_length : float
        Promised mean number of frames between false alarms.
    rng : numpy.random.Generator
    """

    def __init__(self, world: World, run_length: float, rng: np.random.Generator) -> None:
        x = world.frames(world.references, rng)
        groups = np.zeros(len(x))
        series = [Series(name, x[:, i], groups) for i, name in enumerate(NAMES)]
        channels, lengths = fit_channels(series, run_length)
        consecutive = bool((lengths > 1.5).any())
        ranks = [
            fit_ranks(channel, one, consecutive=consecutive)
            for channel, one in zip(channels, series, strict=True)
        ]
        spec = DriftSpec(run_length, channels, len(x), consecutive)
        self.charts = Charts(channels)
        self.ranks = EDetector(spec, *padded(ranks), seed=int(rng.integers(1 << 30)))

    def alarm(self, frames: Doubles) -> int | None:
        """Return how many of the frames were seen when an alarm came; None without one."""
        for count, x in enumerate(frames, 1):
            fast, guaranteed = self.charts.update(x), self.ranks.update(x)
            if fast or guaranteed:
                return count
        return None


def run_lengths(world: World, promised: float, runs: int, seed: int) -> list[float]:
    """Return the frames to the first false alarm of cameras calibrated anew each time."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng([seed, run, int(promised)])
        watcher, total, last = Watcher(world, promised, rng), 0, None
        while total < _CENSORED * promised:
            frames = world.frames(_CHUNK, rng, last)
            if (count := watcher.alarm(frames)) is not None:
                total += count
                break
            total, last = total + _CHUNK, frames[-1]
        found.append(float(min(total, _CENSORED * promised)))
    return found


def step_delays(
    world: World, levels: float, promised: float, runs: int, seed: int, most: int = 2000
) -> list[float]:
    """Return the frames from a step of the light to its alarm; infinity where none came."""
    return list(_delays(world, np.full(most, levels), promised, runs, seed))


def ramp_levels(
    world: World, per_frame: float, promised: float, runs: int, seed: int
) -> list[float]:
    """Return how far a slow ramp of the light had come at its alarm, grey levels."""
    ramp = np.arange(1, 2000) * per_frame
    return [delay * per_frame for delay in _delays(world, ramp, promised, runs, seed)]


def _delays(
    world: World, course: Doubles, promised: float, runs: int, seed: int
) -> Iterator[float]:
    run = 0
    while runs:
        rng = np.random.default_rng([seed, run])
        run += 1
        watcher = Watcher(world, promised, rng)
        frames = world.frames(200 + len(course), rng)
        if watcher.alarm(frames[:200]) is not None:
            continue  # a false alarm before the change is no detection
        frames[200:, NAMES.index("light")] += course
        delay = watcher.alarm(frames[200:])
        yield float("inf") if delay is None else float(delay)
        runs -= 1
