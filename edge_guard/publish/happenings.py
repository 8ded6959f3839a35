"""What can happen on a connection to a broker."""

from __future__ import annotations

from typing import NamedTuple


class Connected(NamedTuple):
    """The broker has accepted us.

    It takes ``receive_maximum`` unacknowledged messages, and packets of ``maximum_packet_bytes``
    where it says so (MQTT 5). ``kept``: it has kept what came for us while we were away.
    """

    receive_maximum: int
    maximum_packet_bytes: int | None
    kept: bool = False


class Closed(NamedTuple):
    """The connection was refused or lost.

    ``speaks_other_version``: another protocol version is worth a try. ``quiet``: the broker closed
    it without a word.
    """

    cause: str
    remedy: str
    speaks_other_version: bool
    quiet: bool = False


class Acknowledged(NamedTuple):
    """The broker's PUBACK for the message ``publish`` numbered so; ``refusal`` is "" if taken."""

    number: int
    refusal: str
    too_large: bool = False


class Unheard(NamedTuple):
    """The broker refuses a subscription."""

    cause: str


class Received(NamedTuple):
    """A message on a subscribed topic.

    ``again``: the broker sends it once more, having seen no acknowledgement. ``retained``: it was
    published before the subscription. ``late``: the broker has kept it while we were away.
    """

    topic: str
    payload: bytes
    again: bool = False
    retained: bool = False
    late: bool = False


class Woken(NamedTuple):
    """Somebody called ``wake``."""


Happening = Connected | Closed | Acknowledged | Unheard | Received | Woken
