"""What a control room sees at once: a frozen picture, a burst of trouble."""

from __future__ import annotations

import time
from pathlib import Path

from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, FROZEN, device, write_pictures
from test_daemon import decoded, running

from edge_guard.publish.messages import Alarm, Event, State, StreamState, decode


def test_a_frozen_picture_is_told_apart_from_a_new_one(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED)

    def newest_is_old(stream: StreamState) -> bool:
        assert stream.last_new_frame_wall_time and stream.last_frame_wall_time
        return stream.last_new_frame_wall_time < stream.last_frame_wall_time

    with Counter(broker.port) as collector:
        with running(device(tmp_path, broker.port, folder, watch=True)) as daemon:
            wait_until(lambda: daemon.describe().streams[0].frames == 1)
            assert not newest_is_old(daemon.describe().streams[0])
            time.sleep(0.002)  # times are told in ms
            write_pictures(folder, FROZEN)
            wait_until(lambda: newest_is_old(daemon.describe().streams[0]))
            frozen = daemon.describe().streams[0]
            assert (frozen.state, "same picture" in frozen.cause) == ("frozen", True)
            told = [decode(p, State) for p in collector.listener.on("state")]
            assert told[0].clock_synchronised in (True, False)
            write_pictures(folder, ACCEPTED)
            wait_until(lambda: not newest_is_old(daemon.describe().streams[0]))
            assert daemon.describe().streams[0].state == "running"
        (event,) = decoded(collector, "event", Event)
        alarms = decoded(collector, "alarm", Alarm)
    assert event.incident == alarms[0].incident == alarms[1].incident != ""
    assert [a.incident_state for a in alarms] == ["opened", "closed"]


def test_a_burst_of_flagged_frames_is_one_incident(broker: Mosquitto, tmp_path: Path) -> None:
    levels = [FLAGGED, *[ACCEPTED] * 12, *[FLAGGED] * 12, *[ACCEPTED] * 22, FLAGGED]
    folder = write_pictures(tmp_path / "in", *levels)
    with Counter(broker.port) as collector:
        with running(device(tmp_path, broker.port, folder, watch=True)) as daemon:
            wait_until(lambda: daemon.describe().streams[0].frames == len(levels))
            wait_until(lambda: len(decoded(collector, "alarm", Alarm)) == 2)
            wait_until(lambda: len(decoded(collector, "event", Event)) == 14)
        events = decoded(collector, "event", Event)
        alarms = decoded(collector, "alarm", Alarm)
    by_frame = {event.frame_sequence: event.incident for event in events}
    assert [(a.alarm, a.state, a.incident_state) for a in alarms] == [
        ("flagged", "raised", "opened"),
        ("flagged", "cleared", "closed"),
    ]
    assert {by_frame[n] for n in range(13, 25)} == {alarms[0].incident} == {alarms[1].incident}
    assert by_frame[0] not in ("", alarms[0].incident)  # long before: another trouble
    assert by_frame[47] == alarms[0].incident  # again within a minute
