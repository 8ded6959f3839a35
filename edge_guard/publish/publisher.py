"""The thread that brings what is in the spool to the broker, and takes receipts back.

A few dozen rows are in flight at a time and refilled from the disk. A row stays in the spool until
its receipt (with ``receipts = false``: its PUBACK); what brought none is sent again, a few rows a
round while nobody answers and freely while somebody does.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from edge_guard.config import MqttTable
from edge_guard.errors import EdgeGuardError, StoreError
from edge_guard.publish.answers import Answers
from edge_guard.publish.delivery import Delivery
from edge_guard.publish.happenings import Acknowledged, Closed, Happening, Received, Unheard
from edge_guard.publish.messages import State, encode
from edge_guard.publish.mqtt import CONNECT_SECONDS, Link, Version, open_link
from edge_guard.publish.outbox import Outbox

log = logging.getLogger(__name__)

_MOST_ASIDE = 100
_TICK_SECONDS = 0.5
_STEADY_SECONDS = 5.0
"""After a connection that stood so long the next one is tried soon."""
_QUIET_ENDS = 3
"""So many connections that end soon and without a word are more than bad luck."""
_GOODBYE_SECONDS = 2.0


class Triggers(Protocol):
    """Who waits for messages that ask for frames."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What is to be subscribed to."""
        ...

    def hear(self, message: Received) -> bool:
        """Take a message in the connection's thread; return False where it is no trigger."""
        ...

    def connected(self, up: bool, *, kept: bool = False) -> None:
        """Note whether the broker can be reached, and has kept what came before."""
        ...


