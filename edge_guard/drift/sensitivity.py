"""What the monitors can see of this camera, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from edge_guard.drift.channels import ANSWER, FLAGGED, SHARE
from edge_guard.drift.exposure import FRAMES, PATIENCE, TOLERANCE
from edge_guard.drift.runlength import CLIP, mean_run_length
from edge_guard.drift.spec import ChannelSpec, DriftSpec

_SHIFTS = {
    "light": ("a brightness shift of {} grey levels", 2.0),
    "contrast": ("a change of contrast by {} %", 2.0),
    "focus": ("a change of sharpness by {} %", 5.0),
    "noise": ("a change of noise by {} %", 5.0),
    "red": ("a red cast of {} %", 1.0),
    "blue": ("a blue cast of {} %", 1.0),
    "across": ("a displacement of {} px across", 1.0),
    "down": ("a displacement of {} px down", 1.0),
    "turn": ("a turn of {}°", 0.5),
    "scale": ("a change of scale by {} %", 1.0),
}
_SOON = 100.0
"""Frames; a shift that takes longer is told as a larger one."""

_MORE = (0.05, 0.1, 0.2, 0.4, 0.8)
"""More of the frames: of a share, the least of these that alarms soon is told."""

_DAY = 86_400
_EXAMPLE_RATE = 10


def frames_to_alarm(channel: ChannelSpec, shift: float) -> float:
    """Return the mean number of frames from a step of the mean to the charts' alarm.

    Of the quickest chart alone (`edge_guard.drift.runlength`), so the monitors are a little
    quicker; blocks of ranks may see small steps sooner.

    Parameters
    ----------
    channel : ChannelSpec
    shift : float
        In units of the channel.
    """
    if shift / channel.scales[0] > channel.shewhart * sqrt(1 + channel.rho**2):
        return 2.0
    seen = (1 - channel.rho) * max(abs(shift) - channel.dead_band, 0.0)
    return min(
        mean_run_length(limit, k, seen / scale)
        for limit, k, scale in zip(channel.limits, channel.references, channel.scales, strict=True)
    )


def share_to_alarm(channel: ChannelSpec, share: float) -> float:
    """Return the mean number of frames until the charts of a share alarm at another ``share``."""
    delays = []
    for limit, k, scale in zip(channel.limits, channel.references, channel.scales, strict=True):
        one = min((1 - channel.mean) / scale, CLIP)
        mean = share * one - (1 - share) * channel.mean / scale - channel.dead_band / scale
        delays.append(mean_run_length(limit, k, max((1 - channel.rho) * mean, 0.0)))
    return min(delays)


def soonest(channel: ChannelSpec, shift: float) -> tuple[float, float]:
    """Return the smallest shift, at least ``shift``, that alarms within 100 frames, and its delay.

    Doubled until it does; a shift beyond any use (a thousandfold) is returned as it is.
    """
    largest = shift * 1024
    while (delay := frames_to_alarm(channel, shift)) > _SOON and shift < largest:
        shift *= 2
    return shift, delay


def sentences(spec: DriftSpec) -> Iterator[str]:
    """Yield what is detected how soon, one channel a sentence, then the price of it."""
    for channel in spec.channels:
        if channel.unit == SHARE:
            yield from _of_share(channel)
        if channel.name in _SHIFTS:
            words, least = _SHIFTS[channel.name]
            shift, delay = soonest(channel, least)
            if delay <= _SOON:
                yield f"detects {words.format(f'{shift:g}')} within {delay:.0f} frames"
    yield (
        f"detects another exposure time or gain of the camera, by {TOLERANCE:.0%} beyond the first "
        f"{FRAMES} frames, within {PATIENCE} frames, where the camera tells them"
    )
    days = spec.frames_between_alarms / _EXAMPLE_RATE / _DAY
    span = f"{days:.0f} days" if days >= 2 else f"{days * 24:.1f} hours"
    yield (
        f"at most one false alarm in {spec.frames_between_alarms:,.0f} frames: "
        f"{span} at {_EXAMPLE_RATE} frames a second"
    )


def _of_share(channel: ChannelSpec) -> Iterator[str]:
    what = "other answers than the references'"
    if channel.name == FLAGGED:
        what = "flags"
    elif channel.name.startswith(ANSWER):
        what = f"the answer “{channel.name.removeprefix(ANSWER)}”"
    for more in _MORE:
        share = channel.mean + more
        if share <= 1.0 and (delay := share_to_alarm(channel, share)) <= _SOON:
            yield (
                f"detects {what} in {share:.0%} of the frames, "
                f"{channel.mean:.1%} as usual, within {delay:.0f} frames"
            )
            return
