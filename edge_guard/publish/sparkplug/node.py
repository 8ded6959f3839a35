"""The thread that is a Sparkplug edge node: a connection of its own, besides the durable one.

Nothing here is durable, and nothing else waits for it: what must not be lost goes through the
spool. MQTT 3.1.1 with clean sessions, as the specification allows; births and data with QoS 0.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from edge_guard.config import MqttTable, SparkplugTable
from edge_guard.errors import BrokerError, EdgeGuardError
from edge_guard.publish.happenings import Closed, Connected, Received
from edge_guard.publish.messages import Alarm, State, decode
from edge_guard.publish.mqtt import CONNECT_SECONDS, Link
from edge_guard.publish.sparkplug.host import PrimaryHost
from edge_guard.publish.sparkplug.metrics import Reading, read
from edge_guard.publish.sparkplug.payload import decode_command
from edge_guard.publish.sparkplug.session import REBIRTH, Outgoing, Session

log = logging.getLogger(__name__)


class SparkplugLink(Link):
    """A connection as Sparkplug wants it: a will that is not retained, and QoS 0."""

    def __init__(
        self, config: MqttTable, client_id: str, will: Outgoing, subscribe: tuple[str, ...]
    ) -> None:
        super().__init__(config, "3.1.1", client_id, (will.topic, will.payload), subscribe)
        self._client.will_set(will.topic, will.payload, qos=1, retain=False)

    def send(self, message: Outgoing) -> None:
        """Send with QoS 0."""
        self._client.publish(message.topic, message.payload, qos=0, retain=False)


class EdgeNode:
    """Tells a Sparkplug host about this device until it is stopped.

    Parameters
    ----------
    mqtt : MqttTable
        The broker.
    config : SparkplugTable
    device : str
        Id of the device; of the edge node, too, unless the configuration names another.
    describe : callable
        Returns the device's state now; called from this thread.
    alarms : callable
        Returns the newest payload of each alarm; called from this thread.
    read_seconds : float
        How often the device is looked at; what has not changed is not sent.
    reconnect_seconds : tuple of (float, float)
        First and longest wait between attempts, each shortened by up to a half at random.
    """

    def __init__(
        self,
        mqtt: MqttTable,
        config: SparkplugTable,
        device: str,
        describe: Callable[[], State],
        alarms: Callable[[], Iterable[bytes]],
        *,
        read_seconds: float = 1.0,
        reconnect_seconds: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        node = config.edge_node or device
        self._mqtt = mqtt
        self._client_id = f"edge-guard-sparkplug-{config.group}-{node}"
        self._session = Session(config.group, node)
        self._host = PrimaryHost(config.primary_host)
        self._describe, self._alarms = describe, alarms
        self._read_seconds = read_seconds
        self._reconnect_seconds = reconnect_seconds
        self._link: SparkplugLink | None = None
        self._stopping = threading.Event()
        self._cause = ""
        self._due = 0.0
        self._thread = threading.Thread(target=self._run, name="sparkplug", daemon=True)

    @property
    def cause(self) -> str:
        """Why the host hears nothing; empty while it does."""
        return self._cause

    def start(self) -> None:
        """Start the thread; a broker that cannot be reached is tried again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the host that the edge node goes, and end the thread; harmless when repeated."""
        self._stopping.set()
        if not self._thread.is_alive():
            return
        if (link := self._link) is not None:
            link.wake()
        self._thread.join(2 * CONNECT_SECONDS)

    def _run(self) -> None:
        first, longest = self._reconnect_seconds
        delay = first
        while not self._stopping.is_set():
            delay = first if self._survives(self._converse) else min(2 * delay, longest)
            until = time.monotonic() + delay * random.uniform(0.5, 1.0)
            self._survives(partial(self._wait_unheard, until))
            self._stopping.wait(max(0.0, until - time.monotonic()))

    def _survives(self, work: Callable[[], None]) -> bool:
        """Do the work and return whether it went well; whatever goes wrong, the thread lives on."""
        try:
            work()
        except EdgeGuardError as error:
            self._broken(str(error))
        except Exception as error:
            if (cause := f"Sparkplug failed: {error}") != self._cause:
                log.exception("Sparkplug failed")
            self._broken(cause)
        else:
            return True
        return False

    def _converse(self) -> None:
        """Talk to the host for as long as the connection lasts."""
        try:
            self._link = self._connect()
            self._serve(self._link)
        finally:
            self._disconnect()

    def _connect(self) -> SparkplugLink:
        self._host.connecting()
        will = self._session.connecting(_now_ms())
        topics = (self._session.commands, *self._host.topics)
        link = SparkplugLink(self._mqtt, self._client_id, will, topics)
        link.connect()
        self._session.connected()
        try:
            answer = link.happenings.get(timeout=CONNECT_SECONDS)
        except queue.Empty:
            answer = None
        if isinstance(answer, Connected):
            return link
        link.close()
        silence = f"broker {self._mqtt.host}:{self._mqtt.port} does not answer"
        cause = answer.cause if isinstance(answer, Closed) else silence
        raise BrokerError(cause, "check [mqtt]; Sparkplug needs MQTT 3.1.1")

    def _serve(self, link: SparkplugLink) -> None:
        """Be born, and tell what changes, until the connection or the host is gone."""
        self._due = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + self._read_seconds
                self._tell(link)
            try:
                happening = link.happenings.get(timeout=max(0.0, self._due - time.monotonic()))
            except queue.Empty:
                continue
            if isinstance(happening, Closed):
                self._broken(happening.cause)
                return
            was_there = self._host.online
            if isinstance(happening, Received):
                self._received(happening)
            if was_there and not self._host.online:
                self._broken("the primary host is offline")
                return

    def _tell(self, link: SparkplugLink) -> None:
        reading = self._read()
        if not self._host.online:
            self._broken("the primary host is not online")
            self._session.keep(reading, _now_ms())
            return
        make = self._session.data if self._session.born else self._session.births
        for message in make(reading, _now_ms()):
            link.send(message)
        self._cause = ""

    def _received(self, message: Received) -> None:
        was_there = self._host.online
        try:
            if self._host.heard(message.topic, message.payload):
                self._due = self._due if was_there else 0.0
                return
            written = decode_command(message.payload)
        except ValueError as error:
            log.warning("%s ignored: %s", message.topic, error)
            return
        if any(metric.name == REBIRTH and metric.boolean for metric in written):
            self._session.born = False  # with the next look, so that a flood of them makes one

    def _read(self) -> Reading:
        return read(self._describe(), (decode(payload, Alarm) for payload in self._alarms()))

    def _wait_unheard(self, until: float) -> None:
        """Wait for the next attempt, and remember what the host misses."""
        while (left := until - time.monotonic()) > 0:
            if self._stopping.wait(min(left, self._read_seconds)):
                return
            self._session.keep(self._read(), _now_ms())

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            death = self._session.death(_now_ms())
            link.publish(death.topic, death.payload)
            link.close()

    def _broken(self, cause: str) -> None:
        if cause != self._cause:
            log.warning("Sparkplug: %s", cause)
        self._cause = cause


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
