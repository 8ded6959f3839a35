"""One alarm: active or cleared, acknowledged or not, shelved, out of service.

The condition reports itself as often as it likes; delays and the latch decide what becomes of it.
Times are seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_guard.alarms.rules import Rules
from edge_guard.publish.messages import IsaState


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alarm stands.

    Attributes
    ----------
    active, acknowledged : bool
    acknowledged_by : str
        Empty: nobody since it last became active.
    shelved_until : float or None
    shelved_by, out_of_service_by : str
        Empty: it is not.
    chattering : bool
        Latched because it came and went too often.
    """

    active: bool = False
    acknowledged: bool = True
    acknowledged_by: str = ""
    shelved_until: float | None = None
    shelved_by: str = ""
    out_of_service_by: str = ""
    chattering: bool = False

    @property
    def isa(self) -> IsaState:
        """The state in the words of ISA-18.2."""
        if self.out_of_service_by:
            return "out-of-service"
        if self.shelved_until is not None:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        return "normal" if self.acknowledged else "returned"


class Condition:
    """The life of one alarm. Every method may be called as often and as late as one likes.

    Parameters
    ----------
    rules : Rules
    now : float
    standing : Standing, optional
        How it stood in an earlier life; its times in the clock of this one.
    """

    def __init__(self, rules: Rules, now: float, standing: Standing | None = None) -> None:
        before = standing or Standing()
        self._rules = rules
        self._holds = self._active = before.active
        self._since = now
        self._acknowledged, self._acknowledged_by = before.acknowledged, before.acknowledged_by
        self._shelved_until, self._shelved_by = before.shelved_until, before.shelved_by
        self._out_of_service_by = before.out_of_service_by
        self._latched = before.chattering
        self._activations: deque[float] = deque(maxlen=rules.chatter_count)

    @property
    def standing(self) -> Standing:
        """How it stands, as of the last call."""
        return Standing(
            active=self._active,
            acknowledged=self._acknowledged,
            acknowledged_by=self._acknowledged_by,
            shelved_until=self._shelved_until,
            shelved_by=self._shelved_by,
            out_of_service_by=self._out_of_service_by,
            chattering=self._latched,
        )

    @property
    def holds(self) -> bool:
        """Whether the condition held when it was last reported."""
        return self._holds

    def report(self, holds: bool, now: float) -> None:
        """Take up whether the condition holds."""
        self.settle(now)
        if holds != self._holds:
            self._holds, self._since = holds, now
        self.settle(now)

    def settle(self, now: float) -> None:
        """Let what is due by ``now`` happen."""
        while self.due() <= now:
            self._step(now)

    def due(self) -> float:
        """Return when ``settle`` will next change something; infinity: not by itself."""
        times = [] if self._shelved_until is None else [self._shelved_until]
        if self._latched:
            times.append(self._since + self._rules.chatter_s)
        if self._holds and not self._active:
            times.append(self._since + self._rules.on_delay_s)
        if self._gone():
            times.append(self._since + self._rules.off_delay_s)
        return min(times, default=float("inf"))

    def acknowledge(self, by: str) -> None:
        """Somebody has seen it; nothing to see is nothing to acknowledge."""
        if not self._acknowledged:
            self._acknowledged, self._acknowledged_by = True, by

    def shelve(self, until: float, by: str) -> None:
        """Keep it quiet until then; a later word replaces an earlier one."""
        self._shelved_until, self._shelved_by = until, by

    def unshelve(self) -> None:
        """End the shelving."""
        self._shelved_until, self._shelved_by = None, ""

    def serve(self, out_of_service_by: str) -> None:
        """Take it out of service in somebody's name, or with an empty one back into service."""
        self._out_of_service_by = out_of_service_by

    def _step(self, now: float) -> None:
        if self._shelved_until is not None and now >= self._shelved_until:
            self.unshelve()
        if self._latched and now >= self._since + self._rules.chatter_s:
            self._latched = False
            self._activations.clear()
        on = self._since + self._rules.on_delay_s
        if self._holds and not self._active and now >= on:
            self._activate(on)
        elif self._gone() and now >= self._since + self._rules.off_delay_s:
            self._active = False

    def _gone(self) -> bool:
        return self._active and not self._holds and not self._latched

    def _activate(self, moment: float) -> None:
        self._active = True
        self._acknowledged, self._acknowledged_by = False, ""
        self._activations.append(moment)
        full = len(self._activations) == self._rules.chatter_count
        if full and moment - self._activations[0] <= self._rules.chatter_s:
            self._latched = True
