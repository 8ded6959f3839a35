"""What becomes of triggers while a device is away from its broker, over a real Mosquitto."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto
from devices import describe, open_outbox, wait_until

from edge_guard.config import MqttTable, StreamTable, TriggerTable
from edge_guard.publish import mqtt
from edge_guard.publish.happenings import Received
from edge_guard.publish.mqtt import Link, open_link
from edge_guard.publish.publisher import Publisher
from edge_guard.sources.trigger import Inbox
from edge_guard.trigger_desk import TriggerDesk

TOPIC = "plant/triggers"
WILL = ("edge-guard/v1/s/l/d/state", b"{}")
KEPT = 60
"""More than Mosquitto hands out at once, so that some come after the subscription."""


class Ear:
    """Hears triggers as a desk does."""

    def __init__(self) -> None:
        self.heard: list[Received] = []

    def __call__(self, message: Received) -> bool:
        self.heard.append(message)
        return True


def connected(port: int, ear: Callable[[Received], bool]) -> tuple[Link, bool]:
    config = MqttTable(host="127.0.0.1", port=port, version="5")
    link, told = open_link(config, "device", WILL, (TOPIC,), hear=ear)
    return link, told.kept


def until_one_comes(sender: Listener, ear: Ear) -> Received:
    """Publish until the subscription stands."""

    def came() -> bool:
        sender.publish(TOPIC, b"now")
        return any(one.payload == b"now" for one in ear.heard)

    wait_until(came, 30)
    return next(one for one in ear.heard if one.payload == b"now")


def test_all_that_the_broker_has_kept_is_late_and_what_comes_then_is_not(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "WILL_DELAY_SECONDS", 600)  # also how long a session is kept
    monkeypatch.setattr(mqtt, "_BACKLOG_SECONDS", 600.0)
    with Listener(broker.port, "nothing") as sender:
        ear = Ear()
        link, kept = connected(broker.port, ear)
        assert not kept
        assert not until_one_comes(sender, ear).late
        link.close()
        for number in range(KEPT):
            sender.publish(TOPIC, f"A-{number}".encode())
        ear = Ear()
        link, kept = connected(broker.port, ear)
        assert kept
        wait_until(lambda: {f"A-{n}".encode() for n in range(KEPT)} <= payloads(ear), 30)
        assert all(one.late for one in ear.heard)
        link.close()
        monkeypatch.setattr(mqtt, "_BACKLOG_SECONDS", 0.0)
        ear = Ear()
        link, kept = connected(broker.port, ear)
        assert kept

        def fresh() -> bool:
            sender.publish(TOPIC, b"now")
            return any(not one.late for one in ear.heard)

        wait_until(fresh, 30)
        link.close()


def payloads(ear: Ear) -> set[bytes]:
    return {one.payload for one in ear.heard}


def test_a_broker_that_has_forgotten_the_session_is_told_to_a_person(tmp_path: Path) -> None:
    trigger = TriggerTable(kind="mqtt", topic=TOPIC)
    desk, inbox = TriggerDesk(), Inbox()
    desk.follow([StreamTable(name="s", source="0", trigger=trigger)])
    desk.attach(TOPIC, inbox)
    outbox = open_outbox(tmp_path)
    with Mosquitto(tmp_path, persistence=False) as broker, closing(outbox.spool):
        config = MqttTable(host="127.0.0.1", port=broker.port)
        publisher = Publisher(
            config, outbox, "device", lambda: describe(outbox), triggers=desk,
            reconnect_seconds=(0.05, 0.1),
        )  # fmt: skip
        publisher.start()
        try:
            wait_until(lambda: TOPIC in broker.log.read_text(), 30)
            assert inbox.take() == []
            broker.kill()
            broker.start()
            told = []
            wait_until(lambda: told.extend(inbox.take()) or told, 30)
            assert "has kept no triggers" in told[0].trouble
            assert told[0].part == ""
        finally:
            publisher.stop(0.0)


def test_a_new_configuration_changes_what_is_heard(broker: Mosquitto, tmp_path: Path) -> None:
    desk, inbox = TriggerDesk(), Inbox()
    outbox = open_outbox(tmp_path)
    with closing(outbox.spool), Listener(broker.port, "nothing") as sender:
        config = MqttTable(host="127.0.0.1", port=broker.port)
        publisher = Publisher(config, outbox, "device", lambda: describe(outbox), triggers=desk)
        publisher.start()
        try:
            for topic, other in (("first", "second"), ("second", "first")):
                trigger = TriggerTable(kind="mqtt", topic=topic)
                desk.follow([StreamTable(name="s", source="0", trigger=trigger)])
                desk.attach(topic, inbox)
                parts: list[str] = []

                def came(topic: str = topic, other: str = other, parts: list[str] = parts) -> bool:
                    sender.publish(other, other.encode())
                    sender.publish(topic, topic.encode())
                    parts += [one.part for one in inbox.take()]
                    return topic in parts

                wait_until(came, 30)
                assert set(parts) == {topic}
                desk.detach(topic, inbox)
        finally:
            publisher.stop(0.0)
