"""Spool → broker → collector and back, over a real Mosquitto."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import Listener, Mosquitto, free_port
from certificates import write_certificates
from devices import (
    TOPICS,
    Counter,
    describe,
    open_outbox,
    post_alarm,
    post_event,
    post_summary,
    wait_until,
)

from edge_guard.config import MqttTable, TlsTable
from edge_guard.publish import mqtt
from edge_guard.publish.messages import BootReceipt, Receipt, State, decode, encode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher

TESTS = Path(__file__).parent.parent


@contextmanager
def publishing(outbox: Outbox, port: int, **settings: Any) -> Iterator[Publisher]:
    timing = {"receipt_seconds": 1.0, "reconnect_seconds": (0.1, 0.5)}
    for name in ("receipt_seconds", "state_seconds", "reconnect_seconds"):
        if name in settings:
            timing[name] = settings.pop(name)
    config = MqttTable(host="127.0.0.1", port=port, **settings)
    publisher = Publisher(config, outbox, "device", lambda: describe(outbox), **timing)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop(0.0)


def states(listener: Listener) -> list[State]:
    return [decode(payload, State) for payload in listener.on("state")]


def test_what_is_posted_is_stored_receipted_and_released(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with Counter(broker.port) as collector, publishing(outbox, broker.port, receipt_seconds=60.0):
        for _ in range(100):
            post_event(outbox, b"picture")
            post_summary(outbox)
        collector.wait_for(outbox.spool.boot_id, 200)
        wait_until(lambda: outbox.spool.backlog() == 0)
        assert max(collector.arrivals.values()) == 1
        assert set(collector.pictures.values()) == {b"picture"}


@pytest.mark.parametrize("version", ["3.1.1", "5", "auto"])
def test_each_version_of_mqtt(broker: Mosquitto, tmp_path: Path, version: str) -> None:
    outbox = open_outbox(tmp_path)
    with Counter(broker.port) as collector, publishing(outbox, broker.port, version=version):
        post_event(outbox, b"picture")
        collector.wait_for(outbox.spool.boot_id, 1)
        wait_until(lambda: outbox.spool.backlog() == 0)
    protocol = "p5" if version != "3.1.1" else "p2"
    assert f"as device ({protocol}," in broker.log.read_text()


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""])
def test_a_broker_that_only_knows_3_1_1_is_asked_again(tmp_path: Path, answer: bytes) -> None:
    """The CONNECT packets of both versions reach a listener that refuses MQTT 5."""
    outbox = open_outbox(tmp_path)
    levels: list[int] = []
    accepted = threading.Event()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                packet = connection.recv(4096)
                level = packet[packet.index(b"MQTT") + 4]
                levels.append(level)
                connection.sendall(answer if level == 5 else b"\x20\x02\x00\x00")
                if level == 4:
                    accepted.set()
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with publishing(outbox, server.getsockname()[1]):
            assert accepted.wait(10)
        thread.join(10)
    assert levels == [5, 4]


PUBLISH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from devices import describe, open_outbox, post_event
from edge_guard.config import MqttTable
from edge_guard.publish.publisher import Publisher
outbox = open_outbox(Path(sys.argv[1]))
config = MqttTable(host="127.0.0.1", port=int(sys.argv[2]))
Publisher(config, outbox, "device", lambda: describe(outbox), receipt_seconds=1).start()
while True:
    print(outbox.spool.boot_id, post_event(outbox, b"picture"), flush=True)
"""


