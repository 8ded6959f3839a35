"""The flag threshold through the real fitting: guards, folds, fusion, promise, fresh images."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.conformal import MIN_EFFECTIVE
from edge_guard.errors import ReferencesError
from promises import toy
from promises.thresholds import confident, marginal
from promises.verdicts import Check

REDRAWS = {50: 120, 100: 80, 300: 40, 1000: 12}
"""Calibrations of each size: fitting takes long."""

RHO, VIDEO_RATE, VIDEO_BOUND = 0.9, 0.05, 0.07
VIDEO = {200: 40, 1000: 20}


def independent(n: int, rate: float, seed: int) -> list[Check]:
    """Return the promises on n independent references."""
    rng = np.random.default_rng([seed, n])
    found = [toy.calibrate(n, rate, 0.0, rng) for _ in range(REDRAWS[n])]
    realised = np.array([c.realised for c in found])
    setting = f"guards fitted to {n} independent toy images"
    checks = [marginal(setting, realised, found[0].promised)]
    if found[0].regime == "confident":
        checks.append(confident(setting, realised, rate))
    return checks


def video(n: int, seed: int) -> list[Check]:
    """Return what n neighbouring video frames give: a kept promise, or a refusal."""
    rng = np.random.default_rng([seed, n, 9])
    realised, refused = [], 0
    for _ in range(VIDEO[n]):
        try:
            realised.append(toy.calibrate(n, VIDEO_RATE, RHO, rng).realised)
        except ReferencesError:
            refused += 1
    worth = n * (1 - RHO) / (1 + RHO)
    setting = f"{n} toy frames, ρ = {RHO}, worth {worth:.0f}"
    checks = []
    if realised:
        mean = float(np.mean(realised))
        checks.append(
            Check(
                f"false flags {VIDEO_RATE:.0%} on average",
                setting,
                len(realised),
                f"{mean:.2%}",
                f"≤ {VIDEO_BOUND:.0%}",
                mean <= VIDEO_BOUND,
            )
        )
    if worth < MIN_EFFECTIVE:
        checks.append(
            Check(
                f"fewer than {MIN_EFFECTIVE} effective references are refused",
                setting,
                VIDEO[n],
                f"{refused} refused",
                "all refused",
                refused == VIDEO[n],
            )
        )
    return checks
