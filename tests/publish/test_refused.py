"""Brokers that refuse: each cause is named, with what to do about it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from certificates import write_certificates, write_expired
from devices import TOPICS, describe, open_outbox, post_event, wait_until

from edge_guard.config import MqttTable, TlsTable
from edge_guard.publish import suspects
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher
from edge_guard.publish.rows import Row
from edge_guard.publish.suspects import LEAST_BYTES, STRIKES, Suspects
from edge_guard.publish.window import MOST_ROWS, Window


@contextmanager
def publishing(outbox: Outbox, port: int, **settings: Any) -> Iterator[Publisher]:
    config = MqttTable(host=settings.pop("host", "127.0.0.1"), port=port, **settings)
    timing = {"receipt_seconds": 1.0, "reconnect_seconds": (0.05, 0.2)}
    publisher = Publisher(config, outbox, "device", lambda: describe(outbox), **timing)  # type: ignore[arg-type]
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop(0.0)


def named(publisher: Publisher, *words: str) -> None:
    """Return once one cause has all the words."""
    wait_until(lambda: any(all(w in cause for w in words) for cause in publisher.causes))


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    write_certificates(tmp_path)
    for name in ("stale", "stale-broker"):
        write_expired(tmp_path, name)
    return tmp_path


def tls(folder: Path, broker: str = "broker") -> tuple[str, ...]:
    return (
        f"cafile {folder}/ca.crt",
        f"certfile {folder}/{broker}.crt",
        f"keyfile {folder}/{broker}.key",
    )


def test_certificates_of_the_broker(certificates: Path) -> None:
    folder, outbox = certificates, open_outbox(certificates)
    with Mosquitto(folder, settings=tls(folder)) as broker:
        right = TlsTable(ca_file=f"{folder}/ca.crt")
        wrong = TlsTable(ca_file=f"{folder}/other.crt")
        with publishing(outbox, broker.port, tls=wrong) as publisher:
            named(publisher, "not from the authority in ca_file", "set [mqtt.tls] ca_file")
        with publishing(outbox, broker.port, tls=right, host="localhost") as publisher:
            named(publisher, "for another host", "set [mqtt] host")
    with (
        Mosquitto(folder, settings=tls(folder, "stale-broker")) as broker,
        publishing(outbox, broker.port, tls=right) as publisher,
    ):
        named(publisher, "the broker's certificate has expired", "clock")
    with Mosquitto(folder) as broker, publishing(outbox, broker.port, tls=right) as publisher:
        named(publisher, "does it speak TLS")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_certificates_of_the_device(certificates: Path, version: str) -> None:
    folder, outbox = certificates, open_outbox(certificates)
    ca = {"ca_file": f"{folder}/ca.crt"}
    settings = (*tls(folder), "require_certificate true")
    with Mosquitto(folder, settings=settings) as broker:
        for name, words in (
            ("stale", "this client's certificate has expired"),
            ("other", "does not know the authority of this client's certificate"),
            ("", "wants this client's certificate"),
        ):
            own = {"certificate_file": f"{folder}/{name}.crt", "key_file": f"{folder}/{name}.key"}
            table = TlsTable(**ca, **(own if name else {}))
            with publishing(outbox, broker.port, tls=table, version=version) as publisher:
                named(publisher, words, "certificate_file")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_credentials(tmp_path: Path, version: str) -> None:
    (tmp_path / "secret").write_text("wrong")
    login = {"username": "device", "password_file": str(tmp_path / "secret")}
    with (
        Mosquitto(tmp_path, users={"device": "right"}) as broker,
        publishing(open_outbox(tmp_path), broker.port, version=version, **login) as publisher,
    ):
        named(publisher, "ot authori", "username and password_file")


def test_a_topic_that_the_access_rules_deny(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox)
    with (
        Mosquitto(tmp_path, acl=f"topic readwrite {TOPICS.base}/state\n") as broker,
        publishing(outbox, broker.port) as publisher,
    ):
        named(publisher, TOPICS.event("s"), "access rules")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_two_devices_with_one_id(broker: Mosquitto, tmp_path: Path, version: str) -> None:
    """Mosquitto 2.0 closes the older connection without a word, again and again."""
    one, other = open_outbox(tmp_path / "1"), open_outbox(tmp_path / "2")
    with (
        publishing(one, broker.port, version=version) as first,
        publishing(other, broker.port, version=version) as second,
    ):
        wait_until(
            lambda: any("does another device use" in c for p in (first, second) for c in p.causes),
            30,
        )


def test_a_broker_that_says_that_the_session_was_taken_over(tmp_path: Path) -> None:
    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with publishing(open_outbox(tmp_path), server.getsockname()[1], version="5") as publisher:
            named(publisher, "another client has connected", "[device] id of its own")
            thread.join(10)


def test_a_large_message_that_breaks_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto tells no maximum packet size for this limit; it breaks the connection."""
    monkeypatch.setattr(suspects, "_PAUSE_SECONDS", 0.1)
    outbox = open_outbox(tmp_path)
    post_event(outbox, b"\xff" * 60_000)
    with (
        Mosquitto(tmp_path, settings=["message_size_limit 30000"]) as broker,
        publishing(outbox, broker.port, receipts=False),
    ):
        wait_until(lambda: outbox.spool.backlog() == 0)
    assert outbox.spool.losses() == {"image/breaks the connection": 1}


