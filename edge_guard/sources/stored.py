"""A source that reads stored frames and keeps every one: files and folders."""

from __future__ import annotations

import logging
import threading
import time

from edge_guard.errors import SourceError
from edge_guard.sources.contract import FINAL, UNDECODABLE, Damaged, Life, SourceState
from edge_guard.sources.parts import PartReader, no_part
from edge_guard.sources.reel import EndOfReelError, InterruptedReelError, Picture, Reel
from edge_guard.types import Frame

log = logging.getLogger(__name__)

CLOSE_S = 7.0
"""Longest wait at the close for a read that is under way."""


class Pace:
    """When the next frame is due, on the monotonic clock.

    Parameters
    ----------
    frames_per_second : float or None
        None: always now.
    """

    def __init__(self, frames_per_second: float | None) -> None:
        self._period_s = 1.0 / frames_per_second if frames_per_second else 0.0
        self._due_s = 0.0

    def wait(self, deadline_s: float, stop: threading.Event) -> bool:
        """Wait for the next frame's time, at most until ``deadline_s``; True when it has come."""
        now = time.monotonic()
        if self._due_s <= now:
            return True
        stop.wait(min(self._due_s, deadline_s) - now)
        return self._due_s <= time.monotonic() and not stop.is_set()

    def advance(self) -> None:
        """Set the next frame's time. A reader that fell behind is not chased by a burst."""
        now = time.monotonic()
        late = now - self._due_s >= self._period_s
        self._due_s = (now if late else self._due_s) + self._period_s


class StoredSource:
    """Frames of a reel, at a pace, once or in a loop. Keeps ``edge_guard.sources.Source``.

    Parameters
    ----------
    address : str
        Shown in messages.
    stream : str
        Name of the stream.
    reel : Reel
        Closed with the source.
    frames_per_second : float or None
        Pace; None: as fast as it is read.
    loop : bool
        Start again at the end. Sequence numbers go on.
    part_of : callable
        Returns the part id that a picture's path tells.
    """

    live = False
    beyond_repair = ""

    def __init__(
        self,
        address: str,
        stream: str,
        reel: Reel,
        *,
        frames_per_second: float | None = None,
        loop: bool = False,
        part_of: PartReader = no_part,
    ) -> None:
        self.address = address
        self._stream = stream
        self._reel = reel
        self._pace = Pace(frames_per_second)
        self._loop = loop
        self._part_of = part_of
        self._life = Life()
        self._sequence = 0
        self._round_began = 0
        self._stop = threading.Event()
        self._reading = threading.Lock()

    @property
    def state(self) -> SourceState:
        """Where the source is in its life."""
        return self._life.state

    @property
    def cause(self) -> str:
        """Why, for the states that have a why."""
        return self._life.cause

    @property
    def finished(self) -> bool:
        """True once no further frame will come."""
        return self._life.state in FINAL

    @property
    def dropped(self) -> dict[str, int]:
        """Frames not handed out, by cause."""
        return self._life.dropped

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        """Return the next frame; see ``Source.read``."""
        deadline_s = time.monotonic() + timeout_s
        with self._reading:
            if self.state is SourceState.FAILED:
                raise SourceError(self.cause)
            if self.finished or not self._pace.wait(deadline_s, self._stop):
                return None
            picture = self._next(deadline_s)
            if picture is None or not self._life.move(SourceState.RUNNING):
                return None
            self._pace.advance()
            return self._hand_out(picture)

    def close(self) -> None:
        """Release the files."""
        self._stop.set()
        self._life.move(SourceState.ENDED, "closed")
        if self._reading.acquire(timeout=CLOSE_S):
            self._reel.close()
            self._reading.release()
        else:
            log.warning("%s: a read hangs in the file system; it is left behind", self.address)

    def _next(self, deadline_s: float) -> Picture | None:
        try:
            try:
                picture = self._reel.next(deadline_s - time.monotonic(), self._stop)
            except EndOfReelError:
                if not self._loop or self._sequence == self._round_began:
                    self._life.move(SourceState.ENDED, f"all {self._sequence} frames were read")
                    return None
                self._round_began = self._sequence
                self._reel.rewind()
                picture = self._reel.next(deadline_s - time.monotonic(), self._stop)
        except InterruptedReelError as interruption:
            self._life.move(SourceState.RETRYING, str(interruption))
            self._stop.wait(max(0.0, deadline_s - time.monotonic()))
            return None
        except SourceError as error:
            self._life.move(SourceState.FAILED, str(error))
            raise
        self._life.move(SourceState.RUNNING)
        return picture

    def _hand_out(self, picture: Picture) -> Frame | Damaged:
        sequence, self._sequence = self._sequence, self._sequence + 1
        name, source = self._stream, picture.source
        wall_ns, monotonic_ns, part = time.time_ns(), time.monotonic_ns(), self._part_of(source)
        if picture.image is not None:
            image = picture.image
            return Frame(name, sequence, image, wall_ns, monotonic_ns, source, part_id=part)
        self._life.drop(UNDECODABLE)
        cause = f"{source}: {picture.cause}"
        return Damaged(name, sequence, cause, wall_ns, monotonic_ns, source, part)
