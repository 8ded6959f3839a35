"""The doctor on brokers: a real Mosquitto in every state that a device can meet."""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, free_port
from certificates import write_certificates

from edge_guard.config import (
    DeviceConfig,
    DeviceTable,
    MqttTable,
    StreamTable,
    TlsTable,
)
from edge_guard.doctor import broker as subject
from edge_guard.doctor.findings import Finding
from edge_guard.doctor.probe import Probe
from edge_guard.publish.messages import BootReceipt, Receipt, decode, encode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from running import Running

ACL = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto.acl"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RECEIPT_SECONDS", 1.0)


def config(port: int, **more: object) -> DeviceConfig:
    more = {"receipts": False, "host": "127.0.0.1", **more}
    return DeviceConfig(
        device=DeviceTable(id="device"),
        stream=(StreamTable(name="s", source="0", bundle="x"),),
        mqtt=MqttTable(port=port, **more),
    )


def examined(port: int, **more: object) -> list[Finding]:
    return list(subject.check_broker(config(port, **more)))


def wrong(found: list[Finding]) -> list[Finding]:
    return [f for f in found if f.level != "ok"]


def test_nobody_listens():
    (found,) = examined(free_port())
    assert found.level == "problem"
    assert "cannot be reached" in found.message


def test_an_open_broker_on_this_machine_is_fine(broker):
    found = examined(broker.port)
    assert wrong(found) == []
    assert "MQTT 5" in found[1].message


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""])
def test_a_broker_of_before_mqtt_5_is_asked_again(answer):
    """It refuses the version, or hangs up, and then hears 3.1.1."""
    levels: list[int] = []

    def serve(server: socket.socket) -> None:
        while 4 not in levels:
            connection, _ = server.accept()
            with connection:
                packet = connection.recv(4096)
                levels.append(packet[packet.index(b"MQTT") + 4])
                connection.sendall(answer if levels[-1] == 5 else b"\x20\x02\x00\x00")
                if levels[-1] == 4:
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with Probe(config(server.getsockname()[1]).mqtt, "device") as probe:
            assert (probe.version, probe.tells) == ("3.1.1", False)
        thread.join(10)
    assert levels == [5, 4]


def test_a_collector_that_answers(broker, tmp_path, monkeypatch):
    """The real one, asked twice: it stores one report and refuses nothing."""
    monkeypatch.setattr(subject, "RECEIPT_SECONDS", 10.0)
    with Listener(broker.port) as listener:
        collector = Running(tmp_path, broker.port).start()
        try:
            for _ in range(2):
                found = examined(broker.port, receipts=True)
                assert wrong(found) == []
                assert "a collector stores and answers" in found[-1].message
            answers = [decode(payload, Receipt) for payload in listener.on("receipt")]
        finally:
            collector.terminate()
    said = {(boot.boot_id, boot.contiguous, boot.gaps) for a in answers for boot in a.boots}
    assert said == {("doctor", 1, ())}
    database = sqlite3.connect(tmp_path / "c.sqlite")
    assert database.execute("select count(*) from refusals").fetchone() == (0,)
    assert database.execute("select sum(messages) from losses").fetchone() == (0,)


def test_a_collector_that_has_not_subscribed_yet_is_asked_again(broker, monkeypatch):
    """A broker keeps nothing for a session that it does not know: the first question is lost."""
    monkeypatch.setattr(subject, "RECEIPT_SECONDS", 10.0)
    asked: list[bytes] = []

    def answer_the_second(listener: Listener, _topic: str, payload: bytes) -> None:
        asked.extend([payload] if payload else [])
        if len(asked) == 2:
            said = Receipt("late", (BootReceipt("doctor", 1, 1),))
            listener.publish("edge-guard/v1/site/line/device/receipt", encode(said))

    with Listener(broker.port, "edge-guard/+/+/+/+/dropped", on_message=answer_the_second):
        assert wrong(examined(broker.port, receipts=True)) == []
    assert len(asked) >= 2


