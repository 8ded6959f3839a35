"""The daemon over folders of pictures, a real spool and a real broker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import Listener, Mosquitto, free_port
from devices import TOPICS, Counter, wait_until
from pretend import (
    ACCEPTED,
    BROKEN,
    FLAGGED,
    FROZEN,
    HANGING,
    SLOW,
    TIMING,
    Pretender,
    device,
    write_pictures,
)

from edge_guard import daemon as daemon_module
from edge_guard.config import DeviceConfig
from edge_guard.daemon import Daemon, Phase
from edge_guard.errors import SourceError, StoreError
from edge_guard.intake import Item
from edge_guard.notify import RESTART_CODE
from edge_guard.publish.messages import Alarm, Event, FrameResult, Resembled, State, Summary, decode
from edge_guard.types import Result, Verdict

HERE = Path(__file__).parent


@contextmanager
def running(config: DeviceConfig, **keywords: Any) -> Iterator[Daemon]:
    daemon = Daemon(config, open_inspector=Pretender, timing=TIMING, **keywords)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(30)
    assert not thread.is_alive()


def decoded(collector: Counter, kind: str, what: Any) -> list[Any]:
    """What came, in order; what came twice, once."""
    return [decode(payload, what) for payload in dict.fromkeys(collector.listener.on(f"{kind}/s"))]


def test_a_folder_is_judged_stored_and_summed_up(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FLAGGED, ACCEPTED, BROKEN, FLAGGED)
    (folder / "0005.png").write_bytes(b"no picture")
    seen: list[tuple[int, Verdict, int]] = []

    def note(item: Item, result: Result) -> None:
        seen.append((item.sequence, result.verdict, daemon.outbox.spool.produced()))

    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, folder)
        daemon = Daemon(config, note, open_inspector=Pretender, timing=TIMING)
        boot = daemon.outbox.spool.boot_id
        daemon.run()
        collector.wait_for(boot, 5)
        events = decoded(collector, "event", Event)
        (summary,) = decoded(collector, "summary", Summary)
        states = [decode(payload, State) for payload in collector.listener.on("state")]
    assert daemon.phase == Phase.STOPPED
    assert daemon.final_counts == (5, 0)
    # the event is on the disk before its verdict is announced
    assert seen == [
        (0, "accept", 0), (1, "review", 1), (2, "accept", 1),
        (3, "review", 2), (4, "review", 3), (5, "invalid", 4),
    ]  # fmt: skip
    by_frame = {event.frame_sequence: event for event in events}
    assert [by_frame[n].reasons[0].guard for n in (1, 3, 4, 5)] == [
        "fused", "pipeline", "fused", "gate.format",
    ]  # fmt: skip
    assert "the model fell over" in by_frame[3].reasons[0].message
    assert by_frame[5].image is None
    assert by_frame[5].image_dropped == "undecodable"
    assert by_frame[1].image.width_px == 48
    assert by_frame[1].nearest == (
        Resembled("good/7.png", "features", "the model's features", b"\xff\xd8\xff"),
        Resembled("good/9.png", "tone", "brightness", None),
    )
    assert by_frame[3].nearest == ()
    assert collector.pictures[by_frame[1].event_id].startswith(b"\xff\xd8")
    assert summary.frames == 6
    assert summary.verdicts == {"accept": 2, "review": 3, "invalid": 1}
    assert summary.reasons == {"fused": 2, "pipeline": 1, "gate.format": 1}
    assert summary.statistics["image.mean"].n == 5
    assert (states[-1].state, states[-1].causes) == ("offline", ("stopped",))
    assert states[-1].produced == 5


def test_all_results_are_published_where_they_are_wanted(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FLAGGED, ACCEPTED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, folder, publish="all")
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        daemon.run()
        results = decoded(collector, "result", FrameResult)
    assert sorted((r.frame_sequence, r.verdict) for r in results) == [
        (0, "accept"), (1, "review"), (2, "accept"),
    ]  # fmt: skip


def test_a_watched_folder_goes_on_until_the_daemon_is_stopped(
    broker: Mosquitto, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "in", FLAGGED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, folder, watch=True, summary_seconds=0.5)
        with running(config) as daemon:
            boot = daemon.outbox.spool.boot_id
            wait_until(lambda: len(decoded(collector, "event", Event)) == 1)
            write_pictures(folder, FLAGGED)
            wait_until(lambda: len(decoded(collector, "event", Event)) == 2)
            wait_until(lambda: len(collector.listener.on("summary/")) >= 2)
            state = daemon.describe()
            assert (state.streams[0].state, state.streams[0].frames) == ("running", 2)
        produced, pending = daemon.final_counts
        collector.wait_for(boot, produced)
        assert pending == 0
        summaries = decoded(collector, "summary", Summary)
        assert [s.window for s in summaries] == list(range(len(summaries)))
        assert sum(s.frames for s in summaries) == 2


def test_a_slow_model_does_not_hold_up_the_other_stream(broker: Mosquitto, tmp_path: Path) -> None:
    order: list[str] = []
    quick = write_pictures(tmp_path / "quick", *[ACCEPTED] * 30)
    slow = write_pictures(tmp_path / "slow", *[SLOW] * 3)
    with Counter(broker.port):
        config = device(tmp_path, broker.port, slow, quick)
        Daemon(
            config,
            lambda item, _: order.append(item.stream),
            open_inspector=Pretender,
            timing=TIMING,
        ).run()
    assert sorted(order) == ["s"] * 3 + ["s1"] * 30
    assert order.index("s") > 15  # one thread in turns: 1


def test_a_frozen_picture_raises_an_alarm_and_clears_it(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FROZEN, FROZEN)
    with Counter(broker.port) as collector:
        with running(device(tmp_path, broker.port, folder, watch=True)) as daemon:
            wait_until(lambda: daemon.describe().streams[0].state == "frozen")
            wait_until(lambda: "does not change" in daemon.describe().causes[0])
            write_pictures(folder, ACCEPTED)
            wait_until(lambda: daemon.describe().streams[0].state == "running")
        alarms = decoded(collector, "alarm", Alarm)
    assert [(a.alarm, a.state) for a in alarms] == [("frozen", "raised"), ("frozen", "cleared")]
    assert alarms[0].since_wall_time == alarms[1].since_wall_time


def test_an_unreachable_broker_is_no_reason_not_to_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 0.2)
    port = free_port()
    folder = write_pictures(tmp_path / "in", FLAGGED, FLAGGED)
    daemon = Daemon(device(tmp_path, port, folder), open_inspector=Pretender, timing=TIMING)
    boot = daemon.outbox.spool.boot_id
    daemon.run()
    assert daemon.final_counts == (3, 3)
    assert daemon.verdicts() == {"review": 2}
    config = device(tmp_path, port, write_pictures(tmp_path / "in2", ACCEPTED))
    with Mosquitto(tmp_path, port=port), Counter(port) as collector, running(config):
        collector.wait_for(boot, 3)


def test_an_absent_source_and_a_second_daemon_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        Daemon(device(tmp_path, 1, tmp_path / "nowhere"), open_inspector=Pretender)
    folder = write_pictures(tmp_path / "in", ACCEPTED)
    config = device(tmp_path, 1, folder)
    daemon = Daemon(config, open_inspector=Pretender)
    with pytest.raises(StoreError, match="in use"):
        Daemon(config, open_inspector=Pretender)
    daemon.close()


DAEMON = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import msgspec
import edge_guard.daemon
from pretend import Pretender
from edge_guard.cli import main, run
import edge_guard.config
edge_guard.config.load_device_config = lambda path: msgspec.json.decode(
    Path(path).read_bytes(), type=edge_guard.config.DeviceConfig)
edge_guard.daemon.DRAIN_SECONDS = 5.0
real = edge_guard.daemon.Daemon
edge_guard.daemon.Daemon = lambda *args, **keywords: real(
    *args, open_inspector=Pretender, **keywords)
sys.exit(main.main(["run", sys.argv[2], "--json"]))
"""


