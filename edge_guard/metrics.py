"""What Prometheus and a health check are told, in the text exposition format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from edge_guard.errors import StoreError
from edge_guard.meter import BOUNDS_SECONDS, Histogram, Meter
from edge_guard.publish.messages import State, StreamState
from edge_guard.publish.outbox import Outbox

Labels = Mapping[str, str]
Kind = Literal["counter", "gauge", "histogram"]
_THERMAL = Path("/sys/class/thermal")
_STARTED_SECONDS = time.time()


class StreamStatus(NamedTuple):
    """One stream's counters beside its state."""

    meter: Meter
    alarms: int
    self_test_passed: bool | None


class Status(NamedTuple):
    """What there is to tell.

    Attributes
    ----------
    state : State
    streams : mapping of str to StreamStatus
    outbox : Outbox
    link_causes : tuple of str
        What is wrong between here and the collector.
    """

    state: State
    streams: Mapping[str, StreamStatus]
    outbox: Outbox
    link_causes: tuple[str, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """Everything that is wrong; empty when nothing is."""
        return (*self.state.causes, *self.link_causes)


class Sample(NamedTuple):
    """One line: labels and value; ``suffix`` belongs to a histogram's lines."""

    labels: Labels
    value: float
    suffix: str = ""


def exposition(status: Status) -> bytes:
    """Return the whole page of ``/metrics``."""
    lines: list[str] = []
    for name, kind, words, samples in (*_device(status), *_streams(status), *_process()):
        found = list(samples)
        if not found:
            continue
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        lines += [
            f"{name}{sample.suffix}{_braces(sample.labels)} {_number(sample.value)}"
            for sample in found
        ]
    return ("\n".join(lines) + "\n").encode()


Family = tuple[str, Kind, str, Iterable[Sample]]


def _device(status: Status) -> Iterator[Family]:
    state, outbox = status.state, status.outbox
    identity = {"version": state.version, "device": state.device}
    yield "edge_guard_info", "gauge", "Version and device.", [Sample(identity, 1)]
    yield (
        "edge_guard_causes",
        "gauge",
        "Things that are wrong now; /health names them.",
        [Sample({}, len(status.causes))],
    )
    yield (
        "edge_guard_collector_reached",
        "gauge",
        "1 while nothing is wrong between here and the collector.",
        [Sample({}, float(not status.link_causes))],
    )
    yield (
        "edge_guard_messages_produced_total",
        "counter",
        "Messages since the start.",
        [Sample({}, state.produced)],
    )
    yield (
        "edge_guard_spool_messages",
        "gauge",
        "Messages that wait for a receipt.",
        [Sample({}, state.backlog)],
    )
    yield "edge_guard_spool_bytes", "gauge", "Disk that the spool takes.", _spool_bytes(outbox)
    yield (
        "edge_guard_messages_lost_total",
        "counter",
        "Messages given up since the spool exists.",
        _losses(outbox),
    )


def _spool_bytes(outbox: Outbox) -> list[Sample]:
    try:
        return [Sample({}, outbox.spool.bytes_used())]
    except StoreError:
        return []  # the state's causes say so


def _losses(outbox: Outbox) -> list[Sample]:
    found = []
    for what, n in outbox.losses().items():
        kind, _, cause = what.partition("/")
        found.append(Sample({"kind": kind, "cause": cause}, n))
    return found


def _streams(status: Status) -> Iterator[Family]:
    states = {state.name: state for state in status.state.streams}
    both = [(states[name], own) for name, own in status.streams.items() if name in states]
    yield (
        "edge_guard_verdicts_total",
        "counter",
        "Frames since the start by verdict.",
        [
            Sample({"stream": state.name, "verdict": verdict}, n)
            for state, _ in both
            for verdict, n in state.verdicts.items()
        ],
    )
    yield (
        "edge_guard_reasons_total",
        "counter",
        "Frames by the guards that had a reason to flag them.",
        [
            Sample({"stream": state.name, "guard": guard}, n)
            for state, own in both
            for guard, n in own.meter.reasons.items()
        ],
    )
    yield (
        "edge_guard_dropped_frames_total",
        "counter",
        "Frames that were not inspected, by cause.",
        [
            Sample({"stream": state.name, "cause": cause}, n)
            for state, _ in both
            for cause, n in state.dropped.items()
        ],
    )
    for name, words, values in _gauges(both):
        yield name, "gauge", words, values
    yield (
        "edge_guard_frame_latency_seconds",
        "histogram",
        "From capture to the verdict on the disk.",
        [
            sample
            for state, own in both
            for sample in _histogram({"stream": state.name}, own.meter.latency)
        ],
    )
    yield (
        "edge_guard_stage_seconds",
        "histogram",
        "What the stages of an inspection take.",
        [
            sample
            for state, own in both
            for stage, histogram in own.meter.stages.items()
            for sample in _histogram({"stream": state.name, "stage": stage}, histogram)
        ],
    )


def _gauges(
    both: list[tuple[StreamState, StreamStatus]],
) -> Iterator[tuple[str, str, list[Sample]]]:
    yield (
        "edge_guard_stream_up",
        "1 while frames come.",
        [Sample({"stream": state.name}, float(state.state == "running")) for state, _ in both],
    )
    yield (
        "edge_guard_frames_per_second",
        "Frames a second now.",
        [Sample({"stream": state.name}, state.frames_per_second) for state, _ in both],
    )
    yield (
        "edge_guard_alarms",
        "Alarms that are raised now.",
        [Sample({"stream": state.name}, own.alarms) for state, own in both],
    )
    yield (
        "edge_guard_self_test_passed",
        "1 when the last self-test passed, 0 when it failed.",
        [
            Sample({"stream": state.name}, float(own.self_test_passed))
            for state, own in both
            if own.self_test_passed is not None
        ],
    )


def _histogram(labels: dict[str, str], histogram: Histogram) -> Iterator[Sample]:
    bounds = [*map(_number, BOUNDS_SECONDS), "+Inf"]
    counts = histogram.cumulative()
    for bound, count in zip(bounds, counts, strict=True):
        yield Sample({**labels, "le": bound}, count, "_bucket")
    yield Sample(labels, histogram.total_seconds, "_sum")
    yield Sample(labels, counts[-1], "_count")


def _process() -> Iterator[Family]:
    """What Linux says of this process and its machine; elsewhere nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        open_files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return
    size = pages * os.sysconf("SC_PAGE_SIZE")
    yield (
        "process_resident_memory_bytes",
        "gauge",
        "Memory of this process.",
        [Sample({}, size)],
    )
    yield (
        "process_start_time_seconds",
        "gauge",
        "When this process started, Unix time.",
        [Sample({}, _STARTED_SECONDS)],
    )
    yield "process_open_fds", "gauge", "Open files of this process.", [Sample({}, open_files)]
    yield "process_threads", "gauge", "Threads of this process.", [Sample({}, threads)]
    yield "edge_guard_temperature_celsius", "gauge", "Where readable.", _temperatures()


def _temperatures() -> Iterator[Sample]:
    for zone in sorted(_THERMAL.glob("thermal_zone*")):
        try:
            kind = (zone / "type").read_text().strip()
            celsius = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
        yield Sample({"zone": f"{zone.name}:{kind}"}, celsius)


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
