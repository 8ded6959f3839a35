"""One frame of the review queue as the page's script gets it: words and numbers, no markup.

The one exception is the heat layer, which is made of numbers only.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from edge_guard.collector.pictures import media_type
from edge_guard.collector.queries import EventRow
from edge_guard.collector.review.queue import Lent
from edge_guard.collector.web.event_card import incident_address
from edge_guard.collector.web.heat import heat_layer, heat_place
from edge_guard.collector.web.marks import picture_address
from edge_guard.collector.web.places import outline
from edge_guard.collector.web.reason import side
from edge_guard.collector.web.words import expected, moment_of, number, percent
from edge_guard.publish.messages import Event, ImageReference, Resembled
from edge_guard.types import Reason


class Nearest(msgspec.Struct, frozen=True):
    """A reference that resembles the frame; ``picture`` is a data URL, empty: none was kept."""

    name: str
    words: str
    picture: str


class ReviewReason(msgspec.Struct, frozen=True):
    """A reason in words; ``box`` is the CSS of its place in the picture, empty: none."""

    guard: str
    message: str
    value: str
    box: str


class Heat(msgspec.Struct, frozen=True):
    """The heat layer as SVG, and the CSS that lays it over the picture."""

    svg: str
    style: str


class ReviewItem(msgspec.Struct, frozen=True):
    """What is shown of a frame.

    Attributes
    ----------
    item : int
        Its place in the queue.
    event : int
    together : int
        How many frames of the same trouble had come when it came.
    picture : str or None
        Its address.
    size : str
        CSS.
    heat : Heat or None
    reasons : list of ReviewReason
        The leading one first.
    why : str
        What else brought it here; empty: nothing.
    answer : str or None
        The model's.
    confidence, p_value : str
    labels : list of str
        Answers that the model can give.
    verdict, where, when : str
    incident : str or None
        Where its incident is listed.
    nearest : list of Nearest
    """

    item: int
    event: int
    together: int
    picture: str | None
    size: str
    heat: Heat | None
    reasons: list[ReviewReason]
    why: str
    answer: str | None
    confidence: str
    p_value: str
    labels: list[str]
    verdict: str
    where: str
    when: str
    incident: str | None
    nearest: list[Nearest]


def review_item(lent: Lent, row: EventRow, labels: Sequence[str]) -> ReviewItem:
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
    return ReviewItem(
        item=lent.item,
        event=row.id,
        together=lent.together,
        picture=picture_address(row),
        size=_size(event.image),
        heat=_heat(event, event.image),
        reasons=[_reason(reason, event.image) for reason in event.reasons],
        why=_why(event),
        answer=event.label,
        confidence=percent(event.confidence),
        p_value=number(event.p_value),
        labels=list(labels),
        verdict=event.verdict.value,
        where=f"{row.site} / {row.line} / {row.device} · {event.stream}",
        when=moment_of(event.captured_wall_time),
        incident=incident_address(row) if event.incident else None,
        nearest=[_nearest(like) for like in event.nearest],
    )


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


def _reason(reason: Reason, image: ImageReference) -> ReviewReason:
    low, high = reason.expected
    value = ""
    if reason.value is not None:
        value = f"{number(reason.value)}{side(reason.value, low, high)} · {expected(low, high)}"
    box = outline(reason.box, image) if reason.box else ""
    return ReviewReason(reason.guard, reason.message, value, box)


def _heat(event: Event, image: ImageReference) -> Heat | None:
    if event.heatmap is None:
        return None
    return Heat(heat_layer(event.heatmap), heat_place(event.heatmap, image))


def _nearest(like: Resembled) -> Nearest:
    kind = media_type(like.picture) if like.picture else None
    picture = ""
    if like.picture is not None and kind is not None:
        picture = f"data:{kind};base64,{base64.b64encode(like.picture).decode()}"
    return Nearest(like.name, like.words, picture)
