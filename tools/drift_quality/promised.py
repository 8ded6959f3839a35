"""The drift rows of "Promises kept", each with what was measured and whether it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from promises.verdicts import Check

from drift_quality import simulated
from drift_quality.simulated import World

MILLION = 1e6
LIGHT_BULB = ((0.5, 5), (1.0, 12), (2.0, 40))
"""Standard deviation of a frame's light, and frames within which +2 levels must be seen."""

REFERENCES = {0.0: 300, 0.9: 1000}
"""Independent references and consecutive frames of a video, as METHODS asks."""

RAMP, RAMP_LEVELS = 0.01, 4.0
RIGHT, NAMELESS = 0.95, 0.90
COST_US = 30.0

if TYPE_CHECKING:
    from drift_quality.real import Found

Job = partial[list[Check]]


def jobs(runs: int, seed: int) -> list[Job]:
    """Return the simulations, each for a process of its own."""
    lengths = [
        partial(_false_alarms, promised, rho, runs, seed)
        for promised in (1e3, 1e4)
        for rho in REFERENCES
    ]
    bulbs = [partial(_light_bulb, sd, within, runs, seed) for sd, within in LIGHT_BULB]
    return [*lengths[::-1], *bulbs, *(partial(_ramp, sd, runs, seed) for sd, _ in LIGHT_BULB)]


def run(job: Job) -> list[Check]:
    """Return a simulation's checks."""
    return job()


def of_real(found: Iterable[Found]) -> list[Check]:
    """Return the checks of real streams."""
    from drift_quality import tables

    some = list(found)
    known, unknown, n_known, n_unknown = tables.causes(some)
    frames, alarms = sum(f.clean for f in some), sum(f.false_alarms for f in some)
    boards = [f for f in some if f.scene.startswith("board")]
    bulb = [o for f in boards for o in f.outcomes if o.change == "+2 levels"]
    delays = [float("inf") if o.delay is None else o.delay for o in bulb]
    sizes = [abs((o.size or 0.0) - 2.0) for o in bulb if o.family == "illumination"]
    return [
        Check(
            "no alarm on untouched sequences", "all scenes", frames, f"{alarms} alarm(s)", "0",
            alarms == 0,
        ),
        Check(
            "+2 levels on real boards", "one alarm in 26 million frames", len(bulb),
            f"median {np.median(delays):.0f} frames", "≤ 5", float(np.median(delays)) <= 5,
        ),
        Check(
            "+2.0 ± .5 levels of illumination", "real boards", len(bulb),
            f"{sum(s <= 0.5 for s in sizes)} of {len(bulb)} within .5", "≥ 95 %",
            sum(s <= 0.5 for s in sizes) >= RIGHT * len(bulb),
        ),
        Check(
            "right family when detected", "all scenes", n_known, f"{known:.3f}", f"≥ {RIGHT}",
            known >= RIGHT,
        ),
        Check(
            "unknown is called other", "all scenes", n_unknown, f"{unknown:.3f}", f"≥ {NAMELESS}",
            unknown >= NAMELESS,
        ),
    ]  # fmt: skip


def _false_alarms(promised: float, rho: float, runs: int, seed: int) -> list[Check]:
    lengths = simulated.run_lengths(World(rho, REFERENCES[rho]), promised, runs, seed)
    mean = float(np.mean(lengths))
    setting = f"{_kind(rho)}, {REFERENCES[rho]} references"
    measured = f"mean ≥ {mean:,.0f}, median {np.median(lengths):,.0f}"
    wish = f"one false alarm in {promised:,.0f} frames"
    return [Check(wish, setting, runs, measured, f"≥ {promised:,.0f}", mean >= promised)]


def _light_bulb(sd: float, within: int, runs: int, seed: int) -> list[Check]:
    checks = []
    for rho, references in REFERENCES.items():
        delays = simulated.step_delays(World(rho, references, sd), 2.0, MILLION, runs, seed)
        median = float(np.median(delays))
        bound = f"≤ {within}" if rho == 0.0 else "shown only"
        kept = rho > 0.0 or median <= within
        setting = f"σ {sd:g}, {_kind(rho)}, {references} references, 1 in 10⁶"
        checks.append(
            Check("+2 levels noticed", setting, runs, f"median {median:.0f} frames", bound, kept)
        )
    return checks


def _ramp(sd: float, runs: int, seed: int) -> list[Check]:
    levels = simulated.ramp_levels(World(0.0, REFERENCES[0.0], sd), RAMP, MILLION, runs, seed)
    worst = float(np.quantile(levels, 0.95))
    setting = f"σ {sd:g}, independent, 1 in 10⁶"
    measured = f"median at +{np.median(levels):.1f}, 95 % by +{worst:.1f}"
    wish = f"{RAMP} level a frame noticed"
    return [Check(wish, setting, runs, measured, f"< +{RAMP_LEVELS:g}", worst < RAMP_LEVELS)]


def _kind(rho: float) -> str:
    return f"AR({rho:g})" if rho else "independent"
