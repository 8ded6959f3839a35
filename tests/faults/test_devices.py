"""The whole device: killed, with a model that hangs, with a camera that goes wrong."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from accounts import Produced, account
from brokers import Mosquitto
from camera import VideoCamera
from conftest import LONG
from core import Core
from guarded import Guarded
from pretend import ACCEPTED, FLAGGED, FROZEN, HANGING, TIMING, write_pictures
from resender import wait_until

from edge_guard.config import DeviceConfig, DeviceTable, MqttTable, SpoolTable, StreamTable
from edge_guard.daemon import Daemon, Phase
from edge_guard.notify import RESTART_CODE
from edge_guard.publish.messages import Alarm

MODELS = Path(__file__).parents[2] / "models"
GOOD = range(10, 70)
"""Frames of the footage in which nothing happens."""
Times = Callable[[int, int], int]


def core(folder: Path, port: int) -> Core:
    return Core(folder, MqttTable(host="127.0.0.1", port=port))


def test_the_daemon_killed(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Events with pictures, results, summaries and alarms, cut off anywhere."""
    repetitions, chance, produced = times(2, 50), random.Random(8), Produced()
    levels = [FLAGGED, ACCEPTED, FROZEN, FROZEN, FLAGGED, ACCEPTED] * 10
    pictures = write_pictures(tmp_path / "in", *levels)
    with core(tmp_path, broker.port):
        for _ in range(repetitions):
            with Guarded(tmp_path, broker.port, pictures) as device:
                device.said(chance.randint(1, 120))
                device.kill()
                device.tell(produced)
        with Guarded(tmp_path, broker.port, pictures, loop=False) as last:
            assert last.finish() == 0
            last.tell(produced)
    account("kill -9 of the daemon", repetitions, produced, tmp_path)


def test_a_model_that_hangs(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Its frames go to a person, the process ends, and the next one goes on."""
    repetitions, produced = times(1, 10), Produced()
    with core(tmp_path, broker.port) as collector:
        for number in range(repetitions):
            pictures = write_pictures(tmp_path / f"in{number}", FLAGGED, HANGING, FLAGGED, FLAGGED)
            begun = time.monotonic()
            with Guarded(tmp_path, broker.port, pictures, loop=False, timeout=1.0) as device:
                assert device.finish() == RESTART_CODE
                device.tell(produced)
            seconds = time.monotonic() - begun
        calm = write_pictures(tmp_path / "calm", ACCEPTED, ACCEPTED)
        with Guarded(tmp_path, broker.port, calm, loop=False) as last:
            assert last.finish() == 0
            last.tell(produced)
        by_watchdog = [
            row for row in collector.queries.events(500)
            if row.event.reasons and row.event.reasons[0].guard == "watchdog"
        ]  # fmt: skip
    remark = f"{len(by_watchdog)} frames to a person; the process had ended after {seconds:.1f} s"
    account("a model that hangs", repetitions, produced, tmp_path, remark)
    assert len(by_watchdog) >= repetitions


@contextmanager
def guarding(folder: Path, port: int, address: str) -> Iterator[Daemon]:
    stream = StreamTable(name="s", source=address, bundle=str(MODELS / "demo_line.guard"))
    config = DeviceConfig(
        device=DeviceTable(id="device", site="site", line="line"),
        stream=(stream,),
        mqtt=MqttTable(host="127.0.0.1", port=port),
        spool=SpoolTable(path=str(folder / "spool")),
    )
    daemon = Daemon(config, timing=TIMING)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(60)
    assert not thread.is_alive()


FAULTS = {
    "freeze": {"frozen", "flagged"},
    "unplug": {"source"},
    "silence": {"source"},
    "garbage": {"flagged", "source"},
    "black": {"flagged"},
    "wrong size": {"flagged", "source"},
}
"""What may happen to a camera, and the alarms that may say so."""


def test_a_camera_that_goes_wrong_and_recovers(
    broker: Mosquitto, tmp_path: Path, times: Times
) -> None:
    rounds = times(1, 2)
    faults = [*FAULTS] if LONG else ["freeze", "unplug", "garbage", "black", "wrong size"]
    produced, took = Produced(), dict.fromkeys(faults, 0.0)
    with (
        core(tmp_path, broker.port) as collector,
        VideoCamera(MODELS / "footage.avi", GOOD) as camera,
        guarding(tmp_path, broker.port, camera.address) as daemon,
    ):
        boot = daemon.outbox.spool.boot_id
        stream = daemon.streams["s"]
        wait_until(lambda: stream.verdicts["accept"] > 30, 30)
        for fault in faults * rounds:
            camera.fault = fault
            begun = time.monotonic()
            wait_until(lambda: active(collector) & FAULTS[fault], 20)  # noqa: B023
            took[fault] = max(took[fault], time.monotonic() - begun)
            camera.fault = ""
            wait_until(lambda: not active(collector), 150)  # one that chatters clears late
        daemon.stop()
        wait_until(lambda: daemon.phase == Phase.STOPPED, 60)
        produced.note(boot, daemon.final_counts[0])
    remark = ", ".join(f"{fault} {seconds:.1f} s" for fault, seconds in took.items())
    account("camera faults, alarm stored after", len(faults) * rounds, produced, tmp_path, remark)
    assert max(took.values()) < (5.0 if LONG else 10.0)


def active(collector: Core) -> set[str]:
    """Return the alarms of a picture or a source that the collector knows to be active."""
    about = set().union(*FAULTS.values())
    alarms: list[Alarm] = [row.alarm for row in collector.queries.standing_alarms()]
    return {alarm.alarm for alarm in alarms if alarm.state == "raised"} & about


@pytest.fixture(autouse=True)
def _bundle() -> None:
    if not (MODELS / "demo_line.guard").exists():
        pytest.skip("models/demo_line.guard is not built")
