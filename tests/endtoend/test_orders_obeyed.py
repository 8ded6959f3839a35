"""Orders end to end: a request at the collector, a real device on footage, its answer.

Device and collector are killed on the way; each order is obeyed and answered once.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from brokers import Listener, Mosquitto
from line import Device
from resender import wait_until
from running import Running

MODELS = Path(__file__).parents[2] / "models"
BUNDLE = MODELS / "demo_line.guard"


def post(collector: Running, path: str, body: bytes) -> Any:
    kind = "application/octet-stream" if path == "/api/bundles" else "application/json"
    request = urllib.request.Request(collector.url + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def order(collector: Running, name: str, kind: str, **action: Any) -> None:
    body = {"id": name, "device_id": 1, "by": "Ada", "action": {"kind": kind, "stream": "s0"}}
    body["action"] |= action  # type: ignore[operator]
    assert post(collector, "/api/commands", json.dumps(body).encode())["id"] == name


def answered(collector: Running, name: str) -> dict[str, Any]:
    """Return the order once the device has said what became of it."""
    wait_until(lambda: collector.get(f"/api/commands/{name}")["reply"] is not None, 60)
    known: dict[str, Any] = collector.get(f"/api/commands/{name}")
    return known


def stream_state(collector: Running) -> dict[str, Any]:
    state: dict[str, Any] = collector.get("/api/devices")[0]["state"]["streams"][0]
    return state


def test_orders_are_obeyed_and_answered_once(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Listener(broker.port) as line,
        Running(tmp_path, broker.port) as collector,
        Device(tmp_path, broker.port, BUNDLE) as device,
    ):
        device.start(MODELS / "footage.avi", loop=True, frames_per_second=10.0)
        wait_until(lambda: bool(collector.get("/api/devices")), 60)

        order(collector, "shot", "capture")
        shot = answered(collector, "shot")
        assert shot["outcome"] == "done"
        frames = collector.get("/api/events?kind=all&limit=500")["events"]
        (event,) = [one for one in frames if one["event"]["captured"] == "shot"]
        assert event["event"]["event_id"] == shot["reply"]["event_id"]
        wait_until(lambda: collector.get(f"/api/events/{event['id']}")["picture"] is not None)

        order(collector, "stricter", "tighten", p_limit=1.0)
        assert answered(collector, "stricter")["reply"]["message"] == "p_limit 1"
        wait_until(lambda: stream_state(collector)["tightened"] == {"p_limit": 1.0})
        device.kill()
        order(collector, "meanwhile", "acknowledge", alarm="flagged")  # nobody is there to hear it
        device.start(MODELS / "footage.avi", loop=True, frames_per_second=10.0)
        answered(collector, "meanwhile")
        device.wait_flagged(10)  # stricter than the bundle, after the restart, too

        order(collector, "seen", "acknowledge", alarm="flagged")
        collector.kill()  # before it has heard
        collector.start()
        seen = answered(collector, "seen")
        assert seen["outcome"] == "done", seen
        assert seen["reply"]["message"].startswith("the alarm is ")

        offered = post(collector, "/api/bundles", BUNDLE.read_bytes())
        fetch = {key: offered[key] for key in ("url", "sha256", "size_bytes")}
        order(collector, "offer", "bundle", **fetch)
        assert offered["bundle"] in answered(collector, "offer")["reply"]["message"]
        order(collector, "other", "bundle", **fetch | {"sha256": "0" * 64})
        assert "sha-256 differs" in answered(collector, "other")["reply"]["message"]
    replies = [json.loads(payload)["command_id"] for payload in dict.fromkeys(line.on("reply"))]
    assert sorted(replies) == ["meanwhile", "offer", "other", "seen", "shot", "stricter"]
