"""Cameras that go away, come back, or fail for good."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import FLAGGED, TIMING, Pretender, device, write_pictures

from edge_guard import assembly, watchdog
from edge_guard.daemon import Daemon
from edge_guard.errors import SourceError
from edge_guard.publish.messages import Alarm, decode
from edge_guard.sources import Source, open_source
from edge_guard.sources.contract import Life, SourceState
from edge_guard.types import Frame


class Camera:
    """A live source that does as it is told."""

    live = True
    address = "camera"
    beyond_repair = ""

    def __init__(self, stream: str) -> None:
        self.life = Life()
        self.stream = stream
        self.error = ""
        self._shot = threading.Semaphore(0)
        self._count = 0

    @property
    def state(self) -> SourceState:
        return self.life.state

    @property
    def cause(self) -> str:
        return self.life.cause

    @property
    def finished(self) -> bool:
        return self.life.state in (SourceState.ENDED, SourceState.FAILED)

    @property
    def dropped(self) -> dict[str, int]:
        return self.life.dropped

    def shoot(self) -> None:
        self.life.move(SourceState.RUNNING)
        self._shot.release()

    def read(self, timeout_s: float) -> Frame | None:
        if self.error:
            self.life.move(SourceState.FAILED, self.error)
            raise SourceError(self.error)
        if not self._shot.acquire(timeout=timeout_s):
            return None
        self._count += 1
        return Frame(self.stream, self._count, np.full((32, 48, 3), FLAGGED, np.uint8))

    def close(self) -> None:
        self.life.move(SourceState.ENDED, "closed")


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    made = Camera("s")

    def open_either(address: str, **options: Any) -> Source:
        return made if address == "camera" else open_source(address, **options)

    monkeypatch.setattr(assembly, "open_source", open_either)
    return made


def run(daemon: Daemon) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            daemon.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, errors


def test_a_lost_camera_raises_an_alarm_and_clears_it(
    broker: Mosquitto, tmp_path: Path, camera: Camera
) -> None:
    with Counter(broker.port) as collector:
        daemon = Daemon(
            device(tmp_path, broker.port, Path("camera")), open_inspector=Pretender, timing=TIMING
        )
        thread, errors = run(daemon)
        camera.shoot()
        wait_until(lambda: collector.listener.on("event/"))
        camera.life.move(SourceState.RETRYING, "unplugged")
        wait_until(lambda: daemon.describe().streams[0].state == "retrying")
        wait_until(lambda: any("unplugged" in cause for cause in daemon.describe().causes))
        wait_until(lambda: any(b'"degraded"' in state for state in collector.listener.on("state")))
        camera.shoot()
        wait_until(lambda: daemon.describe().causes == ())
        daemon.stop()
        thread.join(30)
        payloads = dict.fromkeys(collector.listener.on("alarm/s"))
        alarms = [decode(payload, Alarm) for payload in payloads]
    assert errors == []
    assert [(a.alarm, a.state, a.cause) for a in alarms] == [
        ("source", "raised", "retrying"),
        ("source", "cleared", "running"),
    ]


def test_a_failed_camera_leaves_the_other_stream_alone(
    broker: Mosquitto, tmp_path: Path, camera: Camera
) -> None:
    folder = write_pictures(tmp_path / "in", FLAGGED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, Path("camera"), folder)
        camera.error = "the camera burnt down"
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        daemon.run()
        states = {
            stream.name: stream.state for stream in (s.snapshot() for s in daemon.streams.values())
        }
        assert states == {"s": "failed", "s1": "ended"}
        assert len(collector.listener.on("event/s1")) >= 1


def test_when_every_stream_has_failed_the_daemon_says_so(
    broker: Mosquitto, tmp_path: Path, camera: Camera
) -> None:
    camera.error = "the camera burnt down"
    with Counter(broker.port):
        config = device(tmp_path, broker.port, Path("camera"))
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        with pytest.raises(SourceError, match="burnt down"):
            daemon.run()


def test_a_camera_that_fails_between_two_reads_has_failed_too(
    broker: Mosquitto, tmp_path: Path, camera: Camera
) -> None:
    camera.life.move(SourceState.FAILED, "the camera burnt down")
    with Counter(broker.port):
        config = device(tmp_path, broker.port, Path("camera"))
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        with pytest.raises(SourceError, match="burnt down"):
            daemon.run()


class Stuck(Camera):
    """A source whose reads do not return until it is let go."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.let_go = threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        self.let_go.wait()
        self.life.move(SourceState.RUNNING)
        return super().read(timeout_s)


def test_a_read_that_never_returns_is_an_alarm_and_holds_no_other_stream_up(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, camera: Camera
) -> None:
    stuck = Stuck("s")
    monkeypatch.setattr(watchdog, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(
        assembly,
        "open_source",
        lambda address, **options: stuck if address == "stuck" else open_source(address, **options),
    )
    folder = write_pictures(tmp_path / "in", FLAGGED)
    with Counter(broker.port) as collector:
        config = device(tmp_path, broker.port, Path("stuck"), folder)
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        thread, errors = run(daemon)
        wait_until(lambda: any("has not returned" in cause for cause in daemon.describe().causes))
        wait_until(lambda: collector.listener.on("event/s1"))
        stuck.let_go.set()
        stuck.shoot()
        wait_until(lambda: daemon.describe().causes == ())
        daemon.stop()
        thread.join(30)
    assert errors == []
    assert daemon.verdicts() == {"review": 2}


def test_a_camera_beyond_repair_ends_a_process_that_has_run_long_enough(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, camera: Camera
) -> None:
    given_up: list[str] = []
    monkeypatch.setattr(Daemon, "_abandon", lambda self, cause: given_up.append(cause))
    camera.beyond_repair = "4 reads hang in its driver"
    with Counter(broker.port):
        config = device(tmp_path, broker.port, Path("camera"))
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        thread, _ = run(daemon)
        camera.shoot()
        wait_until(lambda: daemon.verdicts().total() == 1)
        assert given_up == []  # it has only just begun
        monkeypatch.setattr(watchdog, "REPAIR_AFTER_SECONDS", 0.0)
        wait_until(lambda: given_up == ["stream s: 4 reads hang in its driver"])
        daemon.stop()
        thread.join(30)
