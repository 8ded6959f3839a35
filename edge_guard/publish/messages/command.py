"""What a device is told to do, and what it says became of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_guard.publish.messages.stamp import SCHEMA_VERSION, Stamp

Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
CommandId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")]
Share = Annotated[float, Meta(ge=0, le=1)]
LONGEST_SHELVING_S = 7 * 86400
MOST_BUNDLE_BYTES = 1 << 30
MOST_COMMAND_BYTES = 16 * 1024


class _Action(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """One thing to do."""

    stream: Name


class Capture(_Action, frozen=True, kw_only=True, tag="capture"):
    """Send the next picture as an event, whatever its verdict."""


class Acknowledge(_Action, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody has seen the alarm."""

    alarm: Name


class Shelve(_Action, frozen=True, kw_only=True, tag="shelve"):
    """Keep the alarm quiet for a while."""

    alarm: Name
    seconds: Annotated[float, Meta(gt=0, le=LONGEST_SHELVING_S)]


class Unshelve(_Action, frozen=True, kw_only=True, tag="unshelve"):
    """End the shelving."""

    alarm: Name


class OutOfService(_Action, frozen=True, kw_only=True, tag="out-of-service"):
    """Keep the alarm quiet until it is put back into service."""

    alarm: Name


class InService(_Action, frozen=True, kw_only=True, tag="in-service"):
    """Put the alarm back into service."""

    alarm: Name


class Tighten(_Action, frozen=True, kw_only=True, tag="tighten"):
    """Be stricter than the bundle; what is left out goes back to the bundle's value."""

    min_confidence: Share | None = None
    """Answers that are less sure go to a person."""
    p_limit: Share | None = None
    """Frames with a p-value up to this go to a person."""
    review_budget: Share | None = None
    """Share of the frames that people can look at."""


class OfferBundle(_Action, frozen=True, kw_only=True, tag="bundle"):
    """Fetch a bundle and guard the stream with it."""

    url: Annotated[str, Meta(max_length=1024, pattern=r"^https?://[^\s/]+/\S*$(?!\n)")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    size_bytes: Annotated[int, Meta(gt=0, le=MOST_BUNDLE_BYTES)]
    other_model: bool = False
    """Whether it may be for another model than the one in use."""
    product: Annotated[str, Meta(max_length=64)] = ""
    """Which of the stream's products it is for; empty on a stream without products."""


class ChangeProduct(_Action, frozen=True, kw_only=True, tag="product"):
    """Judge the frames that are captured from now on as another product of the stream."""

    product: Name


Action = (
    Capture
    | Acknowledge
    | Shelve
    | Unshelve
    | OutOfService
    | InService
    | Tighten
    | OfferBundle
    | ChangeProduct
)


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to do; the same id is done and answered once, however often it comes."""

    schema_version: Literal[1] = SCHEMA_VERSION  # type: ignore[assignment]
    id: CommandId
    device: Name
    """The device that it is meant for; every other one refuses it."""
    by: Name
    """Who wants it."""
    issued_wall_time: str
    expires_wall_time: str
    """RFC 3339; a device whose clock is synchronised refuses it from then on."""
    action: Action


class Reply(Stamp, frozen=True, kw_only=True):
    """What became of a command."""

    sequence: int
    command_id: str
    outcome: Literal["done", "refused", "failed"]
    """``refused``: nothing was done, and never will be; ``failed``: it was tried."""
    message: str
    event_id: str | None = None
    """Of the picture that was asked for."""
