"""From topic and payload to a typed message, or a refusal with its cause.

Everything a device sends is checked here, once: size, topic, type, who it claims to be, and that
every number and text fits the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import isfinite
from typing import Any

import msgspec

from edge_guard.collector.pictures import is_digest, media_type
from edge_guard.collector.progress import LAST_SEQUENCE
from edge_guard.publish.messages import (
    MOST_HEAT_SIDE,
    MOST_RESEMBLED,
    MOST_RESEMBLED_BYTES,
    SCHEMA_VERSION,
    AccuracyCounts,
    Alarm,
    Dropped,
    Event,
    FrameResult,
    HeatGrid,
    Reply,
    Resembled,
    Stamp,
    State,
    Summary,
    decode,
)

MOST_JSON_BYTES = 256 * 1024
MOST_PICTURE_BYTES = 32 * 1024 * 1024
MOST_NAME = 128
MOST_TEXT = 4096
MOST_BINS = 64
MOST_ID = 64
EARLIEST_MS = 1_577_836_800_000
"""2020-01-01: an earlier wall clock was never set."""
FUTURE_MS = 10 * 60_000
LEAST_PROBABILITY = 1e-9
"""Of a sampled frame; one over it is a weight, and weights are added and squared."""

Telemetry = State | Event | FrameResult | Summary | Alarm | Reply | Dropped

_KINDS: dict[str, type[Telemetry]] = {
    "state": State,
    "dropped": Dropped,
    "event": Event,
    "result": FrameResult,
    "summary": Summary,
    "alarm": Alarm,
    "reply": Reply,
}
_LEVELS = {
    "state": 0,
    "dropped": 0,
    "reply": 0,
    "event": 1,
    "result": 1,
    "summary": 1,
    "alarm": 2,
    "image": 2,
}
_SUSPECT = re.compile(rb"\0|\\u0000|\d{19}|[eE]\+?\d{3}")
"""What may be a NUL, an integer of 64 bits or an infinite number: the rest need not be walked."""
_NOT_OURS = {"receipt", "command"}


class RefusedError(Exception):
    """A message that is not stored; the text is the cause under which it is counted."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """The device that a topic names."""

    site: str
    line: str
    device: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of one event."""

    boot_id: str
    sequence: int
    stream: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """One checked message from a device."""

    origin: Origin
    body: Telemetry | Picture


def parse(topic: str, payload: bytes, prefix: str) -> Message | None:
    """Return the message; None for what is not meant for the collector.

    Parameters
    ----------
    topic, payload : str, bytes
        As they arrived.
    prefix : str
        What stands before ``/{site}/{line}/{device}/…``.

    Raises
    ------
    RefusedError
        It is foreign, malformed, too big, or not from the device that its topic names.
    """
    site, line, device, kind, *rest = _levels(topic, prefix)
    if kind in _NOT_OURS or not payload:  # an empty payload clears a retained message
        return None
    if len(rest) != _LEVELS.get(kind, -1):
        raise RefusedError("unknown topic")
    origin = Origin(site, line, device)
    if kind == "image":
        return Message(origin, _picture(rest[0], rest[1], payload))
    return Message(origin, _telemetry(kind, rest, device, payload))


def occurred_ms(wall_time: str, received_ms: int) -> int:
    """Return the device's wall time, ms since the Unix epoch, or else when it was received.

    The device's word is taken where it can be true: after 2019 and not in the future.

    Raises
    ------
    RefusedError
        ``wall_time`` is not an RFC 3339 time.
    """
    try:
        moment = datetime.fromisoformat(wall_time)
        told = int(moment.timestamp() * 1000) if moment.tzinfo else None
    except (ValueError, OverflowError) as error:
        raise RefusedError("malformed time") from error
    if told is None:
        raise RefusedError("malformed time")
    return told if EARLIEST_MS <= told <= received_ms + FUTURE_MS else received_ms


def _levels(topic: str, prefix: str) -> list[str]:
    if not topic.startswith(f"{prefix}/"):
        raise RefusedError("unknown topic")
    levels = topic.removeprefix(f"{prefix}/").split("/")
    if len(levels) < 4:
        raise RefusedError("unknown topic")
    for level in levels:
        _check_name(level)
    return levels


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or name in {".", ".."}:
        raise RefusedError("unsuitable name")


