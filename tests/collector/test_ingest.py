"""From a real broker into a real database, in this process and without the page."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, free_port
from core import Core
from reports import Reporter, Sent, picture
from resender import Resender, receipts, wait_until

from edge_guard.collector.link import Link
from edge_guard.config import MqttTable
from edge_guard.errors import ConfigError


@pytest.fixture
def start(tmp_path: Path, broker: Mosquitto) -> Callable[..., Core]:
    def build(**changes: object) -> Core:
        return Core(tmp_path, MqttTable(host="127.0.0.1", port=broker.port, **changes))  # type: ignore[arg-type]

    return build


@contextmanager
def listening(broker: Mosquitto) -> Iterator[Listener]:
    with Listener(broker.port, "edge-guard/v1/#") as listener:
        yield listener


def publish(listener: Listener, *sent: Sent | None) -> None:
    for one in sent:
        if one is not None:
            listener.publish(*one)


@pytest.mark.parametrize("version", ["auto", "5", "3.1.1"])
def test_an_event_is_stored_and_confirmed(
    start: Callable[..., Core], broker: Mosquitto, version: str
) -> None:
    with start(version=version) as core, listening(broker) as listener:
        wait_until(lambda: core.status() == "connected")
        device = Reporter()
        publish(listener, *device.event(picture(1)), device.summary())
        listener.wait(
            lambda _: any(boot.contiguous == 2 for r in receipts(listener) for boot in r.boots)
        )
        assert core.queries.events(9)[0].has_picture
        last = receipts(listener)[-1]
        assert (last.collector, last.boots[0].boot_id) == ("test", device.boot)


def test_a_device_that_says_hello_hears_what_is_stored(
    start: Callable[..., Core], broker: Mosquitto
) -> None:
    device = Reporter()
    with start() as core, listening(broker) as listener:
        wait_until(lambda: core.status() == "connected")
        publish(listener, device.summary())
        wait_until(lambda: core.stored() == 1)
    with start() as core, listening(broker) as listener:
        wait_until(lambda: core.status() == "connected")
        publish(listener, device.state())
        listener.wait(lambda _: bool(receipts(listener)))
        assert receipts(listener)[0].boots[0].contiguous == 1


def test_what_comes_while_the_collector_is_away_waits_at_the_broker(
    start: Callable[..., Core], broker: Mosquitto
) -> None:
    device = Reporter()
    with start() as core:
        wait_until(lambda: core.status() == "connected")
    with listening(broker) as listener:
        publish(listener, *(device.summary() for _ in range(30)))
        listener.wait(lambda messages: len(messages) >= 30)
    with start() as core:
        wait_until(lambda: core.stored() == 30)


def test_hostile_messages_are_counted_and_do_not_block(
    start: Callable[..., Core], broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    device = Reporter()
    base = device.topics.base
    hostile = [
        (f"{base}/event/top", b"\x00\xff"),
        (f"{base}/event/top", b'{"device": "cam-2"}'),
        (f"{base}/image/top/x-1", b"GIF89a"),
        (f"{base}/nonsense", b"1"),
        (f"{base}/event/<img src=x onerror=alert(1)>", b"{}"),
        (device.topics.state(), Reporter("cam-2").state()[1]),
    ]
    with (
        caplog.at_level(logging.WARNING, "edge_guard.collector"),
        start() as core,
        listening(broker) as listener,
    ):
        wait_until(lambda: core.status() == "connected")
        for _ in range(60):  # more than the broker lets wait for an acknowledgement
            publish(listener, *hostile)
        publish(listener, device.summary())
        wait_until(lambda: core.stored() == 1)
        wait_until(lambda: sum(core.queries.refusals().values()) == 60 * len(hostile))
        assert core.queries.refusals() == {
            "malformed event": 180,
            "not a picture": 60,
            "unknown topic": 60,
            "device differs from its topic": 60,
        }
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) == 4
    assert len(core.queries.devices()) == 1


def test_a_store_in_trouble_is_waited_for_and_nothing_is_confirmed_before(
    start: Callable[..., Core], broker: Mosquitto, tmp_path: Path
) -> None:
    device = Reporter()
    event, image = device.event(picture(1))
    with start() as core, listening(broker) as listener:
        wait_until(lambda: core.status() == "connected")
        frames = core.store.pictures.path("a" * 64).parent.parent
        for byte in range(256):
            (frames / f"{byte:02x}").write_text("in the way")
        publish(listener, event, image)
        wait_until(lambda: core.trouble() != "")
        assert not any(boot.contiguous for r in receipts(listener) for boot in r.boots)
        for byte in range(256):
            (frames / f"{byte:02x}").unlink()
        wait_until(lambda: core.stored() == 1)
        wait_until(lambda: core.trouble() == "")
        listener.wait(lambda _: any(b.contiguous for r in receipts(listener) for b in r.boots))


def test_a_killed_broker_is_found_again(
    start: Callable[..., Core], broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    device = Reporter()
    with start() as core:
        wait_until(lambda: core.status() == "connected")
        broker.kill()
        wait_until(lambda: core.status() == "unreachable")
        broker.start()
        wait_until(lambda: core.status() == "connected", 30)
        with listening(broker) as listener:
            publish(listener, device.summary())
            wait_until(lambda: core.stored() == 1)
    assert len([r for r in caplog.records if "cannot be reached" in r.getMessage()]) == 1


def test_reordered_and_repeated_messages_through_broker_kills(
    start: Callable[..., Core], broker: Mosquitto
) -> None:
    device = Reporter()
    messages: dict[int, list[Sent]] = {}
    for n in range(60):
        parts = device.event(picture(n))
        messages[device.sequence] = [one for one in parts if one is not None]
        summary = device.summary()
        messages[device.sequence] = [summary]
    with start() as core, Resender(broker.port, device, messages) as resender:
        for _ in range(2):
            wait_until(lambda: core.stored() > 10)
            broker.restart()
        assert resender.done.wait(60), f"{len(resender.pending)} never confirmed"
        assert core.stored() == 120
        rows = core.queries.events(500)
        assert sorted(row.event.sequence for row in rows) == list(range(1, 120, 2))
        assert all(row.has_picture for row in rows)


def test_an_old_broker_is_spoken_to_in_its_language(tmp_path: Path) -> None:
    levels: list[int] = []
    unconfirmed: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(15)

    def answer() -> None:
        for code in (1, 0):  # 1 = unacceptable protocol version
            connection, _ = server.accept()
            levels.append(connection.recv(1024)[8])
            connection.sendall(bytes([0x20, 2, 0, code]))
            if code == 0:
                packet = connection.recv(1024)  # SUBSCRIBE: type, length, two bytes of number
                unconfirmed.append(core.status())
                connection.sendall(bytes([0x90, 3, *packet[2:4], 1]))
                connected.wait(15)
            connection.close()

    connected = threading.Event()
    config = MqttTable(host="127.0.0.1", port=server.getsockname()[1])
    core = Core(tmp_path, config)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with core:
        wait_until(lambda: core.status() == "connected")
        connected.set()
        thread.join(15)
    server.close()
    assert levels == [5, 4]
    assert unconfirmed != ["connected"]  # what devices send is not kept for it before


def test_refused_credentials_are_said(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    with Mosquitto(tmp_path, users={"collector": "right"}) as broker:
        config = MqttTable(
            host="127.0.0.1", port=broker.port, username="collector", password_file=str(secret)
        )
        with Core(tmp_path, config) as core:
            wait_until(lambda: core.status() == "unreachable")
            news = core.feed.since(0)
            assert news is not None
            assert "ot authori" in news.link.detail
            secret.write_text("right\n")
        with Core(tmp_path, config) as core:
            wait_until(lambda: core.status() == "connected")


def test_a_missing_password_file_is_an_error(tmp_path: Path) -> None:
    config = MqttTable(port=free_port(), password_file=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="password_file"):
        Link(config, "x", lambda _: None)
