"""Telling each device what is stored, so that it may forget it."""

from __future__ import annotations

from collections.abc import Callable

from edge_guard.collector.changes import Applied
from edge_guard.collector.parse import Origin
from edge_guard.publish.messages import BootReceipt, Receipt, Topics, encode

RECEIPT_S = 0.2
"""Least time between two receipts to one device."""


class Receipts:
    """Tells each device what is stored, not more often than every ``RECEIPT_S``.

    Parameters
    ----------
    prefix : str
        Topic prefix.
    collector : str
        Who signs.
    publish : callable
        ``publish(topic, payload) -> bool``: False when there is no connection.
    """

    def __init__(self, prefix: str, collector: str, publish: Callable[[str, bytes], bool]) -> None:
        self._prefix = prefix
        self._collector = collector
        self._publish = publish
        self._origins: dict[int, Origin] = {}
        self._news: dict[int, dict[str, BootReceipt]] = {}
        self._sent: dict[int, float] = {}

    def note(self, applied: Applied) -> None:
        """Remember what a commit changed; the newest word on a boot replaces older ones."""
        self._origins.update(applied.devices)
        for device, boots in applied.receipts.items():
            self._news.setdefault(device, {}).update(boots)

    def send(self, now: float) -> None:
        """Send what is due; what cannot be sent waits.

        Parameters
        ----------
        now : float
            Monotonic seconds.
        """
        due = [d for d in self._news if now - self._sent.get(d, -RECEIPT_S) >= RECEIPT_S]
        for device in due:
            origin = self._origins[device]
            topics = Topics(origin.site, origin.line, origin.device, self._prefix)
            receipt = Receipt(self._collector, tuple(self._news[device].values()))
            if not self._publish(topics.receipt(), encode(receipt)):
                return
            del self._news[device]
            self._sent[device] = now
