"""Which streams wait for triggers on which topic: between the broker and the sources."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable

from edge_guard.config import StreamTable
from edge_guard.publish.happenings import Received
from edge_guard.sources.trigger import Inbox

log = logging.getLogger(__name__)

_MOST_UNCLAIMED = 1000
_Heard = tuple[Received, int]
"""A message, and when it came."""


class TriggerDesk:
    """Hands triggers out. Thread-safe; ``hear`` is quick, it runs in the connection's thread.

    What comes while nobody listens on a configured topic, for a stream is being replaced, is kept
    for who listens next.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._topics: tuple[str, ...] = ()
        self._inboxes: dict[str, list[Inbox]] = defaultdict(list)
        self._unclaimed: dict[str, deque[_Heard]] = {}
        self._up = False

    @property
    def topics(self) -> tuple[str, ...]:
        """What is to be subscribed to."""
        return self._topics

    def follow(self, tables: Iterable[StreamTable]) -> None:
        """Listen to these streams' topics, and to no other."""
        named = (one.trigger.topic for one in tables if one.trigger is not None)
        topics = dict.fromkeys(topic for topic in named if topic is not None)
        with self._mutex:
            self._topics = tuple(topics)
            self._unclaimed = {
                topic: self._unclaimed.get(topic, deque(maxlen=_MOST_UNCLAIMED)) for topic in topics
            }

    def attach(self, topic: str, inbox: Inbox) -> None:
        """Hand the topic's messages to the inbox, with those that nobody was there for."""
        with self._mutex:
            inbox.connected(self._up)
            self._inboxes[topic].append(inbox)
            waiting = self._unclaimed.get(topic, deque())
            while waiting:
                _offer(inbox, *waiting.popleft())

    def detach(self, topic: str, inbox: Inbox) -> None:
        """Hand it no more; harmless when repeated."""
        with self._mutex:
            if inbox in self._inboxes[topic]:
                self._inboxes[topic].remove(inbox)

    def hear(self, message: Received) -> bool:
        """Hand a message out; return False where it is no trigger."""
        heard_ns = time.monotonic_ns()
        with self._mutex:
            if message.topic not in self._topics:
                return False
            if message.retained:
                log.warning(
                    "a retained message on %s is no trigger, its part is long gone: "
                    "publish triggers without the retain flag",
                    message.topic,
                )
                return True
            for inbox in self._inboxes[message.topic]:
                _offer(inbox, message, heard_ns)
            if not self._inboxes[message.topic]:
                self._keep(message, heard_ns)
            return True

    def connected(self, up: bool, *, kept: bool = False) -> None:
        """Note whether the broker can be reached, and has kept what came before."""
        with self._mutex:
            self._up = up
            for inboxes in self._inboxes.values():
                for inbox in inboxes:
                    inbox.connected(up, kept=kept)

    def _keep(self, message: Received, heard_ns: int) -> None:
        waiting = self._unclaimed[message.topic]
        if len(waiting) == waiting.maxlen:
            lost, _ = waiting.popleft()
            log.error("no stream takes the triggers on %s: %r is lost", lost.topic, lost.payload)
        waiting.append((message, heard_ns))


def _offer(inbox: Inbox, message: Received, heard_ns: int) -> None:
    inbox.offer(message.payload, heard_ns, again=message.again, late=message.late)
