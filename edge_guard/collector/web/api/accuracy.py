"""``/api/accuracy``: how right a stream's accepted answers are."""

from __future__ import annotations

from fastapi import FastAPI

from edge_guard.collector.accuracy import StreamAccuracy
from edge_guard.collector.web.accuracy import stream_accuracy
from edge_guard.collector.web.api.route import DeviceId, SinceMs, StreamName, Viewer
from edge_guard.collector.web.site import Site


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/accuracy")
    def accuracy(
        who: Viewer, device: DeviceId, stream: StreamName, since_ms: SinceMs = 0
    ) -> StreamAccuracy:
        """Return what is known of a stream since then, without labels and by people's word."""
        summaries = site.queries.summaries(device, stream, since_ms)
        return stream_accuracy(site, device, stream, since_ms, summaries)
