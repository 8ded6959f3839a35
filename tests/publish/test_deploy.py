"""The shipped broker configuration, with a real Mosquitto."""

from __future__ import annotations

from pathlib import Path

from brokers import Listener, Mosquitto
from devices import TOPICS, Counter, describe, open_outbox, post_event, wait_until

from edge_guard.config import MqttTable
from edge_guard.publish.publisher import Publisher

DEPLOY = Path(__file__).parents[2] / "deploy"
USERS = {"device": "a", "intruder": "b", "collector": "c"}


def queue_settings() -> list[str]:
    """The lines that need no file of the plant and no fixed port."""
    own = ("listener", "cafile", "certfile", "keyfile", "tls_version", "password_file", "acl_file")
    lines = (DEPLOY / "mosquitto.conf").read_text().splitlines()
    fixed = (*own, "allow_anonymous", "persistence", "per_listener", "#")
    return [line for line in lines if line and not line.startswith(fixed)]


def test_a_device_speaks_under_its_own_name_only(tmp_path: Path) -> None:
    acl = (DEPLOY / "mosquitto.acl").read_text()
    outbox = open_outbox(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("a")
    with (
        Mosquitto(tmp_path, users=USERS, acl=acl, settings=queue_settings()) as broker,
        Counter(broker.port, username="collector", password="c") as collector,
        Listener(broker.port, username="intruder", password="b") as intruder,
    ):
        config = MqttTable(
            host="127.0.0.1", port=broker.port, username="device", password_file=str(secret)
        )
        publisher = Publisher(config, outbox, "device", lambda: describe(outbox))
        intruder.publish(TOPICS.event("s"), b"forged")
        intruder.publish(TOPICS.receipt(), b"forged")
        intruder.publish(TOPICS.base.replace("device", "intruder") + "/own", b"true")
        publisher.start()
        post_event(outbox, b"picture")
        wait_until(lambda: collector.listener.on("own"))
        wait_until(lambda: outbox.spool.backlog() == 0)
        publisher.stop(0.0)
        heard = [payload for _, payload, _ in collector.listener.messages]
        assert b"forged" not in heard
        assert intruder.messages == []
