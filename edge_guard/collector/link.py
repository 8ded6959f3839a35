"""The connection to the broker: the only file of the collector that imports paho."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_guard.config import MqttTable
from edge_guard.credentials import password, tls_context
from edge_guard.errors import BrokerError
from edge_guard.refusals import (
    KEEPALIVE_SHARE,
    TAKEN_OVER,
    Trouble,
    connect_trouble,
    hear_errors,
    tls_trouble,
)

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
ANSWER_S = 10.0
SESSION_S = 7 * 24 * 3600
"""How long the broker keeps the session of an absent collector (MQTT 5)."""
MOST_IN_FLIGHT = 1000
"""Messages that the broker hands over before the first is acknowledged (MQTT 5)."""
MOST_UNCONFIRMED = 1000
"""Receipts and commands that leave before the broker has confirmed the first."""
_MOST_OF_BROKER = 65_535
"""What a broker takes unconfirmed that does not say otherwise."""
_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the connection to the broker stands."""

    state: Literal["connecting", "connected", "unreachable"]
    address: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message from the broker, not acknowledged yet."""

    topic: str
    payload: bytes
    acknowledge: Callable[[], None]


class Link:
    """Keeps one persistent session with the broker, for ever, in a thread of its own.

    Parameters
    ----------
    config : MqttTable
    client_id : str
        The name of the session; two collectors must not share it.
    on_status : callable
        Gets each change of ``LinkStatus``.
    group : str, optional
        Collectors of one group share the messages; each message goes to one of them. The broker
        then keeps no session: what was on its way to a collector that vanished would wait for its
        return, but a device sends again what brought no receipt, and another collector takes it.
    listens : bool
        False: only ``publish``. A collector that is behind speaks over a connection of its own:
        the broker's confirmations would wait behind all that it has to hand over (Mosquitto 2.0.11
        hands over everything, whatever window was agreed on).

    Raises
    ------
    ConfigError
        The password file or a certificate cannot be read.
    """

    def __init__(
        self,
        config: MqttTable,
        client_id: str,
        on_status: Callable[[LinkStatus], None],
        group: str | None = None,
        *,
        listens: bool = True,
    ) -> None:
        self._config = config
        self._group = group
        self._listens = listens
        self._stays = listens and group is None
        self._client_id = client_id
        self._on_message: Callable[[Delivery], None] = _nobody
        self._on_status = on_status
        self._password = password(config)
        self._tls = tls_context(config)
        self._address = f"{config.host}:{config.port}"
        self._versions = {"auto": [_V5, _V311], "5": [_V5], "3.1.1": [_V311]}[config.version]
        self._ending = threading.Event()
        self._connected: mqtt.Client | None = None
        self._room = threading.Semaphore(0)
        self._failures = 0
        self._end = Trouble("", "")
        self._thread = threading.Thread(target=self._run, name="collector-link", daemon=True)

    def start(self, on_message: Callable[[Delivery], None] | None = None) -> None:
        """Start connecting.

        Parameters
        ----------
        on_message : callable
            Gets each ``Delivery`` in the link's thread; may block, which slows the broker down.
            Not needed where nothing is listened to.
        """
        self._on_message = on_message or _nobody
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker, which keeps the session; returns when the thread has ended."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_S)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Return whether the message was handed to a live connection (QoS 1, not retained).

        False, too, while the broker has not confirmed ``MOST_UNCONFIRMED`` earlier ones.
        """
        client = self._connected
        if client is None or not self._room.acquire(blocking=False):
            return False
        return client.publish(topic, payload, qos=1).rc == mqtt.MQTT_ERR_SUCCESS

    def _run(self) -> None:
        self._on_status(LinkStatus("connecting", self._address))
        while not self._ending.is_set():
            try:
                self._session()
            except (OSError, ValueError, BrokerError) as error:
                self._report(_trouble(error))
            if self._ending.wait(_wait_s(self._failures)):
                break
            self._failures += 1

    def _session(self) -> None:
        """Connect and serve until the connection ends, which it tells by raising."""
        answer: list[ReasonCode] = []
        self._end = Trouble("", "")
        client = self._client(answer)
        try:
            client.connect(
                self._config.host,
                self._config.port,
                int(self._config.keepalive_seconds * KEEPALIVE_SHARE),
                clean_start=not self._stays
                if self._versions[0] == _V5
                else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
                properties=self._session_properties() if self._versions[0] == _V5 else None,
            )
            self._await_answer(client, answer)
            self._serve(client)
        finally:
            self._connected = None
            client.disconnect()
            client.loop(0.05)

    def _await_answer(self, client: mqtt.Client, answer: list[ReasonCode]) -> None:
        deadline = time.monotonic() + ANSWER_S
        rc = mqtt.MQTT_ERR_SUCCESS
        while not answer and rc == mqtt.MQTT_ERR_SUCCESS and time.monotonic() < deadline:
            if self._ending.is_set():
                return
            rc = client.loop(0.1)
        if answer and not answer[0].is_failure:
            return
        self._versions = [*self._versions[1:], self._versions[0]]  # it may speak the other one
        if answer:
            raise BrokerError(*connect_trouble(int(answer[0].value), str(answer[0])))
        raise BrokerError(*self._end) if self._end.problem else BrokerError("no answer to CONNECT")

    def _serve(self, client: mqtt.Client) -> None:
        if self._listens:
            shared = f"$share/{self._group}/" if self._group else ""
            client.subscribe(f"{shared}{self._config.prefix}/+/+/+/#", qos=1)
        self._connected = client
        self._failures = 0
        while not self._ending.is_set():
            rc = client.loop(0.5)
            if rc != mqtt.MQTT_ERR_SUCCESS:
                raise (
                    BrokerError(*self._end)
                    if self._end.problem
                    else BrokerError(mqtt.error_string(rc))
                )

    def _subscribed(self, reason: ReasonCode) -> None:
        """Only now does the broker keep for this session what devices send."""
        if reason.is_failure:
            log.error("broker %s refuses the subscription: %s", self._address, reason)
            self._on_status(LinkStatus("unreachable", self._address, str(reason)))
            return
        version = "5" if self._versions[0] == _V5 else "3.1.1"
        log.info("connected to broker %s, MQTT %s", self._address, version)
        self._on_status(LinkStatus("connected", self._address, f"MQTT {version}"))

    def _client(self, answer: list[ReasonCode]) -> mqtt.Client:
        """Return a new client: what an old connection left in memory must not reach a new one."""
        version = self._versions[0]
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=not self._stays if version == _V311 else None,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = ANSWER_S
        client.max_inflight_messages_set(MOST_UNCONFIRMED)
        if self._config.username is not None:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)

        self._hear(client, answer)
        client.on_socket_register_write = _leave_it_to_the_loop
        return client

    def _hear(self, client: mqtt.Client, answer: list[ReasonCode]) -> None:
        """Connect what the client has to say."""

        def connected(_c: object, _d: object, _f: object, reason: ReasonCode, told: Any) -> None:
            most = getattr(told, "ReceiveMaximum", _MOST_OF_BROKER)
            self._room = threading.Semaphore(min(most, MOST_UNCONFIRMED))
            answer.append(reason)

        def subscribed(_c: object, _d: object, _m: int, reasons: list[ReasonCode], _p: Any) -> None:
            self._subscribed(reasons[0])

        def received(_c: object, _d: object, message: mqtt.MQTTMessage) -> None:
            mid, qos = message.mid, message.qos
            payload = bytes(message.payload)
            acknowledge = partial(self._acknowledge, client, mid, qos)
            self._on_message(Delivery(message.topic, payload, acknowledge))

        def confirmed(_c: object, _d: object, _m: int, _r: object, _p: object) -> None:
            self._room.release()

        def disconnected(
            _c: object, _d: object, _f: object, reason: ReasonCode, _p: object
        ) -> None:
            if reason.value == TAKEN_OVER:
                self._end = Trouble(
                    "another collector has connected under this one's name",
                    "give each collector a [collector] id of its own",
                )

        def failed(words: str) -> None:
            self._end = tls_trouble(words) or self._end

        client.on_connect = connected
        client.on_disconnect = disconnected
        hear_errors(client, failed)
        client.on_subscribe = subscribed
        client.on_message = received
        client.on_publish = confirmed

    def _acknowledge(self, client: mqtt.Client, mid: int, qos: int) -> None:
        # On a later connection the same number may stand for another message.
        if client is self._connected:
            client.ack(mid, qos)

    def _session_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S if self._stays else 0
        properties.ReceiveMaximum = MOST_IN_FLIGHT
        return properties

    def _report(self, trouble: Trouble) -> None:
        if self._ending.is_set():
            return
        if self._failures == 0 and self._listens:
            log.warning(
                "broker %s cannot be reached (%s): trying again for ever; %s",
                self._address,
                trouble.problem,
                trouble.remedy,
            )
        words = f"{trouble.problem}: {trouble.remedy}"
        self._on_status(LinkStatus("unreachable", self._address, words))


def _leave_it_to_the_loop(_client: mqtt.Client, _data: object, _socket: object) -> None:
    """Keep paho from writing to the socket in the thread that acknowledges or publishes.

    Two threads in one TLS connection corrupt OpenSSL's memory. The packet is queued by now, and
    the loop has been woken.
    """


def _trouble(error: OSError | ValueError | BrokerError) -> Trouble:
    if isinstance(error, BrokerError) and error.remedy:
        return Trouble(error.problem, error.remedy)
    usual = "check [mqtt] host, port, credentials and that the broker runs"
    words = getattr(error, "strerror", None) or str(error)
    return tls_trouble(str(error)) or Trouble(words, usual)


def _nobody(delivery: Delivery) -> None:
    raise AssertionError(f"{delivery.topic} arrived before the link was started")


def _wait_s(failures: int) -> float:
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures, 10))
    return random.uniform(longest / 2, longest)
