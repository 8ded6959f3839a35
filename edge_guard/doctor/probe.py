"""A short connection to the broker that asks what it lets this device do."""

from __future__ import annotations

import queue
import time
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_guard.config import MqttTable
from edge_guard.publish.messages import Dropped, Receipt, Topics, decode, encode
from edge_guard.publish.mqtt import set_credentials
from edge_guard.publish.stamp import stamp

ANSWER_SECONDS = 5.0
AGAIN_SECONDS = 1.0
"""Between two of the same question to the collector."""
BOOT_ID = "doctor"
"""Always the same, so that a collector keeps one row however often a device is examined."""

_OTHER_VERSION = (0x80, 0x84)
"""Lost without a word, or refused for its version: an older version is worth a try."""


class Refused(Exception):  # noqa: N818
    """The broker refuses the connection; the text says why."""


class Probe:
    """A connection of its own, beside the daemon's, for the time of a ``with``.

    Parameters
    ----------
    config : MqttTable
    device : str
        The client id is made from it.

    Attributes
    ----------
    version : str
        That the connection speaks.
    tells : bool
        The broker says which topics it refuses.

    Raises
    ------
    Refused
        On entering: the broker does not want this client.
    ConfigError
        On entering: a file of the credentials cannot be read.
    """

    def __init__(self, config: MqttTable, device: str) -> None:
        self._config = config
        self._client_id = f"{device}-doctor"
        self._connected: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self._published: queue.SimpleQueue[tuple[int, ReasonCode]] = queue.SimpleQueue()
        self._subscribed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self.version = ""

    @property
    def tells(self) -> bool:
        """Whether a PUBACK of this connection can name a refusal."""
        return self.version == "5"

    def __enter__(self) -> Probe:
        versions = ("5", "3.1.1") if self._config.version == "auto" else (self._config.version,)
        refusal = "it does not answer"
        for version in versions:
            self._open(version)
            try:
                reason = self._connected.get(timeout=ANSWER_SECONDS)
            except queue.Empty:
                self._close()
                continue
            if not reason.is_failure:
                self.version = version
                return self
            refusal = str(reason)
            self._close()
            if reason.value not in _OTHER_VERSION:
                break
        raise Refused(refusal)

    def __exit__(self, *_: object) -> None:
        self._close()

    def publish(self, topic: str, payload: bytes = b"") -> str:
        """Return why the broker refuses a message to a topic; "" where it takes it."""
        number = self._client.publish(topic, payload, qos=1).mid
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                done, reason = self._published.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return "no answer"
            if done == number:
                return str(reason) if reason.is_failure else ""

    def receipt(self, topics: Topics, device: str, seconds: float) -> bool:
        """Return whether a collector answers a report of nothing lost in so many seconds.

        It is sent again while no answer comes: a collector that is just starting hears the next.
        """
        end = time.monotonic() + seconds
        self._client.subscribe(topics.receipt(), qos=1)
        try:
            self._subscribed.get(timeout=seconds)
        except queue.Empty:
            return False
        while (now := time.monotonic()) < end:
            self.publish(topics.dropped(), _nothing_lost(device))
            if self._confirmed(min(end, now + AGAIN_SECONDS)):
                return True
        return False

    def _confirmed(self, end: float) -> bool:
        """Return whether a receipt comes before a time."""
        try:
            while not _confirms(self._received.get(timeout=max(0.0, end - time.monotonic()))):
                pass
        except queue.Empty:
            return False
        return True

    def _open(self, version: str) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = ANSWER_SECONDS
        answers: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        client.on_connect = lambda _c, _u, _f, reason, _p: answers.put(reason)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: answers.put(reason)
        self._connected = answers  # what an earlier attempt still says is not heard
        client.on_publish = lambda _c, _u, mid, reason, _p: self._published.put((mid, reason))
        client.on_subscribe = lambda _c, _u, mid, _r, _p: self._subscribed.put(mid)
        client.on_message = self._on_message
        set_credentials(client, self._config)
        self._client = client
        try:
            client.connect(self._config.host, self._config.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise Refused(str(error)) from error
        client.loop_start()

    def _on_message(self, _client: paho.Client, _user: Any, message: paho.MQTTMessage) -> None:
        self._received.put(bytes(message.payload))

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _nothing_lost(device: str) -> bytes:
    fields = stamp(device, BOOT_ID)
    return encode(
        Dropped(
            **fields, sequence=1, of_boot=BOOT_ID, kind="unknown", cause="examined", sequences=()
        )
    )


def _confirms(payload: bytes) -> bool:
    try:
        receipt = decode(payload, Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return any(boot.boot_id == BOOT_ID for boot in receipt.boots)
