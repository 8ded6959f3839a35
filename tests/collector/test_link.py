"""The collector's connection, with a real Mosquitto."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from brokers import Listener, Mosquitto
from certificates import write_certificates, write_expired
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
            message = ("edge-guard/v1/s/l/d/event/s", str(number).encode())
            wait_until(lambda: link.publish(*message))  # noqa: B023 - it takes so many at a time
        seen = set()
        while len(seen) < MESSAGES:
            delivery = arrived.get(timeout=15)
            delivery.acknowledge()
            seen.add(delivery.payload)
        link.stop()
    assert writers == {"collector-link"}
    assert [status.state for status in statuses] == ["connecting", "connected"]


def told(config: MqttTable) -> tuple[Link, list[LinkStatus]]:
    statuses: list[LinkStatus] = []
    link = Link(config, "c", statuses.append)
    link.start(lambda _: None)
    return link, statuses


def test_why_there_is_no_connection_is_said(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    write_expired(tmp_path, "stale")
    files = (
        f"cafile {tmp_path}/ca.crt",
        f"certfile {tmp_path}/broker.crt",
        f"keyfile {tmp_path}/broker.key",
        "require_certificate true",
    )
    own = {"certificate_file": f"{tmp_path}/stale.crt", "key_file": f"{tmp_path}/stale.key"}
    with Mosquitto(tmp_path, settings=files) as broker:
        for tls, words in (
            (TlsTable(ca_file=f"{tmp_path}/other.crt"), "set [mqtt.tls] ca_file"),
            (
                TlsTable(ca_file=f"{tmp_path}/ca.crt", **own),
                "this client's certificate has expired",
            ),
            (TlsTable(ca_file=f"{tmp_path}/ca.crt"), "wants this client's certificate"),
        ):
            link, statuses = told(MqttTable(host="127.0.0.1", port=broker.port, tls=tls))
            wait_until(lambda: any(words in status.detail for status in statuses))  # noqa: B023
            link.stop()


def test_a_second_collector_of_one_name_is_said(tmp_path: Path) -> None:
    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        link, statuses = told(MqttTable(host="127.0.0.1", port=server.getsockname()[1]))
        wait_until(lambda: any("another collector" in status.detail for status in statuses))
        link.stop()
        thread.join(10)


def test_who_only_speaks_is_not_held_up_by_what_waits(tmp_path: Path) -> None:
    """The ear acknowledges nothing, so that the broker's window is full; the voice still speaks."""
    config = MqttTable(host="127.0.0.1")
    with Mosquitto(tmp_path) as broker, Listener(broker.port, "edge-guard/v1/#") as listener:
        config = msgspec.structs.replace(config, port=broker.port)
        arrived: queue.Queue[Delivery] = queue.Queue()
        statuses: list[LinkStatus] = []
        ear = Link(config, "ear", statuses.append)
        voice = Link(config, "voice", lambda _: None, listens=False)
        ear.start(arrived.put)
        voice.start()
        wait_until(lambda: statuses[-1:] and statuses[-1].state == "connected")
        for number in range(3 * MESSAGES):  # more than the broker takes unconfirmed
            message = ("edge-guard/v1/s/l/d/receipt", str(number).encode())
            wait_until(lambda: voice.publish(*message))  # noqa: B023
        listener.wait(lambda heard: len(heard) >= 3 * MESSAGES)
        assert arrived.get(timeout=15).payload == b"0"
        voice.stop()
        ear.stop()
