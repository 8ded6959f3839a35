"""A device's tables about the daemon itself: how it tests itself, how it is watched."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_guard.config.values import Port, Table


class SelfTestTable(Table, frozen=True):
    """``[self_test]``: golden and spoilt frames through each stream's guard, now and then."""

    hours: Annotated[
        float,
        Meta(
            ge=0,
            le=8760,
            description="From one self-test to the next. 0: only at the start and after a reload.",
        ),
    ] = 24.0


class MetricsTable(Table, frozen=True):
    """``[metrics]``: ``/metrics`` for Prometheus and ``/health``, over HTTP."""

    port: Annotated[Port | None, Meta(description="TCP port to listen on. Left out: none.")] = None
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on; 0.0.0.0 for all. There is no password.",
        ),
    ] = "127.0.0.1"
