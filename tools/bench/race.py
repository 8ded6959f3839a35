"""Rivals that do the same work, timed side by side: warm, cold and right after a model ran."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_guard.types import Doubles

OURS = "edge-guard"
FLUSH_BYTES = 96 << 20
"""Read and written before a cold call: more than the last cache holds."""
LEAST_CALLS = 5


@dataclass(frozen=True)
class Race:
    """One row of the table.

    Attributes
    ----------
    name : str
    calls : dict
        By rival's name, a function that takes the number of the call (to vary its input).
    bytes_read : int
        That have to come from memory once: the least that a cold call can do.
    notes : dict
        Facts that belong to the row.
    """

    name: str
    calls: dict[str, Callable[[int], object]]
    bytes_read: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


class Track:
    """Runs races.

    Parameters
    ----------
    seconds : float
        About how long each rival may take in each state of the caches.
    model : callable
        Runs the model that comes before a guard.
    """

    def __init__(self, seconds: float, model: Callable[[], object]) -> None:
        self._seconds = seconds
        model()
        self._model_us = _spread(np.array([_timed(lambda _: model(), i) for i in range(20)]))
        ballast = np.zeros(FLUSH_BYTES // 8)
        self._states: dict[str, Callable[[], object]] = {
            "warm": lambda: None,
            "cold": lambda: np.add(ballast, 1.0, out=ballast),
            "in_situ": model,
        }

    def run(self, race: Race) -> dict[str, Any]:
        """Return the record of a race: for each state and rival median, 10 % and 90 %, µs."""
        times = {
            state: {name: _spread(samples) for name, samples in self._timed(race, before).items()}
            for state, before in self._states.items()
        }
        floor = _spread(np.array([_timed(lambda _: None, i) for i in range(1000)]))
        return {
            "type": "race",
            "name": race.name,
            "bytes_read": race.bytes_read,
            "floor_us": floor["median_us"],
            "model_us": self._model_us["median_us"],
            "times": times,
            "notes": race.notes,
        }

    def _timed(self, race: Race, before: Callable[[], object]) -> dict[str, Doubles]:
        """Rounds of every rival in turn, a few calls each, so that all share the same weather."""
        samples: dict[str, list[float]] = {name: [] for name in race.calls}
        spent = dict.fromkeys(race.calls, 0.0)
        number = 0
        while waiting := [n for n in race.calls if spent[n] < self._seconds]:
            for name in waiting:
                started = time.perf_counter()
                for i in range(number, number + LEAST_CALLS):
                    before()
                    samples[name].append(_timed(race.calls[name], i))
                spent[name] += time.perf_counter() - started
            number += LEAST_CALLS
        return {name: np.array(found[1:]) for name, found in samples.items()}


def _timed(call: Callable[[int], object], number: int) -> float:
    started = time.perf_counter()
    call(number)
    return time.perf_counter() - started


def _spread(samples: Doubles) -> dict[str, float]:
    names = ("median_us", "p10_us", "p90_us")
    return dict(zip(names, (np.quantile(samples, [0.5, 0.1, 0.9]) * 1e6).tolist(), strict=True))
