"""One connection to an MQTT broker. The only file that imports paho.

A ``Link`` lives from one connect to the loss of that connection; whoever wants another connection
makes another link. So paho's own queue and its own reconnection, which would send what the spool
has forgotten, are never in play. What happens is put into a queue: paho's thread does nothing else.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import time
from collections.abc import Callable
from math import inf
from typing import Any, Literal, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_guard.config import MqttTable
from edge_guard.credentials import password, tls_context
from edge_guard.errors import BrokerError
from edge_guard.publish.happenings import (
    Acknowledged,
    Closed,
    Connected,
    Happening,
    Received,
    Unheard,
    Woken,
)
from edge_guard.refusals import (
    KEEPALIVE_SHARE,
    PACKET_TOO_LARGE,
    TAKEN_OVER,
    UNSUPPORTED_VERSION,
    Trouble,
    connect_trouble,
    hear_errors,
    tls_trouble,
    words,
)

Version = Literal["3.1.1", "5"]
Hear = Callable[[Received], bool]
CONNECT_SECONDS = 5.0
_PROTOCOLS: dict[Version, MQTTProtocolVersion] = {
    "3.1.1": MQTTProtocolVersion.MQTTv311,
    "5": MQTTProtocolVersion.MQTTv5,
}
_GOODBYE_SECONDS = 1.0
_RECEIVE_MAXIMUM = 65_535
WILL_DELAY_SECONDS = 5
"""MQTT 5: a connection that is back so soon was never announced as lost."""
_BACKLOG_SECONDS = 2.0
"""After the subscription of a session that goes on: Mosquitto hands 20 messages out, then the rest
as those are acknowledged, so that some of what it has kept comes later than the SUBACK."""
_MAX_INCOMING = 1000
"""Messages that wait to be handled; more are a flood, and are counted."""


class Link:
    """One connection.

    Parameters
    ----------
    config : MqttTable
    version : str
        ``3.1.1`` or ``5``.
    client_id : str
    will : tuple of (topic, payload)
        Published by the broker, retained, when the connection breaks; with MQTT 5 only if no new
        one is there within `WILL_DELAY_SECONDS`.
    subscribe : sequence of str
        Topics, QoS 1.
    hear : callable
        Gets each message first, in paho's thread, for those whose moment counts; returns whether it
        was one of them. Else it becomes a ``Received`` in ``happenings``.

    Attributes
    ----------
    happenings : SimpleQueue of Happening
        Empty until ``connect``.
    flooded : int
        Incoming messages that were not kept because too many waited.
    """

    def __init__(
        self,
        config: MqttTable,
        version: Version,
        client_id: str,
        will: tuple[str, bytes],
        subscribe: tuple[str, ...] = (),
        hear: Hear = lambda _: False,
    ) -> None:
        self.version: Version = version
        self.happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self.flooded = 0
        self._address = f"{config.host}:{config.port}"
        self._config = config
        self._subscribe = subscribe
        self._hear = hear
        self._accepted = False
        self._backlog_until = 0.0
        self._last_error = ""
        v5 = version == "5"
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=_PROTOCOLS[version],
            clean_session=None if v5 else True,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = CONNECT_SECONDS
        self._client.max_inflight_messages_set(_RECEIVE_MAXIMUM)
        delay = _properties(PacketTypes.WILLMESSAGE, "WillDelayInterval") if v5 else None
        self._client.will_set(*will, qos=1, retain=True, properties=delay)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        hear_errors(self._client, self._heard)

    def connect(self) -> None:
        """Open the connection; ``Connected`` or ``Closed`` follows in ``happenings``.

        Raises
        ------
        BrokerError
            Nothing answers there, or TLS fails.
        ConfigError
            A password, CA, certificate or key file cannot be read.
        """
        set_credentials(self._client, self._config)
        try:
            self._client.connect(
                self._config.host,
                self._config.port,
                keepalive=int(self._config.keepalive_seconds * KEEPALIVE_SHARE),
                **self._session(),
            )
        except ssl.SSLError as error:
            trouble = tls_trouble(str(error)) or Trouble(words(error), "check [mqtt.tls]")
            raise BrokerError(
                f"broker {self._address}: TLS failed: {trouble.problem}", trouble.remedy
            ) from error
        except (OSError, ValueError) as error:
            encrypted = self._config.tls is not None
            raise BrokerError(
                f"broker {self._address} cannot be reached ({words(error)})",
                f"check host, port{' (does it speak TLS?)' if encrypted else ''} and network",
            ) from error
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """Send with QoS 1 and return the number that its PUBACK will carry; None: not connected."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return info.mid if info.rc == paho.MQTT_ERR_SUCCESS else None

    def follow(self, subscribe: tuple[str, ...]) -> None:
        """Listen to these topics instead."""
        if gone := [topic for topic in self._subscribe if topic not in subscribe]:
            self._client.unsubscribe(gone)
        self._subscribe = subscribe
        self._client.subscribe([(topic, 1) for topic in subscribe])

    def wake(self) -> None:
        """Let who waits for happenings look up; callable from any thread."""
        self.happenings.put(Woken())

    def close(self) -> None:
        """Say goodbye, so that the will is not published; bounded, harmless when repeated."""
        self._client.disconnect()
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while (connection := self._client.socket()) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        if connection is not None:  # nobody reads at the other end
            with contextlib.suppress(OSError):
                cast(socket.socket, connection).shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def _session(self) -> dict[str, Any]:
        """Return what keeps a will waiting: it is published as soon as its session ends."""
        if self.version != "5":
            return {}
        expiry = _properties(PacketTypes.CONNECT, "SessionExpiryInterval")
        return {"clean_start": False, "properties": expiry}

    def _on_connect(
        self,
        client: paho.Client,
        _userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            problem, remedy = connect_trouble(int(reason.value), str(reason))
            other = reason.value in UNSUPPORTED_VERSION
            self.happenings.put(Closed(f"broker {self._address} refuses: {problem}", remedy, other))
            return
        self._accepted = True
        self._backlog_until = inf if flags.session_present else 0.0
        if self._subscribe:
            client.subscribe([(topic, 1) for topic in self._subscribe])
        maximum = getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM)
        largest = getattr(properties, "MaximumPacketSize", None)
        self.happenings.put(Connected(int(maximum), largest, flags.session_present))

    def _on_disconnect(
        self, _client: paho.Client, _userdata: object, _flags: object, reason: ReasonCode, *_: Any
    ) -> None:
        if reason.value == TAKEN_OVER:
            what = f"another client has connected to broker {self._address} as this device"
            self.happenings.put(Closed(what, "give each device a [device] id of its own", False))
            return
        quiet = not self._last_error and str(reason) == "Unspecified error"
        trouble = tls_trouble(self._last_error) or Trouble(self._last_error or str(reason), "")
        cause = f"connection to broker {self._address} lost: {trouble.problem}"
        self.happenings.put(Closed(cause, trouble.remedy, not self._accepted, quiet))

    def _on_publish(
        self, _client: paho.Client, _userdata: object, number: int, reason: ReasonCode, *_: Any
    ) -> None:
        refusal = str(reason) if reason.is_failure else ""
        self.happenings.put(Acknowledged(number, refusal, reason.value == PACKET_TOO_LARGE))

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _number: int,
        reasons: list[ReasonCode],
        _: Any,
    ) -> None:
        if self._backlog_until == inf:
            self._backlog_until = time.monotonic() + _BACKLOG_SECONDS
        for topic, reason in zip(self._subscribe, reasons, strict=False):
            if reason.is_failure:
                self.happenings.put(
                    Unheard(
                        f"broker {self._address} refuses the subscription to {topic}: {reason}: "
                        "let this device read it in the broker's access rules"
                    )
                )

    def _heard(self, error: str) -> None:
        self._last_error = error

    def _on_message(
        self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage
    ) -> None:
        late = time.monotonic() < self._backlog_until
        payload = bytes(message.payload)
        received = Received(message.topic, payload, message.dup, message.retain, late)
        if self._hear(received):
            return
        if self.happenings.qsize() < _MAX_INCOMING:
            self.happenings.put(received)
        else:
            self.flooded += 1


