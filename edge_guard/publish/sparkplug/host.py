"""The primary host's word on whether it is there: STATE messages of Sparkplug 3.0."""

from __future__ import annotations

import msgspec

from edge_guard.publish.sparkplug.session import NAMESPACE


class HostState(msgspec.Struct, frozen=True):
    """The JSON payload of a STATE message."""

    online: bool
    timestamp: int


class PrimaryHost:
    """Follows the host that an edge node speaks for; without one, it counts as there.

    Parameters
    ----------
    host_id : str or None

    Attributes
    ----------
    online : bool
    """

    def __init__(self, host_id: str | None) -> None:
        self._topic = None if host_id is None else f"{NAMESPACE}/STATE/{host_id}"
        self.connecting()

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return () if self._topic is None else (self._topic,)

    def connecting(self) -> None:
        """Know nothing: a new connection begins with the host's retained word."""
        self.online = self._topic is None
        self._said_at = 0

    def heard(self, topic: str, payload: bytes) -> bool:
        """Return whether the message is the host's word; one older than the last changes nothing.

        Raises
        ------
        ValueError
            It is the host's topic, but no STATE message.
        """
        if topic != self._topic:
            return False
        try:
            state = msgspec.json.decode(payload, type=HostState)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"{topic} is no STATE message: {error}") from error
        if state.timestamp >= self._said_at:
            self.online, self._said_at = state.online, state.timestamp
        return True
