"""Baselines of the drift monitors from a series of references: what is usual, and how sure that is.

A chart with estimated parameters alarms sooner than it promises: with z_i off by a little, ten
times sooner. So each estimate is taken at a confidence limit on the careful side: the standard
deviations (χ²), the correlation ρ of neighbours, and the mean (as a dead band). A scale is widened
until the references' own prewhitened values e keep the exponential bound that a normal chart has,

    mean of exp(2k·clip(e/s) − 2k²) ≤ 1 on both sides        (what a heavy tail breaks)

and by the residuals' long-run variance where AR(1) leaves correlation (Newey & West 1987, eq. 5).
"""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy import stats

from edge_guard.calibration.drift_likeness import CAREFUL, Series, likeness, long_run, within
from edge_guard.calibration.drift_shares import fit_share, is_share
from edge_guard.drift.channels import FLOORS, UNITS
from edge_guard.drift.histogram import counted
from edge_guard.drift.runlength import CLIP, REFERENCE_VALUES, chart_limits
from edge_guard.drift.spec import ChannelSpec
from edge_guard.types import Array, Doubles

_FEW, _CAREFUL_FEW = 20.0, 0.95
"""With fewer independent references than these the confidence is higher."""

_LIGHT_SHARE = 1 / 3
"""Of the false alarms that are allowed, those of the light: it is what people change."""

_BLOCK_LENGTHS = 5
"""Correlation lengths in a block; whole ones, so that many channels' blocks end together."""

_NEARLY_ONE = 0.1
_FEW_BLOCKS = 20
_MOST_EDGES = 63
_FINE_EDGES = 12
_REACH, _FEW_JUMPS = 1.25, 5.0
"""A jump is beyond this multiple of the references' largest; beyond twice where they are worth five
independent ones."""


def fit_channels(
    series: list[Series], frames_between_alarms: float
) -> tuple[tuple[ChannelSpec, ...], Doubles]:
    """Return the channels' baselines, and the correlation length of each, in frames.

    Parameters
    ----------
    series : list of Series
    frames_between_alarms : float
        Promised mean number of frames between false alarms of all channels together.
    """
    light = any(s.name == "light" for s in series)
    others = len(series) - light
    fitted, lengths = [], []
    for one in series:
        share = 1.0 / len(series) if not (light and others) else (1.0 - _LIGHT_SHARE) / others
        share = _LIGHT_SHARE if one.name == "light" and others else share
        fit = fit_share if is_share(one.name) else _fit
        channel, length = fit(one, frames_between_alarms, share)
        fitted.append(channel)
        lengths.append(length)
    return tuple(fitted), np.array(lengths)


def fit_ranks(channel: ChannelSpec, series: Series, *, consecutive: bool) -> tuple[Doubles, Array]:
    """Return edges (≤ 63,) between bins of block means, and the bins' weights, one more.

    Weights are 0 where the references are not in the order of a stream, or too few.
    """
    values, block = series.values, channel.block
    count = len(values) // block
    means = np.sort(values[: count * block].reshape(count, block).mean(1))
    if count < _FEW_BLOCKS:
        spread = channel.sd / np.sqrt(_BLOCK_LENGTHS)
        edges = channel.mean + spread * stats.norm.ppf(np.arange(1, 64) / 64)
        return edges, np.zeros(64)
    kept = _kept(count)
    gaps = np.diff(np.concatenate([[-1], kept, [count]]))
    return means[kept], gaps * float(consecutive)


def padded(ranks: list[tuple[Doubles, Array]]) -> tuple[Doubles, Doubles]:
    """Return edges (K, E) padded with infinity and weights (K, E + 1) padded with 0."""
    widest = max(len(edges) for edges, _ in ranks)
    edges, weights = np.full((len(ranks), widest), np.inf), np.zeros((len(ranks), widest + 1))
    for row, (e, w) in enumerate(ranks):
        edges[row, : len(e)], weights[row, : len(w)] = e, w
    return edges, weights


def _kept(count: int) -> Array:
    """Return which of the sorted block means become edges: all far out, some in the middle."""
    if count <= _MOST_EDGES:
        return np.arange(count)
    middle = np.linspace(_FINE_EDGES, count - 1 - _FINE_EDGES, _MOST_EDGES - 2 * _FINE_EDGES)
    ends = np.arange(_FINE_EDGES)
    return np.unique(np.concatenate([ends, middle.astype(int), count - 1 - ends]))


def _fit(series: Series, frames_between_alarms: float, share: float) -> tuple[ChannelSpec, float]:
    floor = FLOORS[series.name]
    x = np.asarray(series.values, np.float64)
    d, n = x - x.mean(), len(x)
    together = series.together
    rho, length = likeness(series)
    effective = max(n / length, 3.0)
    sd = _upper_sd(d, effective, floor)
    e = np.where(together, d[1:] - rho * d[:-1], d[1:] * np.sqrt(1 - rho**2))
    innovation = _upper_sd(e, n - 1.0, floor * np.sqrt(1 - rho**2))
    innovation *= np.sqrt(long_run(within(e, series.groups[1:])))
    reach = max(_REACH, 1.0 + _FEW_JUMPS / effective)
    limits, shewhart = chart_limits(frames_between_alarms, share)
    return (
        ChannelSpec(
            name=series.name,
            unit=UNITS[series.name],
            mean=float(x.mean()),
            sd=sd,
            rho=rho,
            scales=tuple(_bounded_scale(e, innovation, 2.0 * k) for k in REFERENCE_VALUES),
            dead_band=float(stats.norm.ppf(CAREFUL) * sd / np.sqrt(effective)),
            limits=limits,
            shewhart=float(max(shewhart, reach * np.abs(e).max() / innovation)),
            block=_BLOCK_LENGTHS * max(1, ceil(length - _NEARLY_ONE)),
            counts=counted(d / sd),
            references=REFERENCE_VALUES,
        ),
        length,
    )


def _upper_sd(x: Doubles, effective: float, floor: float) -> float:
    freedom = max(effective - 1.0, 1.0)
    careful = CAREFUL if effective >= _FEW else _CAREFUL_FEW
    widening = np.sqrt(freedom / stats.chi2.ppf(1.0 - careful, freedom))
    return max(float(x.std() * widening), floor)


def _bounded_scale(e: Doubles, scale: float, bet: float) -> float:
    """Return the least s ≥ ``scale`` at which the references' own e keep the bound."""

    def kept(s: float) -> bool:
        z = np.clip(e / s, -CLIP, CLIP)
        half = 0.5 * bet * bet
        sides = (np.exp(side * bet * z - half).mean() for side in (1.0, -1.0))
        return bool(max(sides) <= 1.0)

    low, high = scale, scale
    while not kept(high):
        low, high = high, 1.5 * high
    while high - low > 1e-3 * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if kept(middle) else (middle, high)
    return float(high)
