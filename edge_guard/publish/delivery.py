"""Which rows leave next, and what becomes of those that a broker will not take."""

from __future__ import annotations

import logging

import msgspec

from edge_guard.errors import StoreError
from edge_guard.publish.answers import Answers
from edge_guard.publish.happenings import Acknowledged, Connected
from edge_guard.publish.messages import Receipt, decode
from edge_guard.publish.mqtt import Link
from edge_guard.publish.rows import Row
from edge_guard.publish.spool import Spool
from edge_guard.publish.suspects import Suspects
from edge_guard.publish.window import Window

log = logging.getLogger(__name__)

_MOST_RECEIPT_BYTES = 1_000_000
_PACKET_OVERHEAD_BYTES = 16
"""What a PUBLISH is larger than topic and payload, at most."""
_TOO_LARGE = "too large for the broker"


class Delivery:
    """Keeps a window of rows in flight, refilled from the disk. Used by the publisher's thread.

    Parameters
    ----------
    spool : Spool
    answers : Answers

    Attributes
    ----------
    window : Window
    hungry : bool
        Whether the spool may hold something to send.
    news : bool
        Whether there is something new, which shall not wait for half of the window.
    """

    def __init__(self, spool: Spool, answers: Answers) -> None:
        self.window = Window()
        self.hungry = True
        self.news = False
        self._spool = spool
        self._answers = answers
        self._suspects = Suspects()
        self._largest_packet: int | None = None

    def opened(self, connected: Connected) -> None:
        """Begin a connection."""
        self.window.opened(connected.receive_maximum)
        self._largest_packet = connected.maximum_packet_bytes
        self._suspects.opened()
        self.hungry = True

    def broke(self) -> bool:
        """End a connection: what was in flight is sent again, unless it is to blame.

        Returns
        -------
        bool
            Whether a row was being tested, so that the network may be well.
        """
        undelivered = self.window.take_back()
        testing = len(undelivered) == 1 and self._suspects.suspected(undelivered[0])
        guilty = self._suspects.broke(undelivered)
        if guilty is not None:
            self._give_up(guilty, "breaks the connection")
        self._return([row for row in undelivered if row is not guilty])
        return testing

    def go_on(self, link: Link) -> None:
        """Send what may be sent now."""
        if self._suspects.want_quiet:
            if not self.window.rows():
                self._send(link, self._suspects.next())
        elif self.hungry and (self.window.half_free or self.news):
            self._fill(link)

    def acknowledged(self, happening: Acknowledged) -> Row | None:
        """Return the row whose PUBACK this is; None: it was none, or was too large and is gone."""
        row = self.window.acknowledged(happening.number)
        if row is None:
            return None
        self._suspects.passed(row)
        if happening.too_large:
            self._give_up(row, _TOO_LARGE)
            return None
        return row

    def receipt(self, payload: bytes) -> bool:
        """Forget what a receipt covers; return whether that was anything."""
        try:
            if len(payload) > _MOST_RECEIPT_BYTES:
                raise ValueError("it is too big")
            boots = decode(payload, Receipt).boots
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("a receipt is ignored: %s", error)
            return False
        released = 0
        for boot in boots:
            try:
                released += self._spool.release(boot)
            except ValueError as error:
                log.warning("receipt for boot %s ignored: it %s", boot.boot_id, error)
        return released > 0

    def send_state(self, link: Link, topic: str, state: bytes) -> bool:
        """Return whether a state message was handed to the connection."""
        number = link.publish(topic, state, retain=True)
        if number is not None:
            self.window.add(number, None)
        return number is not None

    def _fill(self, link: Link) -> None:
        """Send messages as long as there is a number left, pictures as long as there are bytes."""
        rows, n_bytes = self.window.free_rows, self.window.free_bytes
        if rows <= 0:
            return
        self.hungry = self.news = False
        try:
            taken = self._spool.take(
                rows, max(n_bytes, 0), self._answers.allowance(rows), pictures=n_bytes > 0
            )
        except StoreError as error:
            log.error("%s", error)  # tried again with the next message or round
            return
        self._answers.sent(len(taken))
        self.hungry = bool(taken) or n_bytes <= 0
        for position, row in enumerate(taken):
            if not self._suspects.suspected(row) and not self._send(link, row):
                self._return(taken[position:])
                return

    def _send(self, link: Link, row: Row) -> bool:
        if not _fits(row, self._largest_packet):
            self._give_up(row, _TOO_LARGE)
            return True
        number = link.publish(row.topic, row.payload, retain=row.retain)
        if number is not None:
            self.window.add(number, row)
        return number is not None

    def _give_up(self, row: Row, cause: str) -> None:
        log.error("%s of %d bytes is given up: %s", row.topic, len(row.payload), cause)
        try:
            self._spool.give_up(row, cause)
        except StoreError as error:
            log.error("%s", error)  # it is sent, and given up, again
        self.hungry = True

    def _return(self, undelivered: list[Row]) -> None:
        try:
            self._spool.send_again(undelivered)
        except StoreError as error:
            log.error("%s", error)  # they are overdue later
        self.hungry = True


def _fits(row: Row, largest_packet: int | None) -> bool:
    if largest_packet is None:
        return True
    return len(row.topic.encode()) + len(row.payload) + _PACKET_OVERHEAD_BYTES <= largest_packet
