"""Variants of a model side by side on this device: how long they take, whether they agree."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

import numpy as np

from edge_guard.backends.spec import Backend

QUANTILE = 0.25
"""The undisturbed runs: on a busy machine the median of a model's times wanders, this does not."""
AGREEMENT = 0.1
"""Largest root-mean-square difference, as a share of the outputs' own, of equal models."""
_AGREEMENT_RUNS = 8
_MIN_ROUNDS, _MAX_ROUNDS, _WARM_UP = 15, 400, 3


def run_times_us(backends: Mapping[str, Backend], seconds: float) -> dict[str, float]:
    """Return the lower quartile of each backend's time of one run, µs.

    Every round runs all of them once, in a new order, so that what the machine does meanwhile and
    what the neighbour leaves in the caches hits all alike. Rounds go on for about ``seconds``, at
    least 15 and at most 400.
    """
    for backend in backends.values():
        _feed_noise(backend, seed=0)
    for _ in range(_WARM_UP):
        begin = time.perf_counter()
        for backend in backends.values():
            backend.run()
        round_seconds = time.perf_counter() - begin
    rounds = int(np.clip(seconds / max(round_seconds, 1e-6), _MIN_ROUNDS, _MAX_ROUNDS))
    order, times = list(backends.items()), {name: [0.0] * rounds for name in backends}
    shuffler = random.Random(0)
    for turn in range(rounds):
        shuffler.shuffle(order)
        for name, backend in order:
            begin = time.perf_counter()
            backend.run()
            times[name][turn] = time.perf_counter() - begin
    return {name: float(np.quantile(values, QUANTILE)) * 1e6 for name, values in times.items()}


def agree(one: Backend, other: Backend) -> bool:
    """Return whether two backends give the same outputs on noise, but for rounding."""
    difference = power = 0.0
    for seed in range(_AGREEMENT_RUNS):
        outputs = []
        for backend in (one, other):
            _feed_noise(backend, seed)
            outputs.append(backend.run().main.astype(np.float64))
        difference += float(np.sum((outputs[0] - outputs[1]) ** 2))
        power += float(np.sum((outputs[0] - outputs[0].mean()) ** 2))
    return difference <= AGREEMENT**2 * power


def _feed_noise(backend: Backend, seed: int) -> None:
    """Noise of the usual range: −1 to 1 for floats, 0 to 126 for integers."""
    rng = np.random.default_rng(seed)
    if backend.tensor.dtype == np.float32:
        backend.tensor[...] = rng.uniform(-1, 1, backend.tensor.shape)
    else:
        backend.tensor[...] = rng.integers(0, 127, backend.tensor.shape)
