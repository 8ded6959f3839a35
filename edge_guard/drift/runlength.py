"""Mean run lengths of one-sided CUSUM charts, and the limits that give them.

For C ← max(0, C + z − k), z of variance 1 and mean d, alarm at C > h, with Δ = d − k and
b = h + 1.166:

    ARL(d) = (exp(−2Δb) + 2Δb − 1) / (2Δ²),      b² where Δ = 0

(Siegmund 1985, "Sequential Analysis", §II.6; the form is eq. 5 of Woodall & Adams 1993.)
"""

from __future__ import annotations

from math import erfc, exp, sqrt

REFERENCE_VALUES = (0.1, 0.2, 0.5, 1.0)
"""k of the charts: half of the shift, in standard deviations, that each is quickest for. The least
is for frames that resemble their neighbours: prewhitened by ρ = .9, a shift of one standard
deviation is .23."""

CLIP = 4.0
"""One frame moves a chart by no more than this: a strange frame is for the guards to judge."""

FAST_SHARE = 0.8
"""Of the false alarms that are allowed, the charts may cause this share; blocks the rest."""

CHART_SHARES = (0.15, 0.2, 0.4, 0.15)
"""Of a channel's share, what each chart may use; what is left is the Shewhart limit's."""

_EXCESS = 1.166


def mean_run_length(limit: float, k: float, shift: float) -> float:
    """Return the mean number of frames to an alarm of a chart that starts at 0.

    Parameters
    ----------
    limit : float
        h > 0.
    k : float
        Reference value > 0.
    shift : float
        d, the mean of z.
    """
    delta, b = min(shift, CLIP) - k, limit + _EXCESS
    if abs(delta) * b < 1e-4:
        return b * b
    if -2 * delta * b > 700:
        return float("inf")
    return (exp(-2 * delta * b) + 2 * delta * b - 1) / (2 * delta * delta)


def limit_for(run_length: float, k: float) -> float:
    """Return h for a mean run length of at least ``run_length`` without a shift."""
    low, high = 0.0, 10.0 / k
    while mean_run_length(high, k, 0.0) < run_length:
        high *= 2
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        if mean_run_length(middle, k, 0.0) < run_length:
            low = middle
        else:
            high = middle
    return high


def normal_limit(rate: float) -> float:
    """Return z with P(Z > z) = ``rate`` for a standard normal Z."""
    low, high = 0.0, 40.0
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if 0.5 * erfc(middle / sqrt(2)) > rate else (low, middle)
    return high


def chart_limits(run_length: float, share: float) -> tuple[tuple[float, ...], float]:
    """Return the limits of a channel's charts, and its Shewhart limit.

    Parameters
    ----------
    run_length : float
        Promised mean number of frames between false alarms of all monitors together.
    share : float
        Of the charts' false alarms, those that this channel may cause.
    """
    rate = FAST_SHARE * share / run_length / 2.0  # of one side
    limits = tuple(
        limit_for(1.0 / (rate * part), k)
        for part, k in zip(CHART_SHARES, REFERENCE_VALUES, strict=True)
    )
    return limits, normal_limit(min(rate * (1.0 - sum(CHART_SHARES)), 0.1))
