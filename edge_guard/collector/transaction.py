"""What one batch of messages does to the database, inside one transaction.

A batch is about many devices, each with a message or two: what is known of all of them is read at
once, the messages are weighed in memory, and what they change is written at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from edge_guard.collector import schema
from edge_guard.collector.boots import Boot, Boots
from edge_guard.collector.changes import Applied, Changes, NewEvent
from edge_guard.collector.known import Awaiting, find_awaiting, find_pictures, lock_devices
from edge_guard.collector.parse import Message, Origin, Picture, RefusedError, occurred_ms
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.webhooks.outbox import Hearing, Outbox
from edge_guard.publish.messages import (
    Alarm,
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


class Transaction:
    """Applies one batch to an open transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    pictures : Pictures
        Receives the pictures before their rows are committed.
    received_ms : int
        Now, ms since the Unix epoch.
    outbox : Outbox
        Hears what webhooks are to be told.
    """

    def __init__(
        self, connection: Connection, pictures: Pictures, received_ms: int, outbox: Outbox
    ) -> None:
        self._connection = connection
        self._hearing = Hearing(outbox, connection)
        self._pictures = pictures
        self._now = received_ms
        self._devices: dict[Origin, int] = {}
        self._last_states: dict[int, str | None] = {}
        self._boots = Boots(connection, ())
        self._awaiting: dict[tuple[int, int], Awaiting] = {}
        self._stored_pictures: set[str] = set()
        self._changes = Changes()
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

    def apply(self, batch: Sequence[Message | str]) -> Applied:
        """Return what the batch changed; a text is the cause of a refusal to count."""
        self._look_up([one for one in batch if isinstance(one, Message)])
        for position, message in enumerate(batch):
            if isinstance(message, str):
                self._applied.refused.append((position, message))
                continue
            try:
                device = self._devices[message.origin]
                self._handlers[type(message.body)](device, message.body)
            except RefusedError as refusal:
                self._applied.refused.append((position, str(refusal)))
        self._write()
        return self._applied

    def _look_up(self, messages: list[Message]) -> None:
        """Read what is known; the devices are locked first, so that it stays true."""
        if not messages:
            return
        origins = {message.origin for message in messages}
        devices = lock_devices(self._connection, origins, self._now)
        self._devices = {origin: device.id for origin, device in devices.items()}
        self._last_states = {device.id: device.state for device in devices.values()}
        self._applied.devices = {number: origin for origin, number in self._devices.items()}
        keys = {key for one in messages for key in _boots(self._devices[one.origin], one)}
        self._boots = Boots(self._connection, keys)
        digests = {digest for one in messages if (digest := _digest(one)) is not None}
        self._stored_pictures = find_pictures(self._connection, digests)
        self._awaiting = find_awaiting(self._connection, self._with_pictures(messages))

    def _with_pictures(self, messages: list[Message]) -> set[tuple[int, int]]:
        return {
            (self._boots.get(self._devices[one.origin], one.body.boot_id).id, one.body.sequence)
            for one in messages
            if isinstance(one.body, Event | Picture)
        }

    def _write(self) -> None:
        self._pictures.put_all(self._changes.pictures)
        for boot in self._boots.save():
            self._tell(boot)
        for device in self._changes.states:
            for boot in self._boots.newest(device):
                self._tell(boot)
        self._changes.write(self._connection, self._applied, self._now)

    def _tell(self, boot: Boot) -> None:
        self._applied.receipts.setdefault(boot.device, {})[boot.name] = boot.receipt()

    def _state(self, device: int, state: State) -> None:
        occurred_ms(state.wall_time, self._now)
        words = self._last_states[device]
        last = None if words is None else decode(words.encode(), State)
        self._hearing.state(device, state, last)
        if last is not None and state.state == "offline":
            # The last will was written when the device connected: it knows no streams.
            state = msgspec.structs.replace(
                state, streams=last.streams, produced=last.produced, backlog=last.backlog
            )
        if last is not None and _overtaken(state, last):
            words = encode(last).decode()
        else:
            words = encode(state).decode()
        self._last_states[device] = self._changes.states[device] = words

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
            "part": event.part_id or None,
        }
        key = (boot.id, event.sequence)
        if key not in self._changes.events and key not in self._awaiting:
            self._changes.events[key] = NewEvent(event, row)
        elif complete:  # its picture was announced before and has been given up since
            self._complete(key, row)
        if complete:
            boot.store(event.sequence)

    def _complete(self, key: tuple[int, int], row: dict[str, Any]) -> None:
        if (new := self._changes.events.get(key)) is not None:
            new.row |= {"complete": True, "sha256": row["sha256"], "body": row["body"]}
        else:
            number = self._awaiting[key].id
            replaced = {"number": number, "picture": row["sha256"], "words": row["body"]}
            self._changes.rewritten.append(replaced)

    def _picture(self, device: int, picture: Picture) -> None:
        boot = self._boots.get(device, picture.boot_id)
        if picture.sequence in boot.stored:
            return  # a repetition, or a picture that was given up after it was sent
        key = (boot.id, picture.sequence)
        new, old = self._changes.events.get(key), self._awaiting.get(key)
        if new is not None:
            old = Awaiting(0, new.event.stream, new.row["sha256"])
        if old is not None and (old.sha256, old.stream) != (picture.sha256, picture.stream):
            raise RefusedError("picture differs from its event")
        if not self._has_picture(picture.sha256):
            self._changes.pictures[picture.sha256] = picture.content
        if old is None:
            return
        if new is not None:
            new.row["complete"] = True
        else:
            self._changes.completed.append(old.id)
        boot.store(picture.sequence)

    def _has_picture(self, digest: str) -> bool:
        return digest in self._stored_pictures or digest in self._changes.pictures

    def _result(self, device: int, result: FrameResult) -> None:
        occurred = occurred_ms(result.wall_time, self._now)
        boot = self._boots.get(device, result.boot_id)
        if boot.needs(result.sequence):
            self._changes.frames[
                device, result.stream, occurred // 60_000, result.verdict.value
            ] += 1
            boot.store(result.sequence)

    def _summary(self, device: int, summary: Summary) -> None:
        occurred = occurred_ms(summary.wall_time, self._now)
        boot = self._boots.get(device, summary.boot_id)
        if boot.needs(summary.sequence):
            self._changes.add(schema.summaries, _message_row(boot, summary, occurred))
            boot.store(summary.sequence)

    def _alarm(self, device: int, alarm: Alarm) -> None:
        occurred = occurred_ms(alarm.wall_time, self._now)
        boot = self._boots.get(device, alarm.boot_id)
        if boot.needs(alarm.sequence):
            self._hearing.alarm(device, boot.id, alarm)
            row = _message_row(boot, alarm, occurred)
            self._changes.add(
                schema.alarms, row | {"alarm": alarm.alarm, "state": isa_state(alarm)}
            )
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
            self._changes.add(schema.replies, row)
            boot.store(reply.sequence)
            self._applied.replies.append(reply)

    def _dropped(self, device: int, report: Dropped) -> None:
        occurred_ms(report.wall_time, self._now)
        boot = self._boots.get(device, report.boot_id)
        if boot.needs(report.sequence):
            lost = self._boots.get(device, report.of_boot).give_up(report.sequences)
            self._changes.losses[device, report.kind, report.cause] += lost
            boot.store(report.sequence)


def _overtaken(state: State, last: State) -> bool:
    """Return whether a later state of this boot is stored: another collector was faster.

    A last will carries the time at which the device connected, so its time says nothing.
    """
    living = "offline" not in (state.state, last.state)
    return living and state.boot_id == last.boot_id and state.monotonic_ns < last.monotonic_ns


def _boots(device: int, message: Message) -> list[tuple[int, str]]:
    """Return the boots that a message is about."""
    body = message.body
    named = [body.boot_id, body.of_boot] if isinstance(body, Dropped) else [body.boot_id]
    return [] if isinstance(body, State) else [(device, boot) for boot in named]


def _digest(message: Message) -> str | None:
    """Return which picture a message brings or announces."""
    body = message.body
    if isinstance(body, Picture):
        return body.sha256
    return body.image.sha256 if isinstance(body, Event) and body.image is not None else None


def _message_row(boot: Boot, body: Event | Summary | Alarm, occurred: int) -> dict[str, Any]:
    return {
        "device_id": boot.device,
        "boot_id": boot.id,
        "sequence": body.sequence,
        "stream": body.stream,
        "occurred_ms": occurred,
        "body": encode(body).decode(),
    }
