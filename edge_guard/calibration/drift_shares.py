"""Baselines of shares: channels that are 1 or 0, how often the guards flag and what the model says.

References whose answers come in runs are a Markov chain with P(1 | last) = p (1 − ρ) + ρ last. With
e = d − ρ d_last, each chart's scale s is the least that keeps, whatever the last answer was,

    E exp(2k·(min(±e/s, 4) − (1 − ρ) band/s)) ≤ exp(2k²)

for the true share p at either end of its confidence interval (Clopper & Pearson 1934), so the
charts' false alarms stay below those of normal values. Two frames prove nothing of a share, so it
has no Shewhart limit; means of shares tie, so it has no ranks.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from edge_guard.calibration.drift_likeness import CAREFUL, Series, likeness
from edge_guard.drift.channels import ANSWER, FLAGGED, OTHER_ANSWERS, SHARE
from edge_guard.drift.histogram import counted
from edge_guard.drift.runlength import CLIP, REFERENCE_VALUES, chart_limits
from edge_guard.drift.spec import NEVER, ChannelSpec

_NO_LIMIT = 1e9
_MOST_ANSWERS = 4


def is_share(name: str) -> bool:
    """Return whether a channel is 1 or 0 in a frame."""
    return name in (FLAGGED, OTHER_ANSWERS) or name.startswith(ANSWER)


def answer_series(answers: list[str], groups: np.typing.NDArray[np.str_]) -> list[Series]:
    """Return the shares of the four commonest answers among references, and of all others.

    None where the references lie in several folders: their mix is that of whoever sorted them.
    """
    if len(set(groups.tolist())) > 1 or not answers:
        return []
    said = np.array(answers)
    names, counts = np.unique(said, return_counts=True)
    common = names[np.argsort(-counts, kind="stable")][:_MOST_ANSWERS].tolist()
    shares = [Series(ANSWER + name, (said == name).astype(np.float64), groups) for name in common]
    rest = (~np.isin(said, common)).astype(np.float64)
    return [*shares, Series(OTHER_ANSWERS, rest, groups)]


def fit_share(
    series: Series, frames_between_alarms: float, share: float
) -> tuple[ChannelSpec, float]:
    """Return the baseline of a share, and the correlation length in frames.

    Parameters
    ----------
    series : Series
        Of 0 and 1; of `FLAGGED`, the rate that is promised in each place.
    frames_between_alarms : float
        Promised mean number of frames between false alarms of all channels together.
    share : float
        Of the false alarms, those that this channel may cause.
    """
    x = np.asarray(series.values, np.float64)
    mean = float(x.mean())
    rho, length = likeness(series)
    low, high = _interval(mean, len(x) / length)
    if series.name == FLAGGED:  # promised, not estimated; fewer are no trouble
        low, high, rho, length = 0.0, mean, 0.0, 1.0
    band = max(high - mean, mean - low)
    limits, _ = chart_limits(frames_between_alarms, share)
    deviation = _deviation(low, high)
    promised = series.name == FLAGGED
    channel = ChannelSpec(
        name=series.name,
        unit=SHARE,
        mean=mean,
        sd=deviation,
        rho=rho,
        scales=tuple(_scale(k, mean, (low, high), rho, band) for k in REFERENCE_VALUES),
        dead_band=band,
        limits=limits,
        shewhart=_NO_LIMIT,
        block=NEVER,
        counts=() if promised else counted((x - mean) / deviation),
        references=REFERENCE_VALUES,
    )
    return channel, length


def _interval(mean: float, effective: float) -> tuple[float, float]:
    """Return the limits of a share, each at 80 % confidence."""
    ones = mean * effective
    low = float(stats.beta.ppf(1 - CAREFUL, ones, effective - ones + 1)) if ones > 0 else 0.0
    zeros = effective - ones
    high = float(stats.beta.ppf(CAREFUL, ones + 1, zeros)) if zeros > 0 else 1.0
    return low, min(high, 1 - 1e-6)


def _deviation(low: float, high: float) -> float:
    """Return the largest standard deviation that a share between two limits can have."""
    middle = min(max(0.5, low), high)
    return float(np.sqrt(middle * (1 - middle)))


def _scale(k: float, mean: float, interval: tuple[float, float], rho: float, band: float) -> float:
    low, high = interval

    def kept(s: float) -> bool:
        return all(
            _growth(k, s, side, p, last, mean, rho, band) <= np.exp(2 * k * k)
            for side, p in ((1.0, high), (-1.0, low))
            for last in (0.0, 1.0)
        )

    s = _deviation(low, high) * float(np.sqrt(1 - rho * rho))
    while not kept(s):
        s *= 1.02
    return s


def _growth(
    k: float, s: float, side: float, p: float, last: float, mean: float, rho: float, band: float
) -> float:
    """Return E exp(2k z) of a frame after a frame of which ``last`` is the value."""
    one = p * (1 - rho) + rho * last
    total = 0.0
    for value, chance in ((1.0, one), (0.0, 1.0 - one)):
        e = (value - mean) - rho * (last - mean)
        z = min(side * e / s, CLIP) - (1 - rho) * band / s
        total += chance * float(np.exp(2 * k * z))
    return total
