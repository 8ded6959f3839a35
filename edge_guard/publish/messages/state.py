"""The device as it is now."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.publish.messages.stamp import Stamp


class StreamState(msgspec.Struct, frozen=True):
    """One stream, as it is now."""

    name: str
    state: str
    """``starting``, ``running``, ``retrying``, ``frozen``, ``ended``, ``failed``."""
    cause: str
    bundle: str
    last_frame_wall_time: str | None
    frames: int
    frames_per_second: float
    verdicts: dict[str, int]
    dropped: dict[str, int]
    monitors: str = ""
    """What the drift monitors do, in words; empty where the device does not say."""
    self_test: str = ""
    """How the last self-test went, in words; empty before the first has ended."""
    last_new_frame_wall_time: str | None = None
    """Of the last frame that was no repetition of an old picture and could be decoded."""
    tightened: dict[str, float] = {}
    """Settings that commands have made stricter than the bundle's, by name."""
    product: str = ""
    """The product that is judged now, of the last frame where part ids tell; empty on streams
    without products."""
    products: dict[str, str] = {}
    """The bundle of each product of the stream, all of them loaded."""


class State(Stamp, frozen=True, kw_only=True):
    """The device, as it is now; retained. ``offline`` is also the last will."""

    state: Literal["online", "degraded", "offline"]
    causes: tuple[str, ...]
    version: str
    streams: tuple[StreamState, ...] = ()
    produced: int = 0
    """Highest sequence of this boot."""
    backlog: int = 0
    """Messages in the spool that wait for a receipt."""
