"""The collector's connection, with a real Mosquitto."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from brokers import Mosquitto
from certificates import write_certificates
from resender import wait_until

from edge_guard.collector.link import Delivery, Link, LinkStatus
from edge_guard.config import MqttTable, TlsTable

MESSAGES = 300


@pytest.mark.parametrize("encrypted", [False, True])
def test_only_its_own_thread_touches_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """It publishes to itself, and acknowledges, in this thread; OpenSSL would not survive that."""
    writers: set[str] = set()
    write = mqtt.Client.loop_write

    def overheard(client: mqtt.Client) -> mqtt.MQTTErrorCode:
        writers.add(threading.current_thread().name)
        return write(client)

    monkeypatch.setattr(mqtt.Client, "loop_write", overheard)
    write_certificates(tmp_path)
    files = (f"certfile {tmp_path}/broker.crt", f"keyfile {tmp_path}/broker.key")
    statuses: list[LinkStatus] = []
    arrived: queue.Queue[Delivery] = queue.Queue()
    with Mosquitto(tmp_path, settings=files if encrypted else ()) as broker:
        tls = TlsTable(ca_file=f"{tmp_path}/ca.crt") if encrypted else None
        link = Link(MqttTable(host="127.0.0.1", port=broker.port, tls=tls), "c", statuses.append)
        link.start(arrived.put)
        wait_until(lambda: statuses[-1:] and statuses[-1].state == "connected")
        for number in range(MESSAGES):
            assert link.publish("edge-guard/v1/s/l/d/event/s", str(number).encode())
        seen = set()
        while len(seen) < MESSAGES:
            delivery = arrived.get(timeout=15)
            delivery.acknowledge()
            seen.add(delivery.payload)
        link.stop()
    assert writers == {"collector-link"}
    assert [status.state for status in statuses] == ["connecting", "connected"]
