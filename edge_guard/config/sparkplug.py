"""The table of the Sparkplug edge node."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_guard.config.values import Level, Table


class SparkplugTable(Table, frozen=True):
    """``[sparkplug]``: the device as a Sparkplug B edge node, besides everything else."""

    group: Annotated[Level, Meta(description="Sparkplug group id.")]
    edge_node: Annotated[
        Level | None, Meta(description="Sparkplug edge node id. Left out: the device's id.")
    ] = None
    primary_host: Annotated[
        Level | None,
        Meta(
            description="Host id of the primary host application: births wait until it is "
            "online. Left out: there is none."
        ),
    ] = None
