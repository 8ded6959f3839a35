"""What a detector has found in a frame: boxes over its picture, and a list."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from edge_guard.collector.web.marks import box, fact
from edge_guard.collector.web.places import outline
from edge_guard.collector.web.words import percent
from edge_guard.publish.messages import ImageReference
from edge_guard.types import Detection


def detections_layer(found: Sequence[Detection], image: ImageReference) -> None:
    """Build the boxes over a picture."""
    for one in found:
        if style := outline(one.box, image):
            with box("found").style(style):
                ui.label(one.label).classes("found-label")


def detections_part(found: Sequence[Detection]) -> None:
    """Build the list."""
    with box("card"):
        ui.label(f"{len(found)} found").classes("card-title")
        with box("facts"):
            for one in found:
                sure = f"score {one.score:.2f}"
                if one.confidence is not None:
                    sure = f"{percent(one.confidence)} sure"
                fact(one.label, f"{sure}, {one.box[2]} × {one.box[3]} px")
