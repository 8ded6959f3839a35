"""The broker fixture itself: other tests trust it."""

from __future__ import annotations

from pathlib import Path

from brokers import Listener, Mosquitto


def test_a_listener_hears_what_is_published(broker: Mosquitto) -> None:
    with Listener(broker.port, "a/#") as listener:
        listener.publish("a/b", b"1")
        assert listener.wait(len)[0] == ("a/b", b"1", False)


def test_a_clean_stop_keeps_retained_messages_and_a_kill_does_not(broker: Mosquitto) -> None:
    with Listener(broker.port) as listener:
        listener.publish("kept", b"1", retain=True)
        listener.wait(len)
    broker.restart()
    with Listener(broker.port) as listener:
        assert listener.wait(len)[0] == ("kept", b"1", True)
        listener.publish("lost", b"2", retain=True)
        listener.wait(lambda messages: len(messages) == 2)
    broker.kill()
    broker.start()
    with Listener(broker.port) as listener:
        assert {topic for topic, _, _ in listener.wait(len)} == {"kept"}


def test_only_known_users_are_let_in(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path, users={"line": "secret"}) as broker,
        Listener(broker.port, username="line", password="secret") as listener,
    ):
        listener.publish("a", b"1")
        listener.wait(len)
