"""Rollouts end to end: two real devices on footage, a real broker, a collector that is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from brokers import Mosquitto
from line import Device
from offers import blind, strict, variant
from resender import wait_until
from running import Running
from test_orders_obeyed import post

MODELS = Path(__file__).parents[2] / "models"
BUNDLE = MODELS / "demo_line.guard"
QUICK = {
    "stages": [
        {"name": "canary", "share": 0.0, "soak_s": 1.0, "frames": 20},
        {"name": "all", "share": 1.0, "soak_s": 1.0, "frames": 20},
    ],
    "rule": {"alarms": ["self-test", "watchdog"]},
}


class Line:
    """A device with two streams, its broker and its collector."""

    def __init__(self, folder: Path, collector: Running, device: Device) -> None:
        self.folder, self.collector, self.device = folder, collector, device

    def upload(self, path: Path) -> str:
        return str(post(self.collector, "/api/bundles", path.read_bytes())["sha256"])

    def start(self, name: str, digest: str) -> int:
        body = {"id": name, "sha256": digest, "plan": QUICK}
        return int(self.say("/api/rollouts", body)["id"])

    def say(self, path: str, body: dict[str, Any]) -> Any:
        return post(self.collector, path, json.dumps(body).encode())

    def rollout(self, number: int) -> dict[str, Any]:
        one: dict[str, Any] = self.collector.get(f"/api/rollouts/{number}")
        return one

    def wait(self, number: int, status: str) -> dict[str, Any]:
        try:
            wait_until(lambda: self.rollout(number)["status"] == status, 30)
        except TimeoutError:
            pytest.fail(f"not {status}: {self.rollout(number)}")
        return self.rollout(number)

    def running(self) -> list[str]:
        streams = self.collector.get("/api/devices")[0]["state"]["streams"]
        return sorted(stream["bundle"].partition("@")[0] for stream in streams)


def calm(path: Path, frames: int = 60) -> Path:
    """Write the beginning of the demo's footage, in which nothing is wrong, without loss."""
    source = cv2.VideoCapture(str(MODELS / "footage.avi"))
    first = source.read()[1]
    size = (first.shape[1], first.shape[0])
    target = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 20.0, size)
    target.write(first)
    for _ in range(frames - 1):
        target.write(source.read()[1])
    target.release()
    return path


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Device(folder, broker.port, BUNDLE) as device,
    ):
        good = calm(folder / "calm.avi")
        device.start(good, good, loop=True, frames_per_second=20.0, summary_seconds=1.0)
        one = Line(folder, collector, device)
        one.upload(BUNDLE)
        wait_until(lambda: bool(collector.get("/api/devices")), 60)
        wait_until(lambda: len(one.running()) == 2, 60)
        yield one


def progress(rollout: dict[str, Any]) -> list[str]:
    return [target["progress"] for target in rollout["targets"]]


def test_a_good_bundle_reaches_all_though_the_collector_is_killed(line: Line) -> None:
    digest = line.upload(variant(line.folder, "better").path)
    number = line.start("good", digest)
    wait_until(lambda: progress(line.rollout(number))[0] != "waiting")
    line.collector.kill()
    line.collector.start()
    done = line.wait(number, "done")
    assert progress(done) == ["passed", "passed"]
    assert line.running() == ["better", "better"]
    assert line.start("good", digest) == number
    line.say(f"/api/rollouts/{number}/return", {})
    line.wait(number, "returned")
    wait_until(lambda: line.running() == ["demo_line", "demo_line"])


def test_a_bundle_that_fails_its_self_test_reaches_nobody(line: Line) -> None:
    number = line.start("blind", line.upload(blind(line.folder).path))
    returned = line.wait(number, "returned")
    assert progress(returned) == ["refused", "waiting"]
    assert "self-test failed" in returned["why"]
    assert line.running() == ["demo_line", "demo_line"]


def test_a_bundle_that_flags_a_lot_comes_back_by_itself(line: Line) -> None:
    number = line.start("strict", line.upload(strict(line.folder).path))
    returned = line.wait(number, "returned")
    assert progress(returned) == ["back", "waiting"]
    assert "frames are flagged" in returned["why"]
    wait_until(lambda: line.running() == ["demo_line", "demo_line"])
