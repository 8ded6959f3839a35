"""Drift detectors of river and alibi-detect on the same streams, at the same false-alarm rate.

One channel of independent N(0, 1) frames, 300 of them as references where a detector takes any.
Each peer's threshold is the loosest of its ladder with a mean of at least `PROMISED` frames between
false alarms in simulated runs; edge-guard is told that number and nothing is tuned. It watches its
thirteen channels at once, of which the peers see one; alibi-detect sets its own thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from drift_quality import peers_real
from drift_quality.simulated import NAMES, World, run_lengths, step_delays
from edge_guard.types import Doubles

PROMISED = 1e3
STEPS = (4.0, 2.0, 1.0)
_BEFORE, _MOST = 300, 3000
_TUNING_RUNS, _CENSORED = 30, 5.0
_LIGHT = NAMES.index("light")


class Detector(Protocol):
    """A stream's detector: `update` returns whether it alarms."""

    def update(self, x: float) -> bool:
        """Take one frame's value in."""
        ...


Make = Callable[[float, Doubles, int], Detector]
"""(threshold, references, seed) → a fresh detector."""


class _River:
    def __init__(self, detector: Any) -> None:
        self._detector = detector

    def update(self, x: float) -> bool:
        self._detector.update(x)
        return bool(self._detector.drift_detected)


class _Alibi:
    def __init__(self, references: Doubles) -> None:
        from alibi_detect.cd import CVMDriftOnline

        self._detector = CVMDriftOnline(
            references, ert=PROMISED, window_sizes=[10, 40], n_bootstraps=10_000, verbose=False
        )

    def update(self, x: float) -> bool:
        return bool(self._detector.predict(np.float64(x))["data"]["is_drift"])

    def restart(self) -> None:
        self._detector.reset_state()


def table(runs: int, seed: int) -> Iterator[str]:
    """Yield delays side by side as a table."""
    yield f"Median frames to a step, one false alarm in {PROMISED:,.0f} independent frames"
    yield ""
    yield "| detector | mean between false alarms | 4 σ | 2 σ | 1 σ | the same with AR(.9) frames |"
    yield "|---|---|---|---|---|---|"
    yield _ours(runs, seed)
    rivals = {"edge-guard, this channel alone": peers_real.ours(PROMISED)}
    for name, (make, ladder) in _river().items():
        threshold = _tuned(make, ladder, seed)
        yield _peer(name, make, threshold, runs, seed)
        rivals[name] = partial(_fed, make, threshold)
    if find_spec("alibi_detect"):
        yield _alibi(runs, seed)
        rivals["alibi-detect CVM online"] = _fed_alibi
    for library in ("river", "alibi_detect"):
        if not find_spec(library):
            yield f"| {library} is not installed | | | | | |"
    yield from peers_real.table(rivals)


def _river() -> dict[str, tuple[Make, tuple[float, ...]]]:
    if not find_spec("river"):
        return {}
    from river import drift

    return {
        "river ADWIN": (
            lambda t, _, __: _River(drift.ADWIN(delta=t, clock=1, grace_period=10)),
            (0.8, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01, 3e-3, 1e-3),
        ),
        "river Page-Hinkley": (
            lambda t, _, __: _River(
                drift.PageHinkley(threshold=t, delta=0.5, min_instances=30, alpha=1.0)
            ),
            (2.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 9.0),
        ),
        "river KSWIN": (
            lambda t, _, s: _River(drift.KSWIN(alpha=t, window_size=100, stat_size=30, seed=s)),
            (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5),
        ),
    }


def _tuned(make: Make, ladder: tuple[float, ...], seed: int) -> float:
    """Return the loosest threshold that keeps the promise."""
    kept = (t for t in ladder if _run_length(make, t, 0.0, seed) >= PROMISED)
    return next(kept, ladder[-1])


def _fed(
    make: Make, threshold: float, references: Doubles, stream: Doubles, seed: int
) -> int | None:
    """Return what a peer makes of a stream that follows its references."""
    detector = make(threshold, references, seed)
    for x in references.tolist():
        detector.update(x)
    return _first(detector, stream)


@cache
def _alibi_detector(seed: int) -> _Alibi:
    """Return the detector calibrated on normal references: it sets its own thresholds, for long."""
    return _Alibi(World(0.0, 300).frames(300, np.random.default_rng(seed))[:, _LIGHT])


def _fed_alibi(_: Doubles, stream: Doubles, __: int) -> int | None:
    detector = _alibi_detector(0)
    detector.restart()
    return _first(detector, stream)


def _peer(name: str, make: Make, threshold: float, runs: int, seed: int) -> str:
    length = _run_length(make, threshold, 0.0, seed)
    delays = [_peer_delay(make, threshold, step, runs, seed) for step in STEPS]
    video = _run_length(make, threshold, 0.9, seed)
    return _row(f"{name} ({threshold:g})", length, delays, video)


def _run_length(make: Make, threshold: float, rho: float, seed: int) -> float:
    lengths = []
    for run in range(_TUNING_RUNS):
        rng = np.random.default_rng([seed, run])
        x = World(rho, 300).frames(300 + int(_CENSORED * PROMISED), rng)[:, _LIGHT]
        detector = make(threshold, x[:300], run)
        found = _first(detector, x[300:])
        lengths.append(_CENSORED * PROMISED if found is None else found)
    return float(np.mean(lengths))


def _peer_delay(make: Make, threshold: float, step: float, runs: int, seed: int) -> float:
    delays = []
    for run in range(runs):
        rng = np.random.default_rng([seed, run, 1])
        x = World(0.0, 300).frames(300 + _BEFORE + _MOST, rng)[:, _LIGHT]
        x[300 + _BEFORE :] += step
        detector = make(threshold, x[:300], run)
        if _first(detector, x[300 : 300 + _BEFORE]) is not None:
            continue
        delays.append(_first(detector, x[300 + _BEFORE :]) or np.inf)
    return float(np.median(delays))


def _first(detector: Detector, values: Doubles) -> int | None:
    return next((n for n, x in enumerate(values.tolist(), 1) if detector.update(x)), None)


def _alibi(runs: int, seed: int) -> str:
    """CVM calibrates its own thresholds, which takes long: one set of references for all runs."""
    detector = _alibi_detector(seed)

    def again(_: float, __: Doubles, ___: int) -> Detector:
        detector.restart()
        return detector

    delays = [_peer_delay(again, 0.0, step, max(runs // 4, 10), seed) for step in STEPS]
    return _row("alibi-detect CVM online", float("nan"), delays, float("nan"))


def _ours(runs: int, seed: int) -> str:
    independent, video = World(0.0, 300), World(0.9, 1000)
    delays = [float(np.median(step_delays(independent, s, PROMISED, runs, seed))) for s in STEPS]
    length = float(np.mean(run_lengths(independent, PROMISED, _TUNING_RUNS, seed)))
    alike = float(np.mean(run_lengths(video, PROMISED, _TUNING_RUNS, seed)))
    return _row("edge-guard, all 13 channels", length, delays, alike)


def _row(name: str, length: float, delays: list[float], video: float) -> str:
    told = " | ".join(f"{delay:.0f}" for delay in delays)
    lengths = ["its own promise" if np.isnan(x) else f"{x:,.0f}" for x in (length, video)]
    return f"| {name} | {lengths[0]} | {told} | {lengths[1]} |"
