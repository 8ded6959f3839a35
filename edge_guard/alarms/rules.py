"""When a condition becomes an alarm, and when it stops being one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Delays and chatter of one alarm.

    Attributes
    ----------
    on_delay_s, off_delay_s : float
        The condition must last so long before the alarm becomes active, and be gone so long before
        it clears.
    chatter_count, chatter_s : int, float
        An alarm that becomes active ``chatter_count`` times within ``chatter_s`` is latched: it
        stays active until its condition has kept still for ``chatter_s``.
    """

    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    chatter_count: int = 5
    chatter_s: float = 60.0


class DeadBand:
    """A value against a limit, without flutter at the limit.

    Parameters
    ----------
    high, low : float
        True from ``high`` on, until the value is at or below ``low``; ``low`` ≤ ``high``.
    """

    def __init__(self, high: float, low: float) -> None:
        if not low <= high:
            raise ValueError(f"low {low} is above high {high}")
        self._high, self._low = high, low
        self.active = False

    def update(self, value: float) -> bool:
        """Return whether the condition holds; a value that is not a number changes nothing."""
        if value >= self._high:
            self.active = True
        elif value <= self._low:
            self.active = False
        return self.active
