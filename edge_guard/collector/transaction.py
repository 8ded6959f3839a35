"""What one batch of messages does to the database, inside one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from edge_guard.collector import schema
from edge_guard.collector.boots import Boot, Boots
from edge_guard.collector.parse import Message, Origin, Picture, RefusedError, occurred_ms
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.review.intake import Intake
from edge_guard.collector.rows import add, find_or_insert, insert, insertion
from edge_guard.publish.messages import (
    Alarm,
    BootReceipt,
    Dropped,
    Event,
    FrameResult,
    Reply,
    State,
    Summary,
    decode,
    encode,
    isa_state,
)
from edge_guard.types import Verdict


@dataclass(slots=True)
class Applied:
    """What a committed batch changed."""

    events: list[int] = field(default_factory=list)
    """Ids of events that are new or got their picture."""
    devices: dict[int, Origin] = field(default_factory=dict)
    receipts: dict[int, dict[str, BootReceipt]] = field(default_factory=dict)
    """By device and boot: what to tell the device now."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Position in the batch, and cause."""
    alarms: bool = False
    """Whether one has changed."""
    replies: list[Reply] = field(default_factory=list)
    """What devices answered to commands."""


class _Awaited(NamedTuple):
    """An event, as far as its picture asks for it."""

    id: int
    stream: str
    sha256: str | None
    complete: bool


_events = schema.events.c
_PICTURE = select(schema.pictures.c.sha256).where(schema.pictures.c.sha256 == bindparam("digest"))
_EVENT = select(_events.id, _events.stream, _events.sha256, _events.complete).where(
    _events.boot_id == bindparam("boot"), _events.sequence == bindparam("number")
)
_COMPLETE = update(schema.events).where(_events.id == bindparam("number")).values(complete=True)


