"""Light that flickers: brightness that goes up and down all over the picture, or bands that move.

With B[t, r, c] the grid's means of frame t, the light of a row is

    x[t, r] = median over c of ln((B[t, r, c] + 8) / (median over t of B[·, r, c] + 8))

which parts that pass do not move unless they fill half of a row. Flicker is a wave A·cos(2π(k·r/R +
ν·s_t) + φ) in it: k = 0 with a global shutter, k > 0 with a rolling one, ν cycles a frame, s_t the
frame's number in the stream, so that dropped frames do no harm. Its amplitude is read off the
periodogram |Σ x e^(−2πi(k·r/R + ν·s))| · 2/(T·R) (Lomb 1976 for uneven times, at a fixed phase).

A camera of f frames a second shows light of M Hz as |M − f·round(M/f)| (sampling theorem). So the
mains are named, 100 Hz or 120 Hz, only where the wave fits the one and not the other. Where f
divides M the bands stand still and cannot be told from the scene: nothing is said then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_guard.calibration.advice.sight import ROWS, Sight
from edge_guard.types import Array, Doubles

FEWEST = 48
"""Frames below this say nothing."""

_DARK = 8.0
"""Grey levels that keep ratios of dark places quiet."""
_BANDS = np.arange(0.0, 8.01, 0.5)
_RATES = np.linspace(-0.5, 0.5, 257)
_SLOWEST = 0.1
"""Cycles a frame: what is slower may be parts that pass, or the camera's automatic exposure."""
_VISIBLE = 0.008
"""Least amplitude, share of the light."""
_SHARE = 0.2
"""The wave must make at least this share of all that the rows' light does."""
_UNISON = 0.7
"""So much of the picture must swing like the whole: two kinds of part in turn do not."""
_MAINS = (100.0, 120.0)
_SURE_HZ = 0.2
_LEAST_S = 3.0


@dataclass(frozen=True, slots=True)
class Flicker:
    """A flicker that was found.

    Attributes
    ----------
    swing : float
        Amplitude, share of the light.
    bands : bool
        It shows as bands that move up or down, with a rolling shutter.
    mains_hz : int or None
        100 or 120; None where the pictures do not tell.
    """

    swing: float
    bands: bool
    mains_hz: int | None


def find_flicker(sights: Sequence[Sight], *, timed: bool) -> Flicker | None:
    """Return the flicker in consecutive frames of one size; None where there is none to be seen.

    Parameters
    ----------
    sights : sequence of Sight
        In the order of capture; fewer than `FEWEST` give None.
    timed : bool
        The capture times are those of a camera.
    """
    if len(sights) < FEWEST or len({sight.shape for sight in sights}) > 1:
        return None
    numbers = np.array([sight.sequence for sight in sights], np.float64)
    grid = np.stack([sight.light for sight in sights]).astype(np.float64) + _DARK
    changes = np.log(grid / np.median(grid, axis=0))
    light = np.median(changes, axis=2)
    light -= light.mean(0)
    band, rate, swing = _wave(light, numbers)
    varies = float(np.mean(light * light))
    strong = swing >= _VISIBLE and swing * swing / 2.0 >= _SHARE * varies
    if not strong or abs(rate) < _SLOWEST or not _in_unison(changes, numbers, band, rate, swing):
        return None
    times = np.array([sight.monotonic_s for sight in sights])
    if timed and times[-1] - times[0] < _LEAST_S:
        return None  # a little more, and its frequency may be told
    return Flicker(swing, band > 0.0, _mains(abs(rate), numbers, times) if timed else None)


def _wave(light: Doubles, numbers: Doubles) -> tuple[float, float, float]:
    """Return bands k, rate ν and amplitude of the strongest wave that is not too slow."""
    turns = np.exp(-2j * np.pi * np.outer(_RATES, numbers))
    bands = np.exp(-2j * np.pi * np.outer(np.arange(ROWS) / ROWS, _BANDS))
    power = np.abs(turns @ light @ bands) * (2.0 / light.size)
    power[np.abs(_RATES) >= 0.5 - 1e-9] /= 2.0  # there the wave and its mirror image are one
    power[np.abs(_RATES) < _SLOWEST] *= 0.999  # a tie goes to the quicker one
    i, j = np.unravel_index(int(power.argmax()), power.shape)
    rate = _refined(light @ bands[:, j], numbers, float(_RATES[i]))
    return float(_BANDS[j]), rate, float(power[i, j])


def _refined(row: Array, numbers: Doubles, rate: float) -> float:
    """Return the rate between two steps of the grid at which the wave is strongest."""
    step = _RATES[1] - _RATES[0]
    near = rate + np.linspace(-step, step, 41)
    return float(near[np.abs(np.exp(-2j * np.pi * np.outer(near, numbers)) @ row).argmax()])


def _in_unison(changes: Doubles, numbers: Doubles, band: float, rate: float, swing: float) -> bool:
    """Return whether most places swing as the rows do: in step, and by a like share."""
    row = np.arange(ROWS) / ROWS
    wave = np.exp(-2j * np.pi * (rate * numbers[:, None] + band * row[None, :]))
    centred = changes - changes.mean(0)
    each = np.einsum("tr,trc->rc", wave, centred) * (2.0 / len(numbers))
    whole = each.mean()
    if abs(whole) < 0.3 * swing:
        return False
    along = (each * np.conj(whole)).real / abs(whole)
    return bool(np.mean((along > 0.4 * abs(whole)) & (along < 2.5 * abs(whole))) >= _UNISON)


def _mains(rate: float, numbers: Doubles, times: Doubles) -> int | None:
    """Return the one mains frequency that a camera of this pace would show at this rate."""
    seconds = times[-1] - times[0]
    pace = float(np.polyfit(times - times[0], numbers, 1)[0])
    seen = rate * pace
    off = [abs(abs(hertz - pace * round(hertz / pace)) - seen) for hertz in _MAINS]
    sure = max(_SURE_HZ, 1.0 / seconds)
    fits = [hertz for hertz, error in zip(_MAINS, off, strict=True) if error <= sure]
    return int(fits[0]) if len(fits) == 1 and max(off) > 3.0 * sure else None
