"""The topics of a device."""

from __future__ import annotations

from edge_guard.errors import ConfigError

PREFIX = "edge-guard/v1"


class Topics:
    """The topics of one device: ``{prefix}/{site}/{line}/{device}/…``."""

    def __init__(self, site: str, line: str, device: str, prefix: str = PREFIX) -> None:
        for key, level in (("site", site), ("line", line), ("id", device)):
            if not level or set(level) & set("/+#\0"):
                raise ConfigError(
                    f"device {key} {level!r} cannot be part of an MQTT topic",
                    "use letters, digits, '-' and '_'",
                )
        self.base = f"{prefix}/{site}/{line}/{device}"

    def state(self) -> str:
        """Return the retained topic of the device's state and last will."""
        return f"{self.base}/state"

    def event(self, stream: str) -> str:
        """Return the topic of flagged frames."""
        return f"{self.base}/event/{stream}"

    def image(self, stream: str, event_id: str) -> str:
        """Return the topic of one event's picture."""
        return f"{self.base}/image/{stream}/{event_id}"

    def result(self, stream: str) -> str:
        """Return the topic of every frame's verdict."""
        return f"{self.base}/result/{stream}"

    def summary(self, stream: str) -> str:
        """Return the topic of window summaries."""
        return f"{self.base}/summary/{stream}"

    def alarm(self, stream: str, alarm: str) -> str:
        """Return the retained topic of one alarm."""
        return f"{self.base}/alarm/{stream}/{alarm}"

    def dropped(self) -> str:
        """Return the topic of reports of messages that will not come."""
        return f"{self.base}/dropped"

    def receipt(self) -> str:
        """Return the topic on which the collector answers."""
        return f"{self.base}/receipt"

    def command(self) -> str:
        """Return the topic on which the device is told what to do."""
        return f"{self.base}/command"

    def reply(self) -> str:
        """Return the topic on which the device says what became of a command."""
        return f"{self.base}/reply"