def test_what_is_asked_leaves_nothing_behind_and_is_empty_but_for_one_report(broker):
    with Listener(broker.port, "edge-guard/#") as listener:
        examined(broker.port, receipts=True)
        listener.wait(lambda messages: len(messages) >= 7)
    with_content = {topic for topic, payload, _ in listener.messages if payload}
    assert with_content == {"edge-guard/v1/site/line/device/dropped"}
    with Listener(broker.port, "edge-guard/#") as later:
        later.publish("edge-guard/end", b"")
        later.wait(bool)
    assert not any(retained for _, _, retained in later.messages)


def test_no_collector(broker):
    (found,) = wrong(examined(broker.port, receipts=True))
    assert found.level == "problem"
    assert "no receipt" in found.message
    assert "receipts = false" in found.remedy


def test_a_wrong_password_and_a_right_one_under_the_shipped_access_control(tmp_path):
    password = tmp_path / "password"
    password.write_text("right\n")
    login = {"username": "device", "password_file": str(password)}
    with Mosquitto(tmp_path, users={"device": "right"}, acl=ACL.read_text()) as broker:
        assert wrong(examined(broker.port, **login)) == []
        password.write_text("wrong\n")
        (found,) = wrong(examined(broker.port, **login))
        assert found.level == "problem"
        assert "refuses device" in found.message
        assert "password_file" in found.remedy
        (found,) = wrong(examined(broker.port))
        assert "refuses an unnamed user" in found.message


def test_each_topic_that_may_not_be_written_is_named(tmp_path):
    acl = "topic write edge-guard/v1/site/line/device/state\n"
    with Mosquitto(tmp_path, acl=acl) as broker:
        found = wrong(examined(broker.port))
        named = [f.message.split(" may not write ")[1].split(" ")[0] for f in found]
        base = "edge-guard/v1/site/line/device"
        assert named == [
            f"{base}/dropped",
            f"{base}/event/s",
            f"{base}/image/s/doctor-1",
            f"{base}/summary/s",
            f"{base}/alarm/s/doctor",
        ]
        (old, *rest) = wrong(examined(broker.port, version="3.1.1"))
        assert (old.level, rest) == ("warning", [])
        assert "does not say which topics" in old.message


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


def secured(folder: Path, *more: str) -> list[str]:
    names = {"cafile": "ca.crt", "certfile": "broker.crt", "keyfile": "broker.key"}
    return [*(f"{key} {folder / name}" for key, name in names.items()), *more]


def test_tls(tmp_path, certificates):
    tls = TlsTable(ca_file=str(certificates / "ca.crt"))
    with Mosquitto(tmp_path, settings=secured(certificates)) as broker:
        (soon,) = wrong(examined(broker.port, tls=tls))
        assert soon.level == "warning", "made for two days"
        assert "the broker's certificate ends in 2 days" in soon.message
        foreign = TlsTable(ca_file=str(certificates / "other.crt"))
        (found,) = wrong(examined(broker.port, tls=foreign))
        assert found.level == "problem"
        assert "does not prove who it is" in found.message
        (found,) = wrong(examined(broker.port, tls=TlsTable(ca_file="nowhere")))
        assert found.level == "problem"
        (found,) = wrong(examined(broker.port))
        assert found.level == "problem", "no TLS on a TLS port"


def test_a_plain_broker_asked_for_tls(broker, certificates):
    (found,) = wrong(examined(broker.port, tls=TlsTable(ca_file=str(certificates / "ca.crt"))))
    assert found.level == "problem"
    assert "TLS failed" in found.message


def test_this_devices_own_certificate(tmp_path, certificates):
    own = TlsTable(
        ca_file=str(certificates / "ca.crt"),
        certificate_file=str(certificates / "device.crt"),
        key_file=str(certificates / "device.key"),
    )
    settings = secured(certificates, "require_certificate true")
    with Mosquitto(tmp_path, settings=settings) as broker:
        said = wrong(examined(broker.port, tls=own))
        assert [f.level for f in said] == ["warning", "warning"]
        assert "device.crt ends in 2 days" in said[1].message
        without = TlsTable(ca_file=own.ca_file)
        assert wrong(examined(broker.port, tls=without))[-1].level == "problem"
