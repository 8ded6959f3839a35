"""Frames divided in time into training, validation and test, without neighbours on both sides.

Two moments cut the time so that the later shares of the frames are for validation and test. An
incident is one thing: all its frames go with its first. A frame that lies closer than a given time
to one of the same stream in an earlier part shows almost the same picture: it is in no part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from edge_guard.collector.datasets.selection import Picked

SPLITS = ("train", "validation", "test")
APART = "apart"
"""In none of them."""

_Stream = tuple[str, str, str, str]


def split(frames: Sequence[Picked], validation: float, test: float, apart_ms: float) -> list[str]:
    """Return the part of each frame: one of `SPLITS`, or `APART`.

    Parameters
    ----------
    frames : sequence of Picked
        In the order of time.
    validation, test : float
        Shares of the frames.
    apart_ms : float
        Closer ones to an earlier part are in none.
    """
    if not frames:
        return []
    n = len(frames)
    cuts = [round(n * max(0.0, 1.0 - validation - test)), round(n * (1.0 - test))]
    moments = [frames[cut].occurred_ms if cut < n else None for cut in cuts]
    first: dict[tuple[_Stream, str], int] = {}
    for frame in frames:
        if frame.event.incident:
            first.setdefault((_stream(frame), frame.event.incident), frame.occurred_ms)
    parts = []
    for frame in frames:
        begun = first.get((_stream(frame), frame.event.incident), frame.occurred_ms)
        parts.append(sum(moment is not None and begun >= moment for moment in moments))
    return _without_neighbours(frames, parts, apart_ms)


def _without_neighbours(
    frames: Sequence[Picked], parts: Sequence[int], apart_ms: float
) -> list[str]:
    times: defaultdict[tuple[_Stream, int], list[int]] = defaultdict(list)
    for frame, part in zip(frames, parts, strict=True):
        times[_stream(frame), part].append(frame.occurred_ms)
    return [
        APART
        if any(
            _near(times[_stream(frame), earlier], frame.occurred_ms, apart_ms)
            for earlier in range(part)
        )
        else SPLITS[part]
        for frame, part in zip(frames, parts, strict=True)
    ]


def _near(times: Sequence[int], at: int, apart_ms: float) -> bool:
    """Return whether one of the ascending times is closer than that."""
    place = bisect_left(times, at)
    return any(abs(at - near) < apart_ms for near in times[max(0, place - 1) : place + 1])


def _stream(frame: Picked) -> _Stream:
    return frame.site, frame.line, frame.device, frame.event.stream
