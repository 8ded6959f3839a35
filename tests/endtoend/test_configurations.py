"""The shipped model on the shipped footage, in the configurations that plants choose."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto
from certificates import write_certificates
from line import Device, picture, stored_boots
from running import Running

from edge_guard.demo.assets import assets
from edge_guard.publish.messages import Event, decode

FILES = assets()

pytestmark = pytest.mark.timeout(300)


def test_two_streams_that_publish_all_over_tls(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    certificate = (f"certfile {tmp_path}/broker.crt", f"keyfile {tmp_path}/broker.key")
    tls = f'[mqtt.tls]\nca_file = "{tmp_path}/ca.crt"\n'
    with Mosquitto(tmp_path, settings=certificate) as broker:
        running = Running(tmp_path, broker.port)
        running.config.write_text(running.config.read_text() + tls)
        with running as collector, Device(tmp_path, broker.port, FILES.bundle, tls) as device:
            device.start(FILES.footage, FILES.footage, publish="all")
            last = device.finish()
            results = {
                stream: collector.get(f"/api/results?device=1&stream={stream}")
                for stream in ("s0", "s1")
            }
            health = collector.get("/api/health")
    frames = FILES.script.frames
    assert last["frames"] == 2 * frames
    assert (last["events"]["pending"], health["missing"]) == (0, 0)
    total = Counter[str]()
    for rows in results.values():
        assert sum(row["frames"] for row in rows) == frames
        for row in rows:
            total[row["verdict"]] += row["frames"]
    assert total == last["verdicts"]
    (boot,) = stored_boots(tmp_path)
    # a message for each frame, an event for each flagged one, two summaries or more, alarms
    flagged = 2 * frames - last["verdicts"]["accept"]
    assert boot.complete == boot.highest == health["stored"] >= 2 * frames + flagged + 2
    assert Counter(event.stream for event in boot.events).total() == flagged
    assert {event.stream for event in boot.events} == {"s0", "s1"}
    assert all(picture(tmp_path, event) for event in boot.events)


def test_without_a_collector_the_brokers_word_is_enough(broker: Mosquitto, tmp_path: Path) -> None:
    with (
        Listener(broker.port) as listener,
        Device(tmp_path, broker.port, FILES.bundle, "receipts = false") as device,
    ):
        device.start(FILES.footage)
        last = device.finish()
        flagged = len(device.flagged(0))
        listener.wait(lambda _: len(listener.on("image/")) >= flagged)
        events = {event.event_id: event for event in map(_event, listener.on("event/"))}
        pictures = {
            topic.rpartition("/")[2]: payload
            for topic, payload, _ in listener.messages
            if "/image/" in topic
        }
    assert last["events"]["pending"] == 0
    assert device.waiting() == (0, 0)
    assert len(events) == len(pictures) == flagged > 100
    for number, event in events.items():
        assert event.image is not None
        assert hashlib.sha256(pictures[number]).hexdigest() == event.image.sha256


def _event(payload: bytes) -> Event:
    return decode(payload, Event)