def test_lost_receipts_are_made_up_for(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with (
        Counter(broker.port, receipts=False) as collector,
        publishing(outbox, broker.port, receipt_seconds=0.2) as publisher,
    ):
        for _ in range(50):
            post_event(outbox)
        collector.wait_for(outbox.spool.boot_id, 50)
        wait_until(lambda: any("no receipt" in cause for cause in publisher.causes))
        assert outbox.spool.backlog() == 50
        collector.receipts = True  # a few rows are sent again, and bring the first receipt
        wait_until(lambda: outbox.spool.backlog() == 0)
        assert publisher.causes == ()


def test_nobody_answers_so_only_a_few_rows_are_sent_again(
    broker: Mosquitto, tmp_path: Path
) -> None:
    outbox = open_outbox(tmp_path)
    with (
        Counter(broker.port, receipts=False) as collector,
        publishing(outbox, broker.port, receipt_seconds=0.2),
    ):
        for _ in range(200):
            post_event(outbox)
        wait_until(lambda: len(collector.arrivals) == 200)
        before = sum(collector.arrivals.values())
        wait_until(lambda: sum(collector.arrivals.values()) >= before + 10)
        assert sum(collector.arrivals.values()) < before + 60


def test_forged_receipts_release_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    boot = outbox.spool.boot_id
    with (
        Counter(broker.port, receipts=False) as collector,
        publishing(outbox, broker.port, receipt_seconds=60.0),
    ):
        for _ in range(20):
            post_event(outbox)
        collector.wait_for(boot, 20)
        for forged in (
            b"",
            b"\xff\x00",
            b"[]",
            b"9" * 10_000,
            encode(Receipt("c", (BootReceipt(boot, 10**15, 10**15),))),
            encode(Receipt("c", (BootReceipt(boot, -5, -1),))),
            encode(Receipt("c", (BootReceipt(boot, 0, 20, ((5, 1),)),))),
            encode(Receipt("c", (BootReceipt("f" * 12, 20, 20),))),
            encode(Receipt("c", (BootReceipt(boot, 20, 20),))).replace(b"schema", b"scheme"),
        ):
            collector.listener.publish(TOPICS.receipt(), forged)
        true = encode(Receipt("c", (BootReceipt(boot, 3, 3),)))
        for _ in range(3):
            collector.listener.publish(TOPICS.receipt(), true)
        wait_until(lambda: outbox.spool.backlog() == 17)
        collector.listener.publish(
            TOPICS.receipt(), encode(Receipt("c", (collector.receipt(boot),)))
        )
        wait_until(lambda: outbox.spool.backlog() == 0)


def test_quota_pressure_without_a_broker_closes_every_gap(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 60_000)
    for _ in range(100):
        post_event(outbox, b"p" * 1000)
    post_alarm(outbox)
    produced = outbox.spool.produced()
    with Mosquitto(tmp_path) as broker, Counter(broker.port) as collector:
        with publishing(outbox, broker.port):
            collector.wait_for(outbox.spool.boot_id, produced)
            wait_until(lambda: outbox.spool.backlog() == 0)
        lost = collector.dropped[outbox.spool.boot_id]
    stored = collector.stored[outbox.spool.boot_id]
    assert lost
    assert not lost & set(stored)
    assert sum(message.get("image_dropped") == "quota" for message in stored.values())


def test_without_receipts_a_puback_releases(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with publishing(outbox, broker.port, receipts=False) as publisher:
        for _ in range(50):
            post_event(outbox, b"picture")
        wait_until(lambda: outbox.spool.backlog() == 0)
        assert publisher.causes == ()


def test_the_last_will_tells_that_a_device_was_killed(broker: Mosquitto, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PUBLISH, str(tmp_path), str(broker.port), str(TESTS)]
    with Listener(broker.port, TOPICS.state()) as listener:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        listener.wait(len)
        process.kill()
        process.wait(10)
        listener.wait(lambda messages: len(messages) >= 2)
        assert [(state.state, state.causes) for state in states(listener)] == [
            ("online", ()),
            ("offline", ("connection lost",)),
        ]
    with Listener(broker.port, TOPICS.state()) as late:
        assert late.wait(len)[0][2]  # retained


def test_an_orderly_stop_says_so(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with Listener(broker.port, TOPICS.state()) as listener:
        with publishing(outbox, broker.port) as publisher:
            listener.wait(len)
            assert publisher.causes == ()
        listener.wait(lambda messages: len(messages) >= 2)
        assert [(state.state, state.causes) for state in states(listener)] == [
            ("online", ()),
            ("offline", ("stopped",)),
        ]


def test_the_state_is_renewed(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with (
        Listener(broker.port, TOPICS.state()) as listener,
        publishing(outbox, broker.port, state_seconds=0.1) as publisher,
    ):
        listener.wait(lambda messages: len(messages) >= 2)
        publisher.announce()
        listener.wait(lambda messages: len(messages) >= 4)


@pytest.mark.parametrize("version", ["3.1.1", "auto"])
def test_a_wrong_password_is_named_and_tried_again(tmp_path: Path, version: str) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    users = {"device": "right", "collector": "other"}
    with (
        Mosquitto(tmp_path, users=users) as broker,
        Counter(broker.port, username="collector", password="other") as collector,
        publishing(
            outbox,
            broker.port,
            version=version,
            username="device",
            password_file=str(secret),
        ) as publisher,
    ):
        wait_until(lambda: any("ot authori" in cause for cause in publisher.causes))
        assert outbox.spool.backlog() == 1
        secret.write_text("right\n")
        collector.wait_for(outbox.spool.boot_id, 1)


def test_a_missing_password_file_is_named(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with publishing(
        outbox, broker.port, username="device", password_file=str(tmp_path / "none")
    ) as publisher:
        wait_until(lambda: any("password_file" in cause for cause in publisher.causes))


def test_an_unreachable_broker_is_named_and_waited_for(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    port = free_port()
    with publishing(outbox, port) as publisher:
        post_event(outbox)
        wait_until(lambda: any("cannot be reached" in cause for cause in publisher.causes))
        with Mosquitto(tmp_path, port=port), Counter(port) as collector:
            collector.wait_for(outbox.spool.boot_id, 1)
            assert publisher.causes == ()


def test_a_topic_that_the_broker_refuses_is_named(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    acl = f"topic readwrite {TOPICS.base}/state\n"
    with (
        Mosquitto(tmp_path, acl=acl) as broker,
        publishing(outbox, broker.port, receipts=False) as publisher,
    ):
        post_event(outbox)
        wait_until(lambda: any("refuses" in cause for cause in publisher.causes))
        assert outbox.spool.backlog() == 1


def test_a_silent_server_does_not_hold_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "CONNECT_SECONDS", 0.5)
    outbox = open_outbox(tmp_path)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        publishing(outbox, server.getsockname()[1]) as publisher,
    ):
        connection, _ = server.accept()
        publisher.stop(0.0)
        connection.close()


def test_tls_with_client_certificates_and_a_wrong_authority(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    settings = (
        f"cafile {tmp_path}/ca.crt",
        f"certfile {tmp_path}/broker.crt",
        f"keyfile {tmp_path}/broker.key",
        "require_certificate true",
    )
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    device = {"certificate_file": f"{tmp_path}/device.crt", "key_file": f"{tmp_path}/device.key"}
    with Mosquitto(tmp_path, settings=settings) as broker:
        right = TlsTable(ca_file=f"{tmp_path}/ca.crt", **device)
        with publishing(outbox, broker.port, tls=right, receipts=False):
            wait_until(lambda: outbox.spool.backlog() == 0)
        wrong = TlsTable(ca_file=f"{tmp_path}/other.crt", **device)
        with publishing(outbox, broker.port, tls=wrong) as publisher:
            wait_until(lambda: any("TLS failed" in cause for cause in publisher.causes))
        absent = TlsTable(ca_file=f"{tmp_path}/absent.crt")
        with publishing(outbox, broker.port, tls=absent) as publisher:
            wait_until(lambda: any("absent.crt" in cause for cause in publisher.causes))


def test_messages_decode_as_what_they_are(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with Counter(broker.port) as collector, publishing(outbox, broker.port):
        post_alarm(outbox)
        collector.wait_for(outbox.spool.boot_id, 1)
        (payload,) = collector.listener.on("alarm/")
        assert msgspec.json.decode(payload)["state"] == "raised"