def start(config: DeviceConfig, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Run ``edge-guard run --json`` with a pretended model."""
    path = folder / "device.json"
    path.write_bytes(msgspec.json.encode(config))
    arguments = [sys.executable, "-c", DAEMON, "-", str(path), str(HERE), str(HERE.parent)]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


def lines(output: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in output.splitlines()]


def test_run_ends_with_its_files_and_says_what_it_did(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FLAGGED)
    with Counter(broker.port):
        process = start(device(tmp_path, broker.port, folder), tmp_path)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    first, second, last = lines(output)
    assert (first["verdict"], second["verdict"]) == ("accept", "review")
    assert (second["stream"], second["reasons"][0]["guard"]) == ("s", "fused")
    assert last == {
        "type": "run",
        "frames": 2,
        "verdicts": {"accept": 1, "review": 1},
        "events": {"produced": 2, "pending": 0},
    }


def test_sigterm_ends_in_order(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", FLAGGED)
    with Counter(broker.port) as collector:
        process = start(device(tmp_path, broker.port, folder, watch=True), tmp_path)
        wait_until(lambda: collector.listener.on("event/"))
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
        states = [decode(payload, State) for payload in collector.listener.on("state")]
        assert len(decoded(collector, "summary", Summary)) == 1
    assert process.returncode == 0, errors
    assert lines(output)[-1]["events"] == {"produced": 2, "pending": 0}
    assert (states[-1].state, states[-1].causes) == ("offline", ("stopped",))


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", FLAGGED)
    config = device(tmp_path, free_port(), folder, watch=True)
    process = start(config, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)  # it would wait for the absent broker
    wait_until(lambda: b"stopping" in _peek(process))
    process.send_signal(signal.SIGINT)
    assert process.wait(4) == 128 + signal.SIGINT
    process.communicate()


def _peek(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stderr is not None
    return process.stderr.readline()


def test_a_hung_model_is_reported_and_the_process_ends(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, HANGING, ACCEPTED, ACCEPTED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, folder, model_timeout_seconds=1.0)
        address = str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)  # without a service manager it would start again
            process = start(config, tmp_path, NOTIFY_SOCKET=address)
            output, errors = process.communicate(timeout=20)
        assert process.returncode == RESTART_CODE, errors
        wait_until(lambda: len(decoded(collector, "event", Event)) >= 3)
        events = decoded(collector, "event", Event)
        (alarm,) = decoded(collector, "alarm", Alarm)
        (summary,) = decoded(collector, "summary", Summary)
        assert {(e.frame_sequence, e.verdict, e.reasons[0].guard) for e in events} == {
            (n, Verdict.REVIEW, "watchdog") for n in (1, 2, 3)
        }
        assert (alarm.alarm, alarm.state) == ("watchdog", "raised")
        assert summary.frames == 4
        verdicts = [line["verdict"] for line in lines(output) if line["type"] == "result"]
        assert verdicts == ["accept", "review", "review", "review"]
        # the next start clears the alarm
        again = write_pictures(tmp_path / "in2", ACCEPTED)
        Daemon(device(tmp_path, broker.port, again), open_inspector=Pretender, timing=TIMING).run()
        assert [a.state for a in decoded(collector, "alarm", Alarm)] == ["raised", "cleared"]


def test_without_a_service_manager_a_hung_model_is_got_over(
    broker: Mosquitto, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, HANGING, ACCEPTED)
    quick = write_pictures(tmp_path / "quick", FLAGGED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, folder, quick, model_timeout_seconds=1.0)
        process = start(config, tmp_path)
        output, errors = process.communicate(timeout=40)
        alarms = decoded(collector, "alarm", Alarm)
    assert process.returncode == 0, errors
    assert b"its model has not answered for 1 s" in errors
    assert b"it starts again" in errors
    assert [(a.alarm, a.state) for a in alarms] == [
        ("watchdog", "raised"), ("watchdog", "cleared"),
    ]  # fmt: skip
    found = [
        (line["sequence"], line["verdict"])
        for line in lines(output)
        if line["type"] == "result" and line["stream"] == "s"
    ]
    assert found == [
        (0, "accept"), (1, "review"), (2, "review"),  # the frame at hand, and what waited
        (0, "accept"), (1, "accept"), (2, "accept"),  # the files again, by a new process
    ]  # fmt: skip


def test_systemd_is_told(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED)
    address = str(tmp_path / "notify")
    with Counter(broker.port), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(15)
        config = device(tmp_path, broker.port, folder, watch=True)
        process = start(config, tmp_path, NOTIFY_SOCKET=address)
        said = [manager.recv(100), manager.recv(100)]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        while said[-1] != b"STOPPING=1":
            said.append(manager.recv(100))
    assert b"READY=1" in said
    assert b"WATCHDOG=1" in said


def test_the_last_will_of_a_killed_daemon(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED)
    with Listener(broker.port, TOPICS.state()) as listener:
        process = start(device(tmp_path, broker.port, folder, watch=True), tmp_path)
        listener.wait(len)
        process.kill()
        process.communicate()
        listener.wait(lambda messages: b'"offline"' in messages[-1][1])
