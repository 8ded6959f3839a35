"""The references that a flagged frame resembles, side by side."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from nicegui import ui

from edge_guard.collector.pictures import media_type
from edge_guard.collector.web.marks import box
from edge_guard.publish.messages import Resembled


def nearest_part(nearest: Sequence[Resembled]) -> None:
    """Build the card: each reference's small picture, its name, and in what it is alike."""
    with box("card"):
        ui.label("Most like these references").classes("card-title")
        with box("nearest"):
            for like in nearest:
                with box("nearest-one"):
                    _picture(like)
                    ui.label(like.name).classes("nearest-name")
                    ui.label(f"in {like.words}").classes("quiet")


def _picture(like: Resembled) -> None:
    kind = media_type(like.picture) if like.picture else None
    if like.picture is None or kind is None:
        ui.label("no picture was kept").classes("no-picture")
        return
    image = ui.element("img")
    image.props["src"] = f"data:{kind};base64,{base64.b64encode(like.picture).decode()}"
    image.props["alt"] = f"reference {like.name}"
