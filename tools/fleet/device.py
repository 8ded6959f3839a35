"""One simulated device: it numbers, sends, waits for receipts and sends again, as a real one does.

The rules are those of ``docs/delivery.md``: a row stays until the collector's receipt covers it,
and a row that brought none is sent again. What is simulated is the disk: a process that is killed
forgets, but the fleet is not what is killed here.
"""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from edge_guard.publish.messages import (
    Alarm,
    BootReceipt,
    ImageReference,
    State,
    StreamState,
    Topics,
    encode,
)
from edge_guard.types import Verdict
from fleet.pictures import HEIGHT_PX, WIDTH_PX, Pictures
from fleet.reports import BUNDLE, STREAM, event_pattern, summary_of
from fleet.wire import Wire

MOST_IN_FLIGHT = 32
MOST_AGAIN_UNANSWERED = 4
"""Rows that are sent again in one round while nobody answers."""
_DRIFT_LEVELS = 12.0


@dataclass(slots=True)
class Row:
    """A message in the device's spool."""

    topic: str
    payload: bytes
    made: float
    """Monotonic seconds."""
    picture: str = ""
    """Its name; empty = none."""
    sent: float = 0.0
    """0 = never."""


@dataclass(slots=True)
class Tally:
    """What a device, or all of them, have done.

    Attributes
    ----------
    produced, receipted, resent : int
        Messages; ``resent`` counts each repetition.
    pictures : int
        How many of the messages have one.
    receipts : Counter
        How many came, by who signed them.
    lags : list of float
        Seconds from each message's making to its receipt.
    """

    produced: int = 0
    receipted: int = 0
    resent: int = 0
    pictures: int = 0
    receipts: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)


