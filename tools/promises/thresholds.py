"""The flag threshold on independent scores: 1,000 calibrations each, their true rates exact.

References' scores are standard normal, so that a threshold t realises exactly 1 − Φ(t); the
threshold depends on ranks only, so that any other continuous distribution would give the same.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from edge_guard.calibration.conformal import promise
from edge_guard.types import Doubles
from promises.verdicts import Check

REDRAWS = 1000
SIZES = (50, 100, 300, 1000)
RATES = (0.01, 0.05)


def checks(seed: int) -> list[Check]:
    """Return the marginal and the confident promise at each size and rate."""
    found = []
    for rate in RATES:
        for n in SIZES:
            rng = np.random.default_rng([seed, n, round(1 / rate)])
            drawn = [promise(np.sort(rng.normal(size=n)), n, rate) for _ in range(REDRAWS)]
            realised = norm.sf([held.score_limit for held in drawn])
            allowed = drawn[0].false_flag_rate
            found.append(marginal(f"{n} independent scores", realised, allowed))
            if drawn[0].regime == "confident":
                found.append(confident(f"{n} independent scores", realised, rate))
    return found


def marginal(setting: str, realised: Doubles, allowed: float) -> Check:
    """Return whether the mean realised rate stays within 3 standard errors of the promise."""
    error = float(realised.std(ddof=1) / np.sqrt(len(realised)))
    mean = float(realised.mean())
    return Check(
        f"false flags {allowed:.2%} on average",
        setting,
        len(realised),
        f"{mean:.3%} ± {error:.3%}",
        f"≤ {allowed:.2%} + 3 standard errors",
        mean <= allowed + 3.0 * error,
    )


def confident(setting: str, realised: Doubles, rate: float) -> Check:
    """Return whether at most 5 % of the calibrations (and 2 standard errors) exceed the rate."""
    violated = float((realised > rate).mean())
    limit = 0.05 + 2.0 * float(np.sqrt(0.05 * 0.95 / len(realised)))
    return Check(
        f"false flags at most {rate:.0%} with 95 % confidence",
        setting,
        len(realised),
        f"{violated:.1%} of the calibrations exceed it",
        f"≤ {limit:.1%}",
        violated <= limit,
    )