class Publisher:
    """Publishes an outbox's spool and a device's state until it is stopped.

    Parameters
    ----------
    config : MqttTable
    outbox : Outbox
    client_id : str
    describe : callable
        Returns the device's state now; called from the publisher's thread.
    on_command : callable
        Gets the payload of each command, in the publisher's thread.
    receipt_seconds : float
        A row without a receipt is sent again after this time, or half as much again.
    state_seconds : float
        The retained state is renewed this often.
    triggers : Triggers, optional
        Hears what is published on its topics.
    reconnect_seconds : tuple of (float, float)
        First and longest wait between attempts, each shortened by up to a half at random.
    """

    def __init__(
        self,
        config: MqttTable,
        outbox: Outbox,
        client_id: str,
        describe: Callable[[], State],
        *,
        on_command: Callable[[bytes], None] = lambda _: None,
        triggers: Triggers | None = None,
        receipt_seconds: float = 30.0,
        state_seconds: float = 10.0,
        reconnect_seconds: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._spool = outbox.spool
        self._client_id = client_id
        self._describe = describe
        self._on_command = on_command
        self._triggers = triggers
        self._subscribed: tuple[str, ...] = ()
        self._aside: deque[tuple[str, bytes]] = deque(maxlen=_MOST_ASIDE)
        self._receipt_seconds = receipt_seconds
        self._state_seconds = state_seconds
        self._reconnect_seconds = reconnect_seconds
        self._cause = "not connected yet"
        self._refusal = ""
        self._link: Link | None = None
        self._version: Version | None = None
        self._connected_at = 0.0
        self._quiet_ends = 0
        self._state_due = 0.0
        self._round_due = 0.0
        self._answers = Answers(receipt_seconds)
        self._delivery = Delivery(self._spool, self._answers)
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        outbox.on_new = self.wake

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong between here and the collector; empty when nothing is."""
        silence = self._answers.silence() if self._config.receipts else ""
        return tuple(cause for cause in (self._cause, self._refusal, silence) if cause)

    def start(self) -> None:
        """Start the thread; a broker that cannot be reached is tried again and again."""
        self._thread.start()

    def wake(self) -> None:
        """Look for new rows now."""
        if not self._delivery.news:
            self._delivery.news = self._delivery.hungry = True
            self._nudge()

    def announce(self) -> None:
        """Publish the state now, because it changed."""
        self._state_due = 0.0
        self._nudge()

    def repeat(self, topic: str, payload: bytes) -> None:
        """Publish what was delivered before, for who has missed it; not kept over a break."""
        self._aside.append((topic, payload))
        self._nudge()

    def stop(self, drain_seconds: float) -> None:
        """Wait for the spool to empty, ``drain_seconds`` at most; say goodbye; end the thread."""
        self._deadline = time.monotonic() + drain_seconds
        self._stopping.set()
        self._nudge()
        self._thread.join(drain_seconds + 2 * CONNECT_SECONDS + 2 * _GOODBYE_SECONDS)

    def _nudge(self) -> None:
        if (link := self._link) is not None:
            link.wake()

    def _run(self) -> None:
        first, longest = self._reconnect_seconds
        delay = first
        while not self._done():
            try:
                self._link = self._connect()
                if self._link is not None:
                    self._serve(self._link)
            except Exception as error:  # whatever goes wrong, the thread lives on
                log.exception("publishing failed")
                self._broken(f"publishing failed: {error}")
            if self._disconnect():
                delay = first
            if not self._done():
                self._pause(delay * random.uniform(0.5, 1.0))
                delay = min(2 * delay, longest)

    def _done(self) -> bool:
        if not self._stopping.is_set():
            return False
        return time.monotonic() >= self._deadline or self._empty()

    def _empty(self) -> bool:
        try:
            return self._spool.backlog() == 0
        except StoreError:
            return False

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            time.sleep(min(seconds, 0.2, max(0.0, self._deadline - time.monotonic())))

    def _connect(self) -> Link | None:
        will = (self._outbox.topics.state(), self._offline("connection lost"))
        self._subscribed = self._topics()
        hear = self._triggers.hear if self._triggers else _is_no_trigger
        try:
            link, connected = open_link(
                self._config, self._client_id, will, self._subscribed, self._version, hear
            )
        except EdgeGuardError as error:
            self._broken(str(error))
            return None
        self._version = link.version
        log.info("connected to %s with MQTT %s", self._config.host, link.version)
        now = time.monotonic()
        self._delivery.opened(connected)
        self._connected_at = now
        self._state_due, self._round_due = now, now + self._receipt_seconds / 2
        self._cause = ""
        self._answers.connected()
        self._tell_triggers(up=True, kept=connected.kept)
        return link

    def _topics(self) -> tuple[str, ...]:
        """Return what is to be subscribed to now."""
        topics = self._outbox.topics
        receipt = (topics.receipt(),) if self._config.receipts else ()
        return (*receipt, topics.command(), *(self._triggers.topics if self._triggers else ()))

    def _tell_triggers(self, *, up: bool, kept: bool = False) -> None:
        if self._triggers is not None:
            self._triggers.connected(up, kept=kept)

    def _broken(self, cause: str) -> None:
        if cause != self._cause:
            log.warning("%s; trying again", cause)
        self._cause = cause

    def _disconnect(self) -> bool:
        """End the connection, if any; return whether the next one is worth a try soon."""
        link, self._link = self._link, None
        if link is None:
            return False
        self._tell_triggers(up=False)
        link.close()
        testing = self._delivery.broke()
        return testing or time.monotonic() - self._connected_at > _STEADY_SECONDS

    def _serve(self, link: Link) -> None:
        while not self._done():
            self._tend(link)
            try:
                happening = link.happenings.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            if isinstance(happening, Closed):
                self._closed(happening)
                return
            self._handle(happening)
        self._say_goodbye(link)

    def _closed(self, closed: Closed) -> None:
        soon = time.monotonic() - self._connected_at < _STEADY_SECONDS
        self._quiet_ends = self._quiet_ends + 1 if closed.quiet and soon else 0
        remedy = closed.remedy
        if self._quiet_ends >= _QUIET_ENDS:
            remedy = "does another device use the same [device] id? See also the broker's log"
        self._broken(f"{closed.cause}: {remedy}" if remedy else closed.cause)

    def _tend(self, link: Link) -> None:
        """Do what is due by time, then fill the window."""
        now = time.monotonic()
        if now >= self._round_due:
            self._round_due = now + self._receipt_seconds / 2
            self._spool.next_round()
            self._answers.next_round()
            self._delivery.hungry, self._refusal = True, ""
        if now >= self._state_due:
            self._state_due = now + self._state_seconds
            self._send_state(link, self._current_state())
        if (topics := self._topics()) != self._subscribed:
            self._subscribed = topics
            link.follow(topics)
        while self._aside:
            link.publish(*self._aside.popleft())
        self._delivery.go_on(link)

    def _send_state(self, link: Link, state: bytes) -> bool:
        return self._delivery.send_state(link, self._outbox.topics.state(), state)

    def _handle(self, happening: Happening) -> None:
        try:
            if isinstance(happening, Acknowledged):
                self._acknowledged(happening)
            elif isinstance(happening, Received):
                self._received(happening)
            elif isinstance(happening, Unheard):
                self._refused(happening.cause)
        except StoreError as error:
            log.error("%s", error)  # the row is sent again: nothing is lost

    def _acknowledged(self, happening: Acknowledged) -> None:
        row = self._delivery.acknowledged(happening)
        if happening.refusal and not happening.too_large:
            topic = row.topic if row else self._outbox.topics.state()
            self._refused(
                f"the broker refuses {topic}: {happening.refusal}: "
                "let this device write it in the broker's access rules"
            )
        elif row is not None and not self._config.receipts:
            self._spool.release_row(row)
            self._released()

    def _received(self, happening: Received) -> None:
        if happening.topic == self._outbox.topics.command():
            self._on_command(happening.payload)
            return
        if happening.topic != self._outbox.topics.receipt():
            return  # some brokers send more than was subscribed to
        if self._delivery.receipt(happening.payload):
            self._released()

    def _refused(self, refusal: str) -> None:
        if refusal != self._refusal:
            log.error("%s", refusal)
        self._refusal = refusal

    def _released(self) -> None:
        self._answers.heard(all_confirmed=self._empty())
        self._delivery.hungry = True

    def _current_state(self) -> bytes:
        state = self._describe()
        causes = (*state.causes, *self.causes)
        state_now = "degraded" if causes else "online"
        return encode(msgspec.structs.replace(state, causes=causes, state=state_now))

    def _offline(self, cause: str) -> bytes:
        return encode(msgspec.structs.replace(self._describe(), state="offline", causes=(cause,)))

    def _say_goodbye(self, link: Link) -> None:
        if not self._delivery.send_state(
            link, self._outbox.topics.state(), self._offline("stopped")
        ):
            return
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while self._delivery.window.state_on_its_way and time.monotonic() < deadline:
            try:
                happening = link.happenings.get(timeout=0.1)
            except queue.Empty:
                continue
            self._handle(happening)


def _is_no_trigger(_message: Received) -> bool:
    return False
