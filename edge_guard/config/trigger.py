"""What makes a stream take a frame."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_guard.config.values import Seconds, Table


class TriggerTable(Table, frozen=True):
    """``[stream.trigger]``: one frame for each part, not every frame of the camera."""

    kind: Annotated[
        Literal["mqtt", "hardware"],
        Meta(
            description="mqtt: a message asks for a frame and may name the part. hardware: the "
            "camera gives a frame for each pulse on its trigger input."
        ),
    ]
    topic: Annotated[
        Annotated[str, Meta(pattern=r"^[^+#\x00-\x1f$][^+#\x00-\x1f]{0,255}$(?!\n)")] | None,
        Meta(
            extra={"reason": "cannot be a topic: name one topic, without + and #"},
            description="mqtt only, and needed there: where triggers are published.",
        ),
    ] = None
    offset_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=60)],
        Meta(description="mqtt only: from the message until the part is before the camera."),
    ] = 0.0
    deadline_seconds: Annotated[
        Seconds,
        Meta(
            description="mqtt only: a trigger without a frame for so long goes to a person as "
            "'no image of part …'."
        ),
    ] = 2.0
    max_gap_seconds: Annotated[
        Seconds | None,
        Meta(
            description="hardware only: longest silence between two pulses of a healthy line; "
            "longer raises the alarm source. Left out: any."
        ),
    ] = None
