"""What values are made of, in every configuration: tables, names, ports, times."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Level = Annotated[
    str,
    Meta(
        pattern=r"^[^/+#\s\x00-\x1f\x7f$][^/+#\x00-\x1f\x7f]{0,63}$(?!\n)",
        extra={
            "reason": "cannot be part of an MQTT topic: use 1 to 64 letters, digits, '-', '_', '.'"
        },
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
FilePath = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown keys are refused."""
