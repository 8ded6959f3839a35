"""What is stored, and what will never come."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.publish.messages.stamp import SCHEMA_VERSION, Stamp


class Dropped(Stamp, frozen=True, kw_only=True):
    """Messages that the device had to give up and that will not come; closes their gaps."""

    sequence: int
    """Of this report itself, in ``boot_id``."""
    of_boot: str
    """The boot whose messages are lost; may be an earlier one."""
    kind: Literal["event", "result", "summary", "alarm", "reply", "dropped", "unknown"]
    cause: str
    """``quota`` or ``disk full`` (events and results only), ``damaged`` (unreadable on the device's
    disk), ``damaged spool`` (of unknown kind: what was not stored before is lost), or what the
    broker had against it: ``too large for the broker``, ``breaks the connection``."""
    sequences: tuple[tuple[int, int], ...]
    """Inclusive ranges, ascending."""
    gist: dict[str, int] = msgspec.field(default_factory=dict)
    """What lost events said: how many by ``{stream}/{verdict}/{leading guard}``."""
    first_wall_time: str | None = None
    """When the frames of lost events were captured; None where that is unknown."""
    last_wall_time: str | None = None


class BootReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the collector has of one boot: 1..highest without ``gaps`` (inclusive ranges)."""

    boot_id: str
    contiguous: int
    highest: int
    gaps: tuple[tuple[int, int], ...] = ()


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The collector's word that messages are in its database."""

    collector: str
    boots: tuple[BootReceipt, ...]
    schema_version: int = SCHEMA_VERSION
