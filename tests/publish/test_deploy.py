"""The shipped broker configuration, with a real Mosquitto: logins, topics, limits, restarts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from deployed import Deployed, verdict_on, write_plant
from devices import TOPICS, describe, open_outbox, post_alarm, post_event, wait_until
from paho.mqtt.enums import CallbackAPIVersion

from edge_guard.config import MqttTable, SparkplugTable, TlsTable
from edge_guard.publish.publisher import Publisher
from edge_guard.publish.sparkplug.node import EdgeNode

OWN, OTHERS = TOPICS.base, TOPICS.base.replace("device", "intruder")
REFUSED = "Not authorized"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    write_plant(folder)
    return folder


@pytest.fixture(scope="module", params=["passwords", "certificates"])
def broker(plant: Path, request: pytest.FixtureRequest) -> Iterator[Deployed]:
    with Deployed(plant, request.param) as running:
        yield running


@pytest.mark.parametrize(
    ("user", "topic", "may"),
    [
        ("device", f"{OWN}/state", True),
        ("device", f"{OWN}/event/s", True),
        ("device", f"{OWN}/image/s/id-1", True),
        ("device", f"{OWN}/result/s", True),
        ("device", f"{OWN}/summary/s", True),
        ("device", f"{OWN}/alarm/s/drift", True),
        ("device", f"{OWN}/dropped", True),
        ("device", f"{OWN}/reply", True),
        ("device", f"{OWN}/command", False),
        ("device", f"{OTHERS}/command", False),
        ("device", f"{OTHERS}/reply", False),
        ("device", f"{OWN}/receipt", False),
        ("device", f"{OWN}/event/s/deeper", False),
        ("device", f"{OWN}/anything", False),
        ("device", f"{OTHERS}/event/s", False),
        ("device", f"{OTHERS}/receipt", False),
        ("device", "edge-guard/v1/device/device/other/state", False),
        ("device", "elsewhere", False),
        ("device", "homeassistant/device/site_line/device/config", True),
        ("device", "homeassistant/device/site_line/intruder/config", False),
        ("device", "spBv1.0/plant/NBIRTH/device", True),
        ("device", "spBv1.0/plant/DDATA/device/s", True),
        ("device", "spBv1.0/plant/NBIRTH/intruder", False),
        ("device", "spBv1.0/plant/NCMD/device", False),
        ("device", "spBv1.0/STATE/scada", False),
        ("collector", f"{OWN}/receipt", True),
        ("collector", f"{OWN}/command", True),
        ("collector", f"{OWN}/reply", False),
        ("collector", f"{OWN}/event/s", False),
        ("viewer", f"{OWN}/command", False),
        ("scada", f"{OWN}/command", False),
        ("viewer", f"{OWN}/receipt", False),
        ("viewer", f"{OWN}/state", False),
        ("homeassistant", "homeassistant/status", True),
        ("homeassistant", f"{OWN}/receipt", False),
        ("scada", "spBv1.0/plant/NCMD/device", True),
        ("scada", "spBv1.0/STATE/scada", True),
        ("scada", "spBv1.0/STATE/other", False),
        ("scada", "spBv1.0/plant/NBIRTH/device", False),
    ],
)
def test_each_user_writes_its_own_topics_only(
    broker: Deployed, user: str, topic: str, may: bool
) -> None:
    with broker.client(user, "none") as client:
        assert verdict_on(client, topic) == ("Success" if may else REFUSED)


def test_a_device_hears_its_own_receipts_only(broker: Deployed) -> None:
    with (
        broker.client("collector", client_id="c1") as collector,
        broker.client("device") as device,
        broker.client("intruder") as intruder,
    ):
        assert verdict_on(device, f"{OWN}/event/s", b"seen") == "Success"
        assert verdict_on(collector, f"{OWN}/receipt", b"answer") == "Success"
        assert verdict_on(collector, f"{OTHERS}/receipt", b"last") == "Success"
        device.wait(lambda messages: (f"{OWN}/receipt", b"answer", False) in messages)
        intruder.wait(bool)
        collector.wait(lambda messages: any(payload == b"seen" for _, payload, _ in messages))
    assert intruder.messages == [(f"{OTHERS}/receipt", b"last", False)]
    assert [topic for topic, _, _ in device.messages] == [f"{OWN}/receipt"]


def test_a_device_hears_its_own_commands_only(broker: Deployed) -> None:
    with (
        broker.client("collector", client_id="c3") as collector,
        broker.client("device") as device,
        broker.client("intruder") as intruder,
    ):
        assert verdict_on(intruder, f"{OWN}/command", b"forged") == REFUSED
        for base, order in ((OWN, b"own"), (OTHERS, b"others")):
            assert verdict_on(collector, f"{base}/command", order) == "Success"
        assert verdict_on(device, f"{OWN}/reply", b"done") == "Success"
        device.wait(bool)
        intruder.wait(bool)
        collector.wait(lambda messages: (f"{OWN}/reply", b"done", False) in messages)
    assert device.messages == [(f"{OWN}/command", b"own", False)]
    assert intruder.messages == [(f"{OTHERS}/command", b"others", False)]


def test_a_device_works_under_the_shipped_access_control(
    broker: Deployed, plant: Path, tmp_path: Path
) -> None:
    """Everything that a publisher sends is allowed: nothing waits for ever."""
    outbox = open_outbox(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("device" * 2)
    names = {"ca_file": str(plant / "ca.crt")}
    login = {"username": "device", "password_file": str(secret)}
    if broker.logins == "certificates":
        files = ("certificate_file", "crt"), ("key_file", "key")
        names |= {key: str(plant / f"device.{end}") for key, end in files}
        login = {}
    config = MqttTable(
        host="127.0.0.1", port=broker.port, tls=TlsTable(**names), receipts=False, **login
    )
    publisher = Publisher(config, outbox, "device-publisher", lambda: describe(outbox))
    with broker.client("collector", client_id="c2") as collector:
        publisher.start()
        post_event(outbox, b"picture")
        post_alarm(outbox)
        wait_until(lambda: outbox.spool.backlog() == 0)
        assert publisher.causes == ()
        publisher.stop(0.0)
        collector.wait(lambda messages: any(t == f"{OWN}/state" for t, _, _ in messages))
        assert collector.on("image/") == [b"picture"]
        assert len(collector.on("alarm/")) == 1


def test_an_edge_node_works_under_the_shipped_access_control(plant: Path, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("device" * 2)
    with Deployed(plant, "passwords") as broker:
        config = MqttTable(
            host="127.0.0.1",
            port=broker.port,
            tls=TlsTable(ca_file=str(plant / "ca.crt")),
            username="device",
            password_file=str(secret),
        )
        table = SparkplugTable(group="plant", primary_host="scada")
        node = EdgeNode(config, table, "device", lambda: describe(outbox), outbox.spool.alarms)
        node.start()
        with broker.client("scada", "spBv1.0/#") as scada:
            online = b'{"online": true, "timestamp": 1}'
            assert verdict_on(scada, "spBv1.0/STATE/scada", online, retain=True) == "Success"
            scada.wait(lambda messages: any("/NBIRTH/" in topic for topic, _, _ in messages))
            node.stop()
            scada.wait(lambda messages: any("/NDEATH/" in topic for topic, _, _ in messages))


def refusal_of(broker: Deployed, user: str | None, password: str, *, tls: bool = True) -> str:
    """Return how the broker, or TLS, refuses a client; empty when it lets it in."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="x", protocol=mqtt.MQTTv5)
    if tls:
        broker.encrypt(client, user)
    if password:
        client.username_pw_set(user, password)
    ended = threading.Event()
    words: list[str] = []

    def note(reason: object) -> None:
        words.append(str(reason))
        ended.set()

    client.on_connect = lambda _c, _d, _f, reason, _p: note(reason)
    client.on_disconnect = lambda _c, _d, _f, reason, _p: note(reason)
    try:
        client.connect("127.0.0.1", broker.port)
    except (OSError, ValueError) as error:
        return str(error)
    client.loop_start()
    assert ended.wait(10)
    client.disconnect()
    client.loop_stop()
    return "" if words[0] == "Success" else words[0]


