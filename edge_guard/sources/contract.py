"""What every source is: its frames, its states, its counts of what was dropped.

starting ──▶ running ◀──▶ retrying         ended and failed are final; every other state
    └────────────┴────────────┴──▶ ended   may go to them.
                              └──▶ failed
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from edge_guard.errors import SourceError
from edge_guard.types import Frame

NEWER_FRAME = "newer-frame"
"""Cause of a drop: a newer frame came before this one was read."""
UNDECODABLE = "undecodable"
"""Cause of a drop: the bytes do not make an image."""
CLOSED = "closed"
"""Cause of a drop: the source was closed before the frame was read."""

FORMAT, TRIGGER = "gate.format", "trigger"
"""Who speaks of a frame that is none: the check of its bytes, or the trigger that brought none."""


class SourceState(StrEnum):
    """Where a source is in its life."""

    STARTING = "starting"
    """Opened; no frame yet."""
    RUNNING = "running"
    """Frames come, or a camera in trigger mode waits for its next pulse."""
    RETRYING = "retrying"
    """Frames have stopped; the source tries to get them back."""
    ENDED = "ended"
    """All frames were read, or the source was closed."""
    FAILED = "failed"
    """Frames have stopped for good; ``cause`` says why."""


FINAL = frozenset({SourceState.ENDED, SourceState.FAILED})
TRANSITIONS = {
    SourceState.STARTING: FINAL | {SourceState.RUNNING, SourceState.RETRYING},
    SourceState.RUNNING: FINAL | {SourceState.RETRYING},
    SourceState.RETRYING: FINAL | {SourceState.RUNNING},
    SourceState.ENDED: frozenset[SourceState](),
    SourceState.FAILED: frozenset[SourceState](),
}


@dataclass(frozen=True, slots=True)
class Damaged:
    """A frame that was due but is none: its bytes do not make an image, or it never came.

    Attributes
    ----------
    stream, sequence, wall_ns, monotonic_ns, source, part_id
        As in ``Frame``; the sequence is used up.
    cause : str
        One sentence for people, naming the file where there is one.
    guard : str
        Which check speaks: `FORMAT`, or `TRIGGER` where a trigger has no image.
    """

    stream: str
    sequence: int
    cause: str
    wall_ns: int = 0
    monotonic_ns: int = 0
    source: str = ""
    part_id: str = ""
    guard: str = FORMAT


class NoFrameError(SourceError):
    """No frame within the time limit, though the camera answers: it may wait for a pulse."""


class Source(Protocol):
    """Frames of one stream. One reader; ``close`` and the properties may be used by any thread."""

    @property
    def address(self) -> str:
        """Where the frames come from, passwords masked: fit for logs and messages."""
        ...

    @property
    def live(self) -> bool:
        """True: only the newest frame is kept. False: every frame is."""
        ...

    @property
    def state(self) -> SourceState:
        """Where the source is in its life."""
        ...

    @property
    def cause(self) -> str:
        """Why the source is retrying, failed or ended; empty while it starts or runs."""
        ...

    @property
    def finished(self) -> bool:
        """True once the state is final: no further frame will come."""
        ...

    @property
    def dropped(self) -> dict[str, int]:
        """Frames since the opening that were not handed out as a ``Frame``, by cause."""
        ...

    @property
    def beyond_repair(self) -> str:
        """Why only a new process can bring frames back; empty while the source can itself."""
        ...

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        """Return the next frame, or None when there is none within ``timeout_s``.

        At the end it returns None at once and ``finished`` is True:

            while not source.finished:
                frame = source.read(0.5)

        Raises
        ------
        SourceError
            The state is ``failed``.
        """
        ...

    def close(self) -> None:
        """Release the camera or file; bounded in time, harmless when repeated.

        What a trigger has brought is a part's and can still be read; then ``finished`` is True.
        """
        ...


class Life:
    """State, cause and drop counts of one source, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = SourceState.STARTING
        self._cause = ""
        self._dropped: Counter[str] = Counter()

    @property
    def state(self) -> SourceState:
        """The state now."""
        return self._state

    @property
    def cause(self) -> str:
        """Why, for the states that have a why."""
        return self._cause

    @property
    def dropped(self) -> dict[str, int]:
        """A copy of the counts."""
        with self._lock:
            return dict(self._dropped)

    def drop(self, cause: str) -> None:
        """Count one dropped frame."""
        with self._lock:
            self._dropped[cause] += 1

    def move(self, state: SourceState, cause: str = "") -> bool:
        """Go to ``state`` and return True; stay and return False where that is not allowed.

        A thread that reports "running" while another one closes the source loses: the final
        states are final. The same state again only renews the cause.
        """
        with self._lock:
            if state is not self._state and state not in TRANSITIONS[self._state]:
                return False
            if state is self._state and state in FINAL:
                return False
            self._state, self._cause = state, cause
            return True