def row(number: int, size: int = LEAST_BYTES, kind: str = "image") -> Row:
    return Row(number, 1, "boot", number, 1, kind, "topic", bytes(size), False)


def test_only_what_breaks_connections_alone_is_condemned() -> None:
    court = Suspects()
    large, innocent, small = row(1), row(2), row(3, 100, "alarm")
    for _ in range(2):
        assert not court.suspected(large)
        assert court.broke([large, innocent, small]) is None
    assert court.suspected(large)
    assert court.suspected(innocent)
    assert not court.suspected(small)
    assert court.next() is large
    court.next()
    court.passed(innocent)
    assert not court.suspected(innocent)
    for _ in range(STRIKES - 1):
        assert court.broke([large]) is None
        assert court.suspected(large)
    court.broke([])  # nothing was in flight: no strike
    assert court.suspected(large)
    assert court.broke([large]) is large
    assert not court.suspected(large)


def test_small_rows_are_never_condemned() -> None:
    court, small = Suspects(), row(1, LEAST_BYTES - 1)
    for _ in range(3 * STRIKES):
        assert court.broke([small]) is None
        assert not court.suspected(small)


def test_the_window_shrinks_while_pubacks_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("edge_guard.publish.window.time.monotonic", lambda: now[0])
    window = Window()
    window.opened(20)
    assert window.free_rows == 20
    at_first = window.free_bytes
    for number in range(30):
        window.add(number, row(number, 100_000))
        now[0] += 2.0
        assert window.acknowledged(number) is not None
    slow = window.free_bytes
    assert slow < at_first / 4
    for number in range(200):
        window.add(number, row(number, 200_000))
        window.add(-number - 1, row(number, 200_000))
        now[0] += 0.01
        window.acknowledged(number)
        window.acknowledged(-number - 1)
    assert window.free_bytes > 4 * slow
    window.opened(65_535)
    assert window.free_rows == MOST_ROWS


def test_what_is_given_up_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = open_outbox(tmp_path)
    post_event(outbox, b"\xff" * 60_000)
    with (
        caplog.at_level(logging.ERROR),
        Mosquitto(tmp_path, settings=["max_packet_size 30000"]) as broker,
        publishing(outbox, broker.port, receipts=False),
    ):
        wait_until(lambda: outbox.spool.backlog() == 0)
    assert any("is given up: too large" in record.getMessage() for record in caplog.records)
