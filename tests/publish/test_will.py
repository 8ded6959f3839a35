"""The last will: a device that is back at once was never gone, one that is not is offline."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto
from devices import TOPICS, describe, open_outbox, wait_until

from edge_guard.config import MqttTable
from edge_guard.publish import mqtt
from edge_guard.publish.messages import State, decode
from edge_guard.publish.publisher import Publisher


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "WILL_DELAY_SECONDS", 2)


def states(listener: Listener) -> list[str]:
    return [decode(payload, State).state for payload in listener.on("state")]


def cut(publisher: Publisher) -> None:
    """Break the connection as a network does, without a goodbye."""
    assert publisher._link is not None
    connection = publisher._link._client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("version", "noticed"), [("5", False), ("3.1.1", True)])
def test_a_short_break_is_no_absence(
    broker: Mosquitto, tmp_path: Path, version: str, noticed: bool
) -> None:
    outbox = open_outbox(tmp_path)
    config = MqttTable(host="127.0.0.1", port=broker.port, version=version)
    publisher = Publisher(
        config, outbox, "device", lambda: describe(outbox), reconnect_seconds=(0.1, 0.2)
    )
    with Listener(broker.port, TOPICS.state()) as listener:
        publisher.start()
        wait_until(lambda: states(listener) == ["online"])
        cut(publisher)
        wait_until(lambda: states(listener).count("online") == 2)
        threading.Event().wait(2.5)  # the time in which a will would have come
        assert ("offline" in states(listener)) == noticed  # 3.1.1 has no delay
        publisher.stop(0.0)
        wait_until(lambda: states(listener)[-1] == "offline")


def test_who_does_not_come_back_is_offline(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    config = MqttTable(host="127.0.0.1", port=broker.port)
    publisher = Publisher(
        config, outbox, "device", lambda: describe(outbox), reconnect_seconds=(60.0, 60.0)
    )
    with Listener(broker.port, TOPICS.state()) as listener:
        publisher.start()
        wait_until(lambda: states(listener) == ["online"])
        cut(publisher)
        wait_until(lambda: states(listener)[-1] == "offline")
        last = decode(listener.on("state")[-1], State)
        assert last.causes == ("connection lost",)
        publisher.stop(0.0)
    with Listener(broker.port, TOPICS.state()) as later:  # retained: who looks later sees it, too
        wait_until(lambda: states(later) == ["offline"])
