"""A detector on a device: its boxes reach the collector and its page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import pytest
from brokers import Mosquitto
from browser import Browser
from detectors import write_yolo
from devices import wait_until
from line import Device, command
from parts import LABELS, framed, save, scenes
from running import Running


@pytest.mark.timeout(300)
def test_a_frame_with_a_strange_part_shows_its_boxes(tmp_path: Path) -> None:
    save(tmp_path, 120, 0)
    model, bundle = write_yolo(tmp_path / "m.onnx"), tmp_path / "line.guard"
    options = ("--reference", str(tmp_path / "images"), "-o", str(bundle), "--advisory")
    subprocess.run(command("calibrate", str(model), *options), check=True, timeout=120)
    seen = tmp_path / "seen"
    seen.mkdir()
    scene = scenes(1, 9)[0]
    strange = scene.image.copy()
    strange[26:38, 26:38] = (60, 140, 60)
    cv2.imwrite(str(seen / "strange.png"), framed(strange))
    with (
        Mosquitto(tmp_path) as broker,
        Running(tmp_path, broker.port) as collector,
        Device(tmp_path, broker.port, bundle) as device,
        Browser(tmp_path / "profile") as browser,
    ):
        device.start(seen)
        device.finish()
        wait_until(lambda: bool(collector.get("/api/events")["events"]), 30)
        event = collector.get("/api/events")["events"][0]
        found = [one["label"] for one in event["event"]["detections"]]
        assert sorted(found) == sorted(LABELS[kind] for kind, *_ in scene.parts)
        browser.open(f"{collector.url}/event/{event['id']}")
        browser.wait(f"document.querySelectorAll('.found').length == {len(found)}")
        assert f"{len(found)} found" in browser.text()
        assert browser.complaints == []
