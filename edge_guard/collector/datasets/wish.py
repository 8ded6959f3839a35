"""What somebody wants a dataset of."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

Part = Literal["labelled", "random", "diverse", "flagged"]
PARTS: tuple[Part, ...] = get_args(Part)
_Name = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00]*$")]
_Ms = Annotated[int, Meta(ge=0, le=2**53)]
_Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frames, and how they are divided.

    Attributes
    ----------
    device : int or None
        Only of this device.
    stream : str or None
        Only of streams of this name.
    from_ms, to_ms : int or None
        Captured from then on, and before then; since the Unix epoch.
    parts : tuple of str
        A frame is taken that is in any of them: ``labelled`` (people have said right, or wrong and
        what it is), drawn at ``random``, ``diverse``, ``flagged``.
    validation, test : float
        Shares of the frames, the latest ones; the rest is for training.
    apart_s : float
        Frames of a stream that lie closer to one of an earlier part are in none of them.
    boxed : tuple of str
        Labels of things whose place is where the frame is unlike the references: only their frames
        get a box in COCO, the one that the guard has drawn.
    """

    device: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    stream: _Name | None = None
    from_ms: _Ms | None = None
    to_ms: _Ms | None = None
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=4)] = ("labelled",)
    validation: _Share = 0.15
    test: _Share = 0.15
    apart_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 10.0
    boxed: Annotated[tuple[_Name, ...], Meta(max_length=200)] = ()
