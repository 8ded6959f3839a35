"""What webhooks are told, and when something is worth telling."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec

from edge_guard.publish.messages import Alarm, IsaState, State, isa_state

KINDS = {
    "alarm.raised": "A condition of a stream holds that did not hold before.",
    "alarm.cleared": "A condition of a stream holds no longer.",
    "alarm.changed": "Somebody acknowledged, shelved or disabled an alarm, or undid that.",
    "device.silent": "A device went offline.",
    "device.back": "A device that was offline is there again.",
    "rollout.finished": "A rollout has ended, well or not.",
}
"""What a webhook may be told, and what it means."""


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a notice is about; fields that do not apply are left out.

    Attributes
    ----------
    site, line, device : str
    device_id : int
        As in ``/api/devices``.
    stream, alarm : str
    state : str
        Of the alarm in the words of ISA-18.2, of the device, or of the rollout.
    cause, message : str
        For people.
    since : str
        When the alarm's condition began, RFC 3339.
    by : str
        Who acknowledged, shelved or disabled it, or started the rollout.
    incident : str
        The trouble that it is part of.
    """

    site: str = ""
    line: str = ""
    device: str = ""
    device_id: int = 0
    stream: str = ""
    alarm: str = ""
    state: str = ""
    cause: str = ""
    message: str = ""
    since: str = ""
    by: str = ""
    incident: str = ""


class Notice(msgspec.Struct, frozen=True):
    """The body of a webhook's request, after Standard Webhooks 1.0.

    Attributes
    ----------
    type : str
        One of `KINDS`.
    timestamp : str
        When the collector heard of it, RFC 3339.
    data : Subject
    """

    type: str
    timestamp: str
    data: Subject


def new_message_id() -> str:
    """Return an id under which a notice is sent, as often as it takes."""
    return f"msg_{uuid.uuid4().hex}"


def alarm_kind(alarm: Alarm, before: Alarm | None) -> str | None:
    """Return what has become of an alarm since the word before on it, None for nothing to tell."""
    held = before is not None and before.state == "raised"
    if (alarm.state == "raised") != held:
        return "alarm.cleared" if held else "alarm.raised"
    was: IsaState = "normal" if before is None else isa_state(before)
    return None if isa_state(alarm) == was else "alarm.changed"


def state_kind(state: State, before: State | None) -> str | None:
    """Return what has become of a device since its state before, None for nothing to tell."""
    gone = state.state == "offline"
    if before is None or gone == (before.state == "offline"):
        return None
    return "device.silent" if gone else "device.back"


def about_alarm(alarm: Alarm) -> Subject:
    """Return what there is to say of an alarm."""
    return Subject(
        stream=alarm.stream,
        alarm=alarm.alarm,
        state=isa_state(alarm),
        cause=alarm.cause,
        message=alarm.message,
        since=alarm.since_wall_time,
        by=alarm.acknowledged_by or alarm.shelved_by or alarm.out_of_service_by,
        incident=alarm.incident,
    )


def about_state(state: State) -> Subject:
    """Return what there is to say of a device."""
    return Subject(state=state.state, cause="; ".join(state.causes))


def moment(ms: int) -> str:
    """Return a time as RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
