"""What the device knows of itself as Sparkplug metrics: its own, and those of each stream."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from edge_guard.publish.messages import USUAL_ALARMS, Alarm, State, StreamState, isa_state
from edge_guard.publish.sparkplug.payload import DataType, Value
from edge_guard.types import Verdict

Metrics = dict[str, Value]
_ABSENT = ("retrying", "failed", "ended")
"""States of a stream in which there is no camera to speak of."""


class Reading(NamedTuple):
    """The device at one moment.

    Attributes
    ----------
    node : dict of str to Value
        Metrics of the edge node.
    devices : dict of str to dict of str to Value
        Metrics of each stream.
    absent : frozenset of str
        Streams without a camera: dead to Sparkplug.
    """

    node: Metrics
    devices: dict[str, Metrics]
    absent: frozenset[str]


def read(state: State, alarms: Iterable[Alarm]) -> Reading:
    """Return the device's metrics.

    Parameters
    ----------
    state : State
        As for the retained state.
    alarms : iterable of Alarm
        The newest message of each alarm.
    """
    by_stream: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        by_stream.setdefault(alarm.stream, []).append(alarm)
    return Reading(
        node={
            "Device/State": _text("degraded" if state.causes else state.state),
            "Device/Causes": _text("; ".join(state.causes)),
            "Device/Version": _text(state.version),
            "Device/Clock Synchronised": Value(DataType.BOOLEAN, state.clock_synchronised),
            "Spool/Produced": _count(state.produced),
            "Spool/Backlog": _count(state.backlog),
        },
        devices={
            stream.name: _of_camera(stream) | _of_alarms(by_stream.get(stream.name, ()))
            for stream in state.streams
        },
        absent=frozenset(stream.name for stream in state.streams if stream.state in _ABSENT),
    )


def _of_camera(stream: StreamState) -> Metrics:
    verdicts = {
        f"Verdicts/{verdict.value}": _count(stream.verdicts.get(verdict.value, 0))
        for verdict in Verdict
    }
    return {
        "Camera/State": _text(stream.state),
        "Camera/Cause": _text(stream.cause),
        "Camera/Last Frame": Value(DataType.DATETIME, _ms(stream.last_frame_wall_time)),
        "Camera/Frames Per Second": Value(DataType.DOUBLE, round(stream.frames_per_second, 1)),
        "Camera/Dropped": _count(sum(stream.dropped.values())),
        "Bundle": _text(stream.bundle),
        **verdicts,
    }


def _of_alarms(alarms: Iterable[Alarm]) -> Metrics:
    metrics: Metrics = {}
    for name in USUAL_ALARMS:  # in every birth, so that the first of a kind needs none of its own
        metrics |= _of_alarm(name, False, "normal", "")
    drift = None
    for alarm in alarms:
        raised = alarm.state == "raised"
        metrics |= _of_alarm(alarm.alarm, raised, isa_state(alarm), alarm.message if raised else "")
        if raised:
            drift = alarm.drift or drift
    metrics["Drift/Size"] = Value(DataType.DOUBLE, drift.size if drift else None)
    metrics["Drift/Unit"] = _text(drift.unit if drift else None)
    metrics["Drift/Family"] = _text(drift.family if drift else None)
    return metrics


def _of_alarm(name: str, active: bool, state: str, message: str) -> Metrics:
    return {
        f"Alarms/{name}/Active": Value(DataType.BOOLEAN, active),
        f"Alarms/{name}/State": _text(state),
        f"Alarms/{name}/Message": _text(message),
    }


def _text(text: str | None) -> Value:
    return Value(DataType.STRING, text)


def _count(number: int) -> Value:
    return Value(DataType.INT64, number)


def _ms(wall_time: str | None) -> int | None:
    if wall_time is None:
        return None
    return round(datetime.fromisoformat(wall_time).timestamp() * 1000)