def test_nobody_gets_in_without_a_login(plant: Path, broker: Deployed) -> None:
    if broker.logins == "passwords":
        assert refusal_of(broker, "device", "device" * 2) == ""
        assert refusal_of(broker, None, "") == REFUSED
        assert refusal_of(broker, "device", "wrong") == REFUSED
        assert refusal_of(broker, "nobody", "x") == REFUSED
    else:
        assert refusal_of(broker, "device", "") == ""
        assert refusal_of(broker, None, "")
        assert refusal_of(broker, "revoked", "")
        assert refusal_of(broker, "other", "")
    assert refusal_of(broker, "device", "device" * 2, tls=False)


def test_a_certificate_decides_who_one_is_not_a_user_name(plant: Path) -> None:
    with Deployed(plant, "certificates") as broker:
        device = broker.client("device", "none")
        device._client.username_pw_set("collector", "collector" * 2)
        with device:
            assert verdict_on(device, f"{OWN}/receipt") == REFUSED
            assert verdict_on(device, f"{OWN}/event/s") == "Success"


def test_an_oversize_message_is_cut_off_and_reaches_nobody(broker: Deployed) -> None:
    with broker.client("viewer", client_id="v1") as viewer, broker.client("device") as device:
        reasons: list[str] = []
        lost = threading.Event()

        def note(_c: object, _d: object, _f: object, reason: object, _p: object) -> None:
            reasons.append(str(reason))
            lost.set()

        device._client.on_disconnect = note
        device.publish(f"{OWN}/image/s/id-1", bytes(17_000_000))
        assert lost.wait(15)
        with broker.client("collector", "none", client_id="c3") as collector:
            assert verdict_on(collector, f"{OWN}/receipt", b"after") == "Success"
        viewer.wait(lambda messages: any(payload == b"after" for _, payload, _ in messages))
        assert max(len(payload) for _, payload, _ in viewer.messages) < 1000


def test_a_session_and_what_is_retained_survive_a_restart(plant: Path, tmp_path: Path) -> None:
    with Deployed(plant, "passwords") as broker:
        with broker.client("collector", client_id="durable"):
            pass  # it has subscribed, and goes
        with broker.client("device", "none") as device:
            verdict_on(device, f"{OWN}/state", b"now", retain=True)
            for number in range(1500):  # more than the default queue limit
                device.publish(f"{OWN}/event/s", b"%d" % number)
            verdict_on(device, f"{OWN}/dropped", b"end")
        broker.restart()
        with broker.client("collector", client_id="durable") as collector:
            collector.wait(lambda _: len(collector.on("event/s")) >= 1500)
            assert collector.on("event/s") == [b"%d" % number for number in range(1500)]
        with broker.client("viewer", client_id="late") as late:
            late.wait(lambda messages: (f"{OWN}/state", b"now", True) in messages)


def test_there_are_no_websockets(broker: Deployed, plant: Path) -> None:
    request = (
        b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=plant / "ca.crt")
    if broker.logins == "certificates":
        context.load_cert_chain(plant / "device.crt", plant / "device.key")
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        try:
            answer = connection.recv(100)
        except OSError:
            answer = b""
    assert not answer.startswith(b"HTTP")
