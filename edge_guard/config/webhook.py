"""The tables of programs that are told what happens."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_guard.config.values import FilePath, Table

WebhookEvent = Literal[
    "alarm.raised",
    "alarm.cleared",
    "alarm.changed",
    "device.silent",
    "device.back",
    "rollout.finished",
]


class WebhookTable(Table, frozen=True, kw_only=True):
    """One ``[[webhook]]``: a program that is told over HTTP what happens."""

    url: Annotated[
        str,
        Meta(
            max_length=1024,
            pattern=r"^https?://[^\s/?#@]+([/?]\S*)?$(?!\n)",
            extra={"reason": "is no address to post to: use https://HOST/PATH, without a password"},
            description="Where notices are posted to.",
        ),
    ]
    events: Annotated[
        tuple[WebhookEvent, ...], Meta(min_length=1, description="What it is told.")
    ] = ("alarm.raised", "alarm.cleared")
    secret_file: Annotated[
        FilePath,
        Meta(
            description="File with the key that signs notices (Standard Webhooks): 24 to 64 bytes "
            "in base64, as openssl rand -base64 32 makes them."
        ),
    ]
