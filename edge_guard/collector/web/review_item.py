"""One frame of the review queue as the page's script gets it: words and numbers, no markup.

The one exception is the heat layer, which is made of numbers only.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from edge_guard.collector.pictures import media_type
from edge_guard.collector.queries import EventRow
from edge_guard.collector.review.queue import Lent
from edge_guard.collector.web.detail import outline
from edge_guard.collector.web.event_card import incident_address
from edge_guard.collector.web.heat import heat_layer, heat_place
from edge_guard.collector.web.marks import picture_address
from edge_guard.collector.web.reason import side
from edge_guard.collector.web.words import expected, moment_of, number, percent
from edge_guard.publish.messages import Event, ImageReference, Resembled
from edge_guard.types import Reason


def review_item(lent: Lent, row: EventRow, labels: Sequence[str]) -> dict[str, Any]:
    """Return what is shown of a frame.

    Parameters
    ----------
    lent : Lent
    row : EventRow
    labels : sequence of str
        Answers that the model can give.
    """
    event = row.event
    assert event.image is not None  # others are not queued
    return {
        "item": lent.item,
        "event": row.id,
        "together": lent.together,
        "picture": picture_address(row),
        "size": _size(event.image),
        "heat": _heat(event, event.image),
        "reasons": [_reason(reason, event.image) for reason in event.reasons],
        "why": _why(event),
        "answer": event.label,
        "confidence": percent(event.confidence),
        "p_value": number(event.p_value),
        "labels": list(labels),
        "verdict": event.verdict.value,
        "where": f"{row.site} / {row.line} / {row.device} · {event.stream}",
        "when": moment_of(event.captured_wall_time),
        "incident": incident_address(row) if event.incident else None,
        "nearest": [_nearest(like) for like in event.nearest],
    }


def _size(image: ImageReference) -> str:
    width, height = max(1, image.width_px), max(1, image.height_px)
    return f"aspect-ratio: {width} / {height}; --ratio: {width / height:.4g}"


def _why(event: Event) -> str:
    if event.sampled is not None:
        return (
            f"Drawn at random with a chance of {percent(event.sampled)}: it stands for "
            f"{number(round(1 / event.sampled, 1))} frames."
            if event.sampled > 0
            else ""
        )
    return "Somebody asked for this picture." if event.captured else ""


def _reason(reason: Reason, image: ImageReference) -> dict[str, Any]:
    low, high = reason.expected
    value = ""
    if reason.value is not None:
        value = f"{number(reason.value)}{side(reason.value, low, high)} · {expected(low, high)}"
    box = outline(reason.box, image) if reason.box else ""
    return {"guard": reason.guard, "message": reason.message, "value": value, "box": box}


def _heat(event: Event, image: ImageReference) -> dict[str, str] | None:
    if event.heatmap is None:
        return None
    return {"svg": heat_layer(event.heatmap), "style": heat_place(event.heatmap, image)}


def _nearest(like: Resembled) -> dict[str, str]:
    kind = media_type(like.picture) if like.picture else None
    picture = ""
    if like.picture is not None and kind is not None:
        picture = f"data:{kind};base64,{base64.b64encode(like.picture).decode()}"
    return {"name": like.name, "words": like.words, "picture": picture}
