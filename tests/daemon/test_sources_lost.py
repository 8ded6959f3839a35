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

from edge_guard import assembly
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
