"""A real Mosquitto on a free loopback port, and a client that listens to it.

from brokers import Listener, Mosquitto       # or the fixture `broker` of tests/conftest.py

with Mosquitto(tmp_path) as broker, Listener(broker.port) as listener:
    ...
    listener.wait(lambda messages: len(messages) >= 3)
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

START_SECONDS = 15.0


def find_mosquitto(name: str = "mosquitto") -> str:
    """Return the path of Mosquitto's program; it hides in /usr/sbin on Debian."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: apt install mosquitto")
    return path


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker process; the same port, files and (with persistence) sessions across restarts.

    Parameters
    ----------
    directory : Path
        For configuration, log and persistence.
    persistence : bool
        Whether sessions and retained messages are written at a clean stop (and only then).
    users : mapping of name to password, optional
        Refuse everybody else; None: anonymous clients are welcome.
    acl : str, optional
        Text of an access control file.
    settings : iterable of str
        Further lines of configuration.
    port : int, optional
        Default: a free one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistence: bool = True,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        settings: Iterable[str] = (),
        port: int | None = None,
    ) -> None:
        self.directory = directory / "mosquitto"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.log = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if users is not None else 'true'}",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {self.directory}/",
            "connection_messages true",
            *settings,
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            lines.append("user root")  # else it drops to a user who cannot write here
        if users is not None:
            lines.append(f"password_file {self._passwords(users)}")
        if acl is not None:
            (self.directory / "acl").write_text(acl)
            lines.append(f"acl_file {self.directory / 'acl'}")
        self._config = self.directory / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")

    def start(self) -> Mosquitto:
        """Return once it accepts connections."""
        command = [find_mosquitto(), "-c", str(self._config), "-v"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"mosquitto did not start: {self.log.read_text()}")

    def kill(self) -> None:
        """kill -9: everything it holds in memory is lost."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """Stop cleanly; with persistence, sessions and retained messages survive."""
        self._end(lambda process: process.terminate())

    def restart(self) -> Mosquitto:
        """Return once it runs again, cleanly stopped before if it was running."""
        self.stop()
        return self.start()

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def _passwords(self, users: Mapping[str, str]) -> Path:
        path = self.directory / "passwords"
        path.write_text("")
        path.chmod(0o600)
        for name, password in users.items():
            command = [find_mosquitto("mosquitto_passwd"), "-b", str(path), name, password]
            subprocess.run(command, check=True, capture_output=True)
        return path

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


class Listener:
    """Subscribes to topics and keeps what arrives, in order; can also publish.

    Attributes
    ----------
    messages : list of (topic, payload, retained)
    """

    def __init__(
        self,
        port: int,
        *topics: str,
        on_message: Callable[[Listener, str, bytes], None] | None = None,
        username: str | None = None,
        password: str | None = None,
        client_id: str = "",
    ) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._topics = [(topic, 1) for topic in topics or ("#",)]
        self._on_message = on_message
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._received
        self._session = Properties(PacketTypes.CONNECT)
        if client_id:
            self._session.SessionExpiryInterval = 3600
        self._port = port
        self._clean = not client_id

    def __enter__(self) -> Listener:
        self._client.connect(
            "127.0.0.1", self._port, clean_start=self._clean, properties=self._session
        )
        self._client.loop_start()
        if not self._subscribed.wait(START_SECONDS):
            raise TimeoutError("the broker did not confirm the subscription")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Send with QoS 1; returns at once."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def on(self, topic_part: str) -> list[bytes]:
        """Return the payloads whose topic contains ``/{topic_part}``."""
        with self._changed:
            return [payload for topic, payload, _ in self.messages if f"/{topic_part}" in topic]

    def wait(
        self, done: Callable[[list[tuple[str, bytes, bool]]], bool], seconds: float = 15.0
    ) -> list[tuple[str, bytes, bool]]:
        """Return the messages once ``done(messages)`` holds; TimeoutError otherwise."""
        with self._changed:
            if not self._changed.wait_for(lambda: done(self.messages), seconds):
                topics = [topic for topic, _, _ in self.messages]
                raise TimeoutError(f"waited {seconds} s; {len(topics)} messages: {topics[-20:]}")
            return list(self.messages)

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self._topics)

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.messages.append((message.topic, message.payload, message.retain))
            self._changed.notify_all()
        if self._on_message is not None:
            self._on_message(self, message.topic, message.payload)