def open_link(
    config: MqttTable,
    client_id: str,
    will: tuple[str, bytes],
    subscribe: tuple[str, ...] = (),
    last: Version | None = None,
    hear: Hear = lambda _: False,
) -> tuple[Link, Connected]:
    """Return a standing connection; ``version = "auto"`` tries MQTT 5, then 3.1.1.

    ``last`` is the version that was spoken there last; it is tried first.

    Raises
    ------
    BrokerError
        The broker cannot be reached, does not answer or refuses.
    ConfigError
        A password, CA, certificate or key file cannot be read.
    """
    versions: tuple[Version, ...] = ("3.1.1", "5") if last == "3.1.1" else ("5", "3.1.1")
    if config.version != "auto":
        versions = (config.version,)
    closed = Closed("", "", False)
    for version in versions:
        link = Link(config, version, client_id, will, subscribe, hear)
        link.connect()
        try:
            happening = link.happenings.get(timeout=CONNECT_SECONDS)
        except queue.Empty:
            silent = f"broker {config.host}:{config.port} does not answer"
            happening = Closed(silent, "check host and port: is a broker there?", True)
        if isinstance(happening, Connected):
            return link, happening
        link.close()
        closed = cast(Closed, happening)
        if not closed.speaks_other_version:
            break
    usual = "check [mqtt] port, tls, version, username, password_file"
    raise BrokerError(closed.cause, closed.remedy or usual)


def _properties(packet: int, name: str) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    setattr(properties, name, WILL_DELAY_SECONDS)
    return properties


def _send_at_once(_client: paho.Client, _userdata: object, connection: object) -> None:
    """Switch Nagle's algorithm off: it holds a picture back for 40 ms behind its event."""
    cast(socket.socket, connection).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def set_credentials(client: paho.Client, config: MqttTable) -> None:
    """Give the client user, password and TLS.

    Raises
    ------
    ConfigError
        A password, CA, certificate or key file cannot be read.
    """
    if config.username is not None:
        client.username_pw_set(config.username, password(config))
    if (context := tls_context(config)) is not None:
        client.tls_set_context(context)