def _picture(stream: str, event_id: str, payload: bytes) -> Picture:
    if len(payload) > MOST_PICTURE_BYTES:
        raise RefusedError("picture too big")
    if media_type(payload) is None:
        raise RefusedError("not a picture")
    boot, _, number = event_id.rpartition("-")
    if not boot or not (number.isascii() and number.isdecimal()):
        raise RefusedError("malformed event id")
    if len(number) > 16:
        raise RefusedError("sequence out of range")
    sequence = int(number)
    _check_sequence(sequence)
    return Picture(boot, sequence, stream, payload, sha256(payload).hexdigest())


def _telemetry(kind: str, rest: list[str], device: str, payload: bytes) -> Telemetry:
    if len(payload) > MOST_JSON_BYTES:
        raise RefusedError("message too big")
    try:
        body = decode(payload, _KINDS[kind])
        if len(payload) > MOST_TEXT or _SUSPECT.search(payload):  # else there is none of it
            _check_values(msgspec.to_builtins(body))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise RefusedError(f"malformed {kind}") from error
    _check_stamp(body, device)
    if isinstance(body, State):
        return body
    _check_sequence(body.sequence)
    if isinstance(body, Dropped):
        _check_dropped(body)
    elif isinstance(body, Reply):
        _check_id(body.command_id)
    elif body.stream != rest[0]:
        raise RefusedError("stream differs from its topic")
    if isinstance(body, Event):
        _check_event(body)
    if isinstance(body, Summary) and body.accuracy is not None:
        _check_accuracy(body.accuracy)
    if isinstance(body, Alarm) and body.alarm != rest[1]:
        raise RefusedError("alarm differs from its topic")
    return body


def _check_stamp(body: Stamp, device: str) -> None:
    if body.schema_version > SCHEMA_VERSION:
        raise RefusedError("newer schema version")
    if body.device != device:
        raise RefusedError("device differs from its topic")
    _check_boot(body.boot_id)


def _check_boot(boot_id: str) -> None:
    _check_name(boot_id)
    if "/" in boot_id:
        raise RefusedError("unsuitable name")


def _check_dropped(report: Dropped) -> None:
    _check_boot(report.of_boot)
    _check_name(report.cause)
    for first, last in report.sequences:
        _check_sequence(first)
        _check_sequence(last)
        if last < first:
            raise RefusedError("sequence out of range")


def _check_event(event: Event) -> None:
    if event.event_id != f"{event.boot_id}-{event.sequence}":
        raise RefusedError("malformed event id")
    if event.image is not None and not is_digest(event.image.sha256):
        raise RefusedError("malformed picture reference")
    if event.heatmap is not None and not _is_grid(event.heatmap):
        raise RefusedError("malformed heatmap")
    if len(event.nearest) > MOST_RESEMBLED or not all(map(_is_resembled, event.nearest)):
        raise RefusedError("malformed references")
    if event.incident:
        _check_id(event.incident)
    if len(event.part_id) > MOST_NAME or not event.part_id.isprintable():
        raise RefusedError("unsuitable part id")
    if event.sampled is not None and not LEAST_PROBABILITY <= event.sampled <= 1.0:
        raise RefusedError("malformed probability")


def _check_id(name: str) -> None:
    _check_name(name)
    if len(name) > MOST_ID:
        raise RefusedError("unsuitable name")


def _check_accuracy(accuracy: AccuracyCounts) -> None:
    values = accuracy.basis.values
    if not 0 < len(accuracy.counts) == len(values) <= MOST_BINS or min(accuracy.counts) < 0:
        raise RefusedError("malformed counts")
    if not all(0.0 <= value <= 1.0 for value in (*values, accuracy.basis.promised)):
        raise RefusedError("malformed counts")


def _is_resembled(like: Resembled) -> bool:
    picture = like.picture
    return picture is None or (
        len(picture) <= MOST_RESEMBLED_BYTES and media_type(picture) is not None
    )


def _is_grid(heat: HeatGrid) -> bool:
    sides = 1 <= heat.width <= MOST_HEAT_SIDE and 1 <= heat.height <= MOST_HEAT_SIDE
    covers = heat.area[2] > 0 and heat.area[3] > 0
    return sides and covers and len(heat.cells) == heat.width * heat.height


def _check_sequence(sequence: int) -> None:
    if not 1 <= sequence <= LAST_SEQUENCE:
        raise RefusedError("sequence out of range")


def _check_values(value: Any) -> None:
    """Refuse what a database, a chart or a page could choke on."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_values(key)
            _check_values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_values(item)
    elif isinstance(value, str):
        if len(value) > MOST_TEXT or "\0" in value:
            raise ValueError("unsuitable text")
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError("not finite")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("out of range")