class Device:
    """A device with one stream.

    Parameters
    ----------
    name, line : str
    pictures : Pictures
    tally : Tally
        Shared with the others.
    chance : random.Random
    drifting : bool
        Whether its light changes; an alarm says so.
    again_s : float
        A row without a receipt is sent again after this time.
    """

    def __init__(
        self,
        name: str,
        line: str,
        pictures: Pictures,
        tally: Tally,
        chance: random.Random,
        drifting: bool,
        again_s: float,
    ) -> None:
        self._again_s = again_s
        self.name = name
        self.boot = uuid.UUID(int=chance.getrandbits(128)).hex[:16]
        self.sequence = 0
        self.connected = True
        self.pending: dict[int, Row] = {}
        self.topics = Topics("fleet", line, name)
        self._unsent: deque[int] = deque()
        self._flight: deque[tuple[float, int]] = deque()
        self._pictures, self._tally, self._chance = pictures, tally, chance
        self._drifting = drifting
        self._answered = False
        self._window = 0
        self._verdicts = {"accept": 0, "review": 0, "invalid": 0}
        self._event = event_pattern(name, self.boot, chance)

    def event(self) -> None:
        """Flag a frame."""
        self.sequence += 1
        name = f"{self.name}-{self.boot}-{self.sequence}"
        jpeg = self._pictures.make(name)
        verdict = Verdict.INVALID if self._chance.random() < 0.1 else Verdict.REVIEW
        self._verdicts[verdict.value] += 1
        now = _wall()
        event = msgspec.structs.replace(
            self._event,
            **self._stamp(now),
            event_id=f"{self.boot}-{self.sequence}",
            sequence=self.sequence,
            frame_sequence=self.sequence * 25,
            captured_wall_time=now,
            verdict=verdict,
            confidence=round(self._chance.random(), 3),
            p_value=round(self._chance.random() * 0.01, 5),
            image=ImageReference(hashlib.sha256(jpeg).hexdigest(), len(jpeg), WIDTH_PX, HEIGHT_PX),
        )
        self._tally.pictures += 1
        self._keep(self.topics.event(STREAM), event, name)

    def summary(self, seconds: float) -> None:
        """Sum up a window."""
        self.sequence += 1
        now, shift = _wall(), _DRIFT_LEVELS if self._drifting else 0.0
        summary = summary_of(self._event, self.sequence, self._window, now, seconds, shift)
        self._window += 1
        self._keep(self.topics.summary(STREAM), summary)

    def alarm(self) -> None:
        """Say that the light has changed, if it has."""
        if not self._drifting:
            return
        self.sequence += 1
        now = _wall()
        alarm = Alarm(
            **self._stamp(now),
            sequence=self.sequence,
            stream=STREAM,
            alarm="drift",
            state="raised",
            cause="illumination",
            message=f"illumination: more light, +{_DRIFT_LEVELS:.1f} ± 0.5 grey levels",
            since_wall_time=now,
            evidence={"levels": _DRIFT_LEVELS},
        )
        self._keep(self.topics.alarm(STREAM, "drift"), alarm)

    def state(self, wire: Wire) -> None:
        """Tell how it is; offline is what the broker would say in its place."""
        stream = StreamState(
            name=STREAM,
            state="running",
            cause="",
            bundle=BUNDLE,
            last_frame_wall_time=_wall(),
            frames=self.sequence * 25,
            frames_per_second=25.0,
            verdicts=dict(self._verdicts),
            dropped={},
        )
        state = State(
            **self._stamp(_wall()),
            state="online" if self.connected else "offline",
            causes=(),
            version="fleet",
            streams=(stream,) if self.connected else (),
            produced=self.sequence,
            backlog=len(self.pending),
        )
        wire.publish(self.topics.state(), encode(state), retain=True)

    def send(self, wire: Wire, now: float) -> None:
        """Send what its window allows: first what brought no receipt in time, then what is new."""
        if not self.connected:
            return
        self._send_again(wire, now)
        while self._unsent and len(self._flight) < MOST_IN_FLIGHT:
            sequence = self._unsent.popleft()
            self._post(wire, sequence, self.pending[sequence], now)

    def _send_again(self, wire: Wire, now: float) -> None:
        most = MOST_IN_FLIGHT if self._answered else MOST_AGAIN_UNANSWERED
        again = 0
        while self._flight and self._flight[0][0] <= now - self._again_s:
            _, sequence = self._flight.popleft()
            row = self.pending[sequence]
            if again < most:
                again += 1
                self._post(wire, sequence, row, now)
            else:
                self._flight.append((now, sequence))
        self._answered = self._answered and not again
        self._tally.resent += again

    def receipt(self, boot: BootReceipt, now: float) -> None:
        """Forget what is stored."""
        if boot.boot_id != self.boot:
            return
        stored = [s for s in self.pending if s <= boot.highest and not _in_gap(s, boot)]
        for sequence in stored:
            row = self.pending[sequence]
            if row.sent:  # a receipt for what never left is not believed
                del self.pending[sequence]
                self._tally.receipted += 1
                self._tally.lags.append(now - row.made)
        self._answered = True
        if stored:
            self._flight = deque(one for one in self._flight if one[1] in self.pending)

    def _post(self, wire: Wire, sequence: int, row: Row, now: float) -> None:
        wire.publish(row.topic, row.payload)
        if row.picture:
            topic = self.topics.image(STREAM, f"{self.boot}-{sequence}")
            wire.publish(topic, self._pictures.make(row.picture))
        row.sent = now
        self._flight.append((now, sequence))

    def _keep(self, topic: str, message: msgspec.Struct, picture: str = "") -> None:
        self.pending[self.sequence] = Row(topic, encode(message), time.monotonic(), picture)
        self._unsent.append(self.sequence)
        self._tally.produced += 1

    def _stamp(self, wall_time: str) -> dict[str, Any]:
        return {
            "device": self.name,
            "boot_id": self.boot,
            "wall_time": wall_time,
            "monotonic_ns": time.monotonic_ns(),
            "clock_synchronised": True,
        }


def _in_gap(sequence: int, boot: BootReceipt) -> bool:
    return any(first <= sequence <= last for first, last in boot.gaps)


def _wall() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