class Transaction:
    """Applies messages to an open transaction; ``finish`` before the commit.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    pictures : PictureStore
        Receives the pictures before their rows are committed.
    received_ms : int
        Now, ms since the Unix epoch.
    """

    def __init__(self, connection: Connection, pictures: PictureStore, received_ms: int) -> None:
        self._connection = connection
        self._pictures = pictures
        self._now = received_ms
        self._devices: dict[Origin, int] = {}
        self._boots = Boots(connection)
        self._reviews = Intake(connection)
        self._new_events: Counter[int] = Counter()
        self._new_rows: dict[tuple[int, int], _Awaited] = {}
        self._frames: Counter[tuple[int, str, int, str]] = Counter()
        self._new_pictures: list[bytes] = []
        self._greeted: set[int] = set()
        self._applied = Applied()
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            State: self._state,
            Event: self._event,
            Picture: self._picture,
            FrameResult: self._result,
            Summary: self._summary,
            Alarm: self._alarm,
            Reply: self._reply,
            Dropped: self._dropped,
        }

    def apply(self, position: int, message: Message) -> None:
        """Store one message, or count its refusal.

        Parameters
        ----------
        position : int
            In the batch, for ``Applied.refused``.
        message : Message
        """
        try:
            self._handlers[type(message.body)](self._device(message.origin), message.body)
        except RefusedError as refusal:
            self.refuse(position, str(refusal))

    def refuse(self, position: int, cause: str) -> None:
        """Count a message that is not stored."""
        self._applied.refused.append((position, cause))

    def finish(self) -> Applied:
        """Write pictures and counters; return what the batch changed."""
        self._pictures.put_all(self._new_pictures)
        for boot in self._boots.save():
            self._tell(boot)
        for device in self._greeted:
            for boot in self._boots.newest(device):
                self._tell(boot)
        self._count_devices()
        self._reviews.store(self._applied.devices)
        for (device, stream, minute, verdict), frames in self._frames.items():
            key = {"device_id": device, "stream": stream, "minute": minute, "verdict": verdict}
            add(self._connection, schema.results, key, "frames", frames)
        for cause, n in Counter(cause for _, cause in self._applied.refused).items():
            add(self._connection, schema.refusals, {"cause": cause}, "messages", n)
        return self._applied

    def _device(self, origin: Origin) -> int:
        if origin not in self._devices:
            key = {"site": origin.site, "line": origin.line, "device": origin.device}
            rest = {"last_seen_ms": self._now, "events": 0}
            device = find_or_insert(self._connection, schema.devices, key, rest)
            self._devices[origin] = device
            self._applied.devices[device] = origin
        return self._devices[origin]

    def _count_devices(self) -> None:
        devices = schema.devices
        for device in self._applied.devices:
            total = devices.c.events + self._new_events[device]
            self._connection.execute(
                update(devices)
                .where(devices.c.id == device)
                .values(last_seen_ms=self._now, events=total)
            )

    def _tell(self, boot: Boot) -> None:
        self._applied.receipts.setdefault(boot.device, {})[boot.name] = boot.receipt()

    def _state(self, device: int, state: State) -> None:
        occurred_ms(state.wall_time, self._now)
        devices = schema.devices
        old = self._connection.scalar(select(devices.c.state).where(devices.c.id == device))
        if state.state == "offline" and old is not None:
            # The last will was written when the device connected: it knows no streams.
            last = decode(old.encode(), State)
            state = msgspec.structs.replace(
                state, streams=last.streams, produced=last.produced, backlog=last.backlog
            )
        body = encode(state).decode()
        self._connection.execute(update(devices).where(devices.c.id == device).values(state=body))
        self._greeted.add(device)

    def _event(self, device: int, event: Event) -> None:
        occurred = occurred_ms(event.captured_wall_time, self._now)
        boot = self._boots.get(device, event.boot_id)
        if not boot.needs(event.sequence):
            return
        complete = event.image is None or self._has_picture(event.image.sha256)
        row = _message_row(boot, event, occurred) | {
            "verdict": event.verdict.value,
            "received_ms": self._now,
            "sha256": event.image.sha256 if event.image else None,
            "complete": complete,
            "sampled": event.sampled,
            "incident": event.incident or None,
        }
        number = insert(self._connection, schema.events, row)
        if number is not None:
            awaited = _Awaited(number, event.stream, row["sha256"], complete)
            self._new_rows[boot.id, event.sequence] = awaited
            self._reviews.add(number, device, event, self._now)
            self._new_events[device] += event.verdict != Verdict.ACCEPT
        elif complete:  # its picture was announced before and has been given up since
            number = self._complete(boot, event)
            self._new_rows.pop((boot.id, event.sequence), None)
        if complete:
            boot.store(event.sequence)
        if number is not None:
            self._applied.events.append(number)

    def _complete(self, boot: Boot, event: Event) -> int | None:
        events = schema.events
        number: int | None = self._connection.scalar(
            update(events)
            .where(events.c.boot_id == boot.id, events.c.sequence == event.sequence)
            .values(
                complete=True,
                body=encode(event).decode(),
                sha256=event.image.sha256 if event.image else None,
            )
            .returning(events.c.id)
        )
        return number

    def _picture(self, device: int, picture: Picture) -> None:
        boot = self._boots.get(device, picture.boot_id)
        event = self._awaited(boot.id, picture.sequence)
        if event is not None and event.complete:
            return  # a repetition, or a picture that was given up after it was sent
        if event is not None and (event.sha256, event.stream) != (picture.sha256, picture.stream):
            raise RefusedError("picture differs from its event")
        self._keep_picture(picture)
        if event is not None:
            self._connection.execute(_COMPLETE, {"number": event.id})
            self._new_rows[boot.id, picture.sequence] = event._replace(complete=True)
            boot.store(picture.sequence)
            self._applied.events.append(event.id)

    def _awaited(self, boot: int, sequence: int) -> _Awaited | None:
        """Return what is known of a picture's event; mostly it came in the same batch."""
        if (known := self._new_rows.get((boot, sequence))) is not None:
            return known
        row = self._connection.execute(_EVENT, {"boot": boot, "number": sequence}).one_or_none()
        return None if row is None else _Awaited(*row)

    def _keep_picture(self, picture: Picture) -> None:
        if self._has_picture(picture.sha256):
            return
        self._new_pictures.append(picture.content)
        size = len(picture.content)
        row = {"sha256": picture.sha256, "size_bytes": size, "received_ms": self._now}
        self._connection.execute(insertion(self._connection, schema.pictures), row)

    def _has_picture(self, digest: str) -> bool:
        return self._connection.scalar(_PICTURE, {"digest": digest}) is not None

    def _result(self, device: int, result: FrameResult) -> None:
        occurred = occurred_ms(result.wall_time, self._now)
        boot = self._boots.get(device, result.boot_id)
        if boot.needs(result.sequence):
            self._frames[device, result.stream, occurred // 60_000, result.verdict.value] += 1
            boot.store(result.sequence)

    def _summary(self, device: int, summary: Summary) -> None:
        occurred = occurred_ms(summary.wall_time, self._now)
        boot = self._boots.get(device, summary.boot_id)
        if boot.needs(summary.sequence):
            insert(self._connection, schema.summaries, _message_row(boot, summary, occurred))
            boot.store(summary.sequence)

    def _alarm(self, device: int, alarm: Alarm) -> None:
        occurred = occurred_ms(alarm.wall_time, self._now)
        boot = self._boots.get(device, alarm.boot_id)
        if boot.needs(alarm.sequence):
            row = _message_row(boot, alarm, occurred)
            row |= {"alarm": alarm.alarm, "state": isa_state(alarm)}
            insert(self._connection, schema.alarms, row)
            boot.store(alarm.sequence)
            self._applied.alarms = True

    def _reply(self, device: int, reply: Reply) -> None:
        occurred_ms(reply.wall_time, self._now)
        boot = self._boots.get(device, reply.boot_id)
        if boot.needs(reply.sequence):
            row = {
                "device_id": device,
                "boot_id": boot.id,
                "sequence": reply.sequence,
                "command": reply.command_id,
                "received_ms": self._now,
                "body": encode(reply).decode(),
            }
            insert(self._connection, schema.replies, row)
            boot.store(reply.sequence)
            self._applied.replies.append(reply)

    def _dropped(self, device: int, report: Dropped) -> None:
        occurred_ms(report.wall_time, self._now)
        boot = self._boots.get(device, report.boot_id)
        if boot.needs(report.sequence):
            lost = self._boots.get(device, report.of_boot).give_up(report.sequences)
            key = {"device_id": device, "kind": report.kind, "cause": report.cause}
            add(self._connection, schema.losses, key, "messages", lost)
            boot.store(report.sequence)


def _message_row(boot: Boot, body: Event | Summary | Alarm, occurred: int) -> dict[str, Any]:
    return {
        "device_id": boot.device,
        "boot_id": boot.id,
        "sequence": body.sequence,
        "stream": body.stream,
        "occurred_ms": occurred,
        "body": encode(body).decode(),
    }
