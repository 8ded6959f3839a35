"""What a human look at a frame is worth, as a head start in the queue.

Every frame waits from its arrival; of those that wait, the one with the lowest

    rank = arrival − head start                                              (ms)

is next. All wait at the same pace, so ranks never change and an index keeps the order; and a frame
is overtaken only by frames that arrive less than the longest head start after it: none starves.

    audited at random      168 h
    others                  48 h / place + 12 h · doubt

``place`` counts the frames of its crowd (same incident, or same stream within the hour; same
leading reason), so that the first frame of a new trouble comes before the hundredth of another and
troubles take turns. ``doubt`` is 1 at the threshold and falls to 0 at twice (or none) of it.
"""

from __future__ import annotations

from hashlib import blake2s

from edge_guard.publish.messages import Event

HOUR_MS = 3_600_000
AUDIT_MS = 168 * HOUR_MS
NEW_MS = 48 * HOUR_MS
DOUBT_MS = 12 * HOUR_MS
LONGEST_MS = max(AUDIT_MS, NEW_MS + DOUBT_MS)


def head_start_ms(event: Event, place: int) -> int:
    """Return by how much a frame's place in the queue precedes its arrival.

    Parameters
    ----------
    event : Event
    place : int
        In its crowd, from 1.
    """
    if event.sampled is not None:
        return AUDIT_MS
    return round(NEW_MS / place + DOUBT_MS * doubt(event))


def doubt(event: Event) -> float:
    """Return how near the leading reason's value is to its threshold: 1 at it, 0 far from it.

    1 − |value − limit| / |limit|, at least 0, with the limit that the value is beyond; 0 where
    there is no value or the limit is 0.
    """
    if not event.reasons or event.reasons[0].value is None:
        return 0.0
    value, (low, high) = event.reasons[0].value, event.reasons[0].expected
    limit = high if high is not None and (low is None or value > high) else low
    if not limit:
        return 0.0
    share = 1.0 - abs(value - limit) / abs(limit)
    return share if 0.0 < share <= 1.0 else 0.0


def leading(event: Event) -> str:
    """Return the guard whose reason comes first; empty for a frame without reasons."""
    return event.reasons[0].guard if event.reasons else ""


def crowd(device: int, event: Event, arrived_ms: int) -> str:
    """Return what all frames of the same trouble share."""
    trouble = event.incident or f"{event.stream}\0{arrived_ms // HOUR_MS}"
    text = f"{device}\0{trouble}\0{leading(event)}"
    return blake2s(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
