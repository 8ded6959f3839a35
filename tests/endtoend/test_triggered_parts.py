"""A trigger message with a part's id, an inspected frame, and its event in the control room."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from devices import wait_until
from line import command
from running import Running

from edge_guard.demo.assets import assets

TOPIC = "plant/line/triggers"


class Device:
    """``edge-guard run`` on footage, one frame a trigger."""

    def __init__(self, folder: Path, port: int) -> None:
        shipped = assets()
        config = folder / "device.toml"
        config.write_text(
            f'[device]\nid = "d"\nsite = "s"\nline = "l"\n[[stream]]\nname = "belt"\n'
            f'source = "{shipped.footage}"\nloop = true\nframes_per_second = 25\n'
            f'bundle = "{shipped.bundle}"\npublish = "all"\nsummary_seconds = 1\n'
            f'[stream.trigger]\nkind = "mqtt"\ntopic = "{TOPIC}"\ndeadline_seconds = 20\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[spool]\npath = "{folder / "spool"}"\n'
        )
        self.log, self._printed = folder / "device.log", folder / "device.jsonl"
        with self._printed.open("wb") as out, self.log.open("wb") as err:
            self.process = subprocess.Popen(
                command("run", str(config), "--json"), stdout=out, stderr=err
            )

    def results(self) -> list[dict[str, Any]]:
        lines = self._printed.read_bytes().splitlines(keepends=True)
        records = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [one for one in records if one["type"] == "result"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()


@pytest.fixture
def device(tmp_path: Path, broker: Mosquitto) -> Iterator[Device]:
    one = Device(tmp_path, broker.port)
    yield one
    one.process.kill()
    one.process.wait(30)


def test_a_part_id_travels_from_the_trigger_to_the_control_room(
    tmp_path: Path, broker: Mosquitto, device: Device
) -> None:
    with (
        Running(tmp_path, broker.port) as collector,
        Listener(broker.port, "edge-guard/#") as ear,
    ):
        wait_until(lambda: TOPIC in broker.log.read_text(), 60)
        for part in ("A-1", "A-2"):
            ear.publish(TOPIC, part.encode())
            wait_until(lambda part=part: _parts(device).count(part) == 1, 60)
        again = json.dumps({"part_id": "A-3", "id": "4711"}).encode()
        for _ in range(3):
            ear.publish(TOPIC, again)
        ear.publish(TOPIC, b"\xff\xfe")
        wait_until(lambda: len(device.results()) >= 4, 60)
        ear.publish(TOPIC, b"last")
        wait_until(lambda: "last" in _parts(device), 60)
        assert sorted(_parts(device)) == ["", "A-1", "A-2", "A-3", "last"]
        unreadable = next(one for one in device.results() if not one["part_id"])
        assert unreadable["verdict"] == "invalid"
        assert "a trigger cannot be read" in unreadable["reasons"][0]["message"]
        flagged = [one["part_id"] for one in device.results() if one["verdict"] != "accept"]
        wait_until(lambda: len(collector.get("/api/events?kind=all")["events"]) == len(flagged), 60)
        for part in filter(None, flagged):
            (found,) = collector.get(f"/api/events?kind=all&part={part}")["events"]
            assert found["event"]["part_id"] == part
        assert collector.get("/api/events?kind=all&part=nobody")["events"] == []
        told = ear.wait(lambda said: _results(said) >= set(_parts(device)), 60)
        assert _results(told) == set(_parts(device))
        device.stop()
        dropped: dict[str, int] = {}
        for topic, payload, _ in ear.messages:
            if "/summary/" in topic:
                for cause, n in json.loads(payload)["dropped_at_capture"].items():
                    dropped[cause] = dropped.get(cause, 0) + n
        assert dropped == {"trigger-repeated": 2, "trigger-without-image": 1}


def _parts(device: Device) -> list[str]:
    return [one["part_id"] for one in device.results()]


def _results(said: list[tuple[str, bytes, bool]]) -> set[str]:
    return {json.loads(payload)["part_id"] for topic, payload, _ in said if "/result/" in topic}
