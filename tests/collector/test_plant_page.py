"""The plant at a glance: how a device is in one word, lines in order, a thousand devices."""

from __future__ import annotations

import msgspec
import pytest
from reports import Reporter

from edge_guard.collector.health import Health, health
from edge_guard.collector.queries import AlarmRow, DeviceRow
from edge_guard.collector.web.lines import line_html
from edge_guard.collector.web.plant import chosen, counts, lines, standings
from edge_guard.publish.messages import Alarm, State, StreamState, decode

NOW = 1_800_000_000_000
DRIFT, FULL = "top: drift!", "the disk is full"
EVIL = "<img src=x onerror=alert(1)>\"'>"


def row(number: int = 1, line: str = "a", heard_ms: int = NOW, **state: object) -> DeviceRow:
    told = decode(Reporter(f"cam-{number}").state(**state)[1], State)  # type: ignore[arg-type]
    return DeviceRow(number, "plant", line, f"cam-{number}", heard_ms, told, 0, 0, 0, 0)


def alarm(name: str, device: int = 1, state: str = "raised", isa: str | None = None) -> AlarmRow:
    told = decode(Reporter().alarm(state)[1], Alarm)
    told = msgspec.structs.replace(told, alarm=name, message=f"{name}!", isa_state=isa)
    return AlarmRow(device, f"cam-{device}", NOW, told)


def failed() -> StreamState:
    return Reporter().stream_state(state="failed", cause="no such camera")


@pytest.mark.parametrize(
    ("device", "alarms", "expected"),
    [
        (row(), [], Health("healthy")),
        (row(), [alarm("drift", state="cleared")], Health("healthy")),
        (row(), [alarm("drift")], Health("drifting", "drift!")),
        (row(state="degraded", causes=(DRIFT,)), [alarm("drift")], Health("drifting", "drift!")),
        (row(state="degraded", causes=(DRIFT, FULL)), [alarm("drift")], Health("degraded", FULL)),
        (row(state="degraded", causes=(f"side: {FULL}",)), [], Health("degraded", f"side: {FULL}")),
        (row(), [alarm("drift", isa="shelved")], Health("healthy")),
        (row(), [alarm("drift"), alarm("source")], Health("degraded", "source!")),
        (row(streams=(failed(),)), [alarm("drift")], Health("degraded", "top: no such camera")),
        (row(state="degraded", causes=("disk full",)), [], Health("degraded", "disk full")),
        (row(state="degraded"), [], Health("degraded", "it does not say why")),
        (row(heard_ms=NOW - 600_000), [alarm("drift")], Health("silent", "not heard for 10 min")),
        (row(heard_ms=0, state="offline", causes=("gone",)), [], Health("offline", "gone")),
    ],
)
def test_a_device_is_said_to_be_the_worst_that_it_is(
    device: DeviceRow, alarms: list[AlarmRow], expected: Health
) -> None:
    assert health(device, alarms, NOW) == expected


def test_lines_with_the_worst_devices_come_first() -> None:
    devices = [row(1, "a"), row(2, "b"), row(3, "b"), row(4, "c", heard_ms=0), row(5, "d")]
    known = standings(devices, [alarm("drift", 3), alarm("source", 5)], NOW)
    assert [line.line for line in lines(known)] == ["c", "d", "b", "a"]
    assert [one.row.id for one in lines(known)[2].devices] == [3, 2]
    assert counts(known) == {"silent": 1, "degraded": 1, "drifting": 1, "healthy": 2}
    assert [one.row.id for one in chosen(known, "B plant", "drifting")] == [3]
    assert chosen(known, "no-such") == []
    assert [one.row.id for one in chosen(known, "top CAM-4")] == [4]


def test_what_a_device_writes_is_text_on_a_line() -> None:
    evil = row(1, EVIL, state="degraded", causes=(EVIL,))
    content = line_html(lines(standings([evil], [], NOW))[0])
    assert "<img" not in content
    assert content.count("&lt;img") == 2


def test_a_thousand_devices_are_a_few_dozen_small_elements() -> None:
    devices = [row(n, f"line-{n % 30}") for n in range(1000)]
    found = lines(standings(devices, [alarm("drift", 7)], NOW))
    size = sum(len(line_html(line)) for line in found)
    assert (len(found), found[0].line) == (30, "line-7")
    assert size < 300_000
