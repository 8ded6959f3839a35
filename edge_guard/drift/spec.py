"""What the monitors learnt from the references: baselines a channel, as the bundle stores them."""

from __future__ import annotations

import msgspec

NEVER = 1 << 40
"""A block that is never full."""

FRAMES_BETWEEN_ALARMS = 26_000_000.0
"""Promised mean number of frames between false alarms: a month at ten frames a second."""


class ChannelSpec(msgspec.Struct, frozen=True):
    """One number a frame that is watched over time.

    Attributes
    ----------
    name, unit : str
    mean : float
        Of the references.
    sd : float
        Standard deviation of a frame, at its upper confidence limit.
    rho : float
        Correlation of neighbouring frames, at its upper confidence limit.
    scales : tuple of float
        What the prewhitened value is divided by in each chart of `edge_guard.drift.cusum`.
    dead_band : float
        A shift of the mean that is none, in units of the channel.
    limits : tuple of float
        Alarm limit of each chart.
    shewhart : float
        Two neighbouring frames further than this many ``sd`` on one side are an alarm.
    block : int
        Frames in a block of `edge_guard.drift.edetector`; `NEVER` for shares, whose means tie.
    counts : tuple of int
        References by their deviation, in the bins of `edge_guard.drift.histogram`.
    references : tuple of float
        Reference value k of each chart, the same for all channels of a bundle.
    """

    name: str
    unit: str
    mean: float
    sd: float
    rho: float
    scales: tuple[float, ...]
    dead_band: float
    limits: tuple[float, ...]
    shewhart: float
    block: int
    counts: tuple[int, ...] = ()
    references: tuple[float, ...] = (0.25, 0.5, 1.0)


class SignatureSpec(msgspec.Struct, frozen=True):
    """What one known change of the references does; its direction is in the bundle's arrays."""

    family: str
    words: str


class DriftSpec(msgspec.Struct, frozen=True):
    """The fitted monitors; their arrays are in the bundle.

    Attributes
    ----------
    frames_between_alarms : float
        Promised mean number of frames between false alarms.
    channels : tuple of ChannelSpec
    n : int
        References that the baselines come from.
    consecutive : bool
        Neighbouring references were seen to be alike, as frames of a stream are.
    signatures : tuple of SignatureSpec
    warnings : tuple of str
        What the references do not cover, in plain words.
    flag_rate : float
        Frames with a p-value up to it are flagged; 0: the bundle does not watch flags.
    """

    frames_between_alarms: float
    channels: tuple[ChannelSpec, ...]
    n: int
    consecutive: bool
    signatures: tuple[SignatureSpec, ...] = ()
    warnings: tuple[str, ...] = ()
    flag_rate: float = 0.0
