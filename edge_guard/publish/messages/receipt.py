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
    kind: Literal["event", "result", "summary", "alarm", "reply", "dropped"]
    cause: str
    """``quota`` (events and results only) or ``damaged`` (unreadable on the device's disk)."""
    sequences: tuple[tuple[int, int], ...]
    """Inclusive ranges, ascending."""


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
