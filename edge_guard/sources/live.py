"""A source that captures in a thread, keeps the newest frame only, and reconnects by itself."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from edge_guard.errors import SourceError
from edge_guard.sources.contract import (
    CLOSED,
    FINAL,
    NEWER_FRAME,
    UNDECODABLE,
    Damaged,
    Life,
    NoFrameError,
    SourceState,
)
from edge_guard.types import Exposure, Frame, Image

SILENCE_S = 4.0
"""A camera that has given no frame for this long counts as retrying, even while its read hangs."""
HUNG_S = 20.0
"""A read or opening that has not returned after this long, twice what OpenCV's limits allow, never
will: it is left behind with its thread, and the camera is opened anew in another one."""
MOST_LEFT_BEHIND = 3
"""Threads that hang in a driver at a time; then only a new process can help."""
MOST_PULSES = 16
"""Frames of a camera in trigger mode that wait to be read."""
CLOSE_S = 7.0
"""Longest wait for the capture thread at the close; one that hangs longer is left behind."""

log = logging.getLogger(__name__)


class Pulses(NamedTuple):
    """A camera in trigger mode, and the longest silence between pulses; None: any."""

    max_gap_s: float | None = None


class Camera(Protocol):
    """What a live source captures from, in its own thread."""

    def read(self) -> Image | None:
        """Return the next frame; None: undecodable. Raises SourceError when it is lost.

        NoFrameError where it answers, but had no frame within its time limit.
        """
        ...

    def exposure(self) -> Exposure | None:
        """Return how it took the last frame; None where it does not tell."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class Backoff:
    """Seconds to wait before each next attempt: doubling, capped, jittered.

    The n-th wait is min(cap, first · 2ⁿ) times a random factor between 0.5 and 1, so that cameras
    lost together do not come back all at once.
    """

    def __init__(self, first_s: float = 0.5, cap_s: float = 10.0) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._attempts = 0

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        longest_s = min(self._cap_s, self._first_s * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return longest_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again with the first wait."""
        self._attempts = 0


class LiveSource:
    """The newest frame of a camera or network stream. Keeps ``edge_guard.sources.Source``.

    Parameters
    ----------
    address : str
        Shown in messages: passwords masked.
    stream : str
        Name of the stream.
    connect : callable
        Returns an opened ``Camera`` or raises SourceError; called again after each loss.
    patient : bool
        True: a camera that is not there at first is waited for. False: SourceError.
    pulses : Pulses, optional
        The camera gives a frame for each pulse: silence is no loss, and no frame may be dropped.

    Raises
    ------
    SourceError
        The first connection failed, and the source is not patient.
    """

    live = True

    def __init__(
        self,
        address: str,
        stream: str,
        connect: Callable[[], Camera],
        *,
        patient: bool = False,
        pulses: Pulses | None = None,
    ) -> None:
        self.address = address
        self._stream = stream
        self._connect = connect
        self._life = Life()
        self._pulses = pulses
        self._most = MOST_PULSES if pulses else 1
        self._newest: deque[Frame | Damaged] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._sequence = 0
        self._heard_s = self._returned_s = time.monotonic()
        self._left_behind: list[threading.Thread] = []
        first = None if patient else connect()
        self._thread = self._started(first)

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

    @property
    def beyond_repair(self) -> str:
        """Why only a new process can bring frames back; empty while this one can."""
        if self.state is SourceState.FAILED:
            return self.cause
        hanging = sum(thread.is_alive() for thread in self._left_behind)
        return f"{hanging} reads hang in its driver" if hanging >= MOST_LEFT_BEHIND else ""

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        """Return the newest frame not yet read; see ``Source.read``."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self.finished, timeout_s)
            frame = self._newest.popleft() if self._newest else None
        if frame is None:
            self._note_silence()
            self._replace_hung()
        return frame

    def close(self) -> None:
        """Stop capturing and release the camera."""
        self._stop.set()
        self._life.move(SourceState.ENDED, "closed")
        with self._changed:
            for unread in self._newest:
                if isinstance(unread, Frame):
                    self._life.drop(CLOSED)
            self._newest.clear()
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("%s: a read hangs in the driver; left behind", self.address)

    def _note_silence(self) -> None:
        if self.state is SourceState.FAILED:
            raise SourceError(self.cause)
        waiting = self.state in (SourceState.STARTING, SourceState.RUNNING)
        limit_s = self._pulses.max_gap_s if self._pulses else SILENCE_S
        if limit_s is not None and waiting and time.monotonic() - self._heard_s > limit_s:
            self._life.move(SourceState.RETRYING, f"no frame for {limit_s:g} s")

    def _replace_hung(self) -> None:
        """Leave a thread behind that hangs in the driver, and open the camera in a new one."""
        waited_s = time.monotonic() - self._returned_s
        if waited_s < HUNG_S or self._stop.is_set() or self.beyond_repair:
            return
        log.warning(
            "%s: the driver has not answered for %.0f s; the camera is opened anew. If this comes "
            "again: check its cable and power",
            self.address,
            waited_s,
        )
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        self._left_behind.append(self._thread)
        self._returned_s = time.monotonic()
        self._thread = self._started(None)

    def _started(self, camera: Camera | None) -> threading.Thread:
        thread = threading.Thread(
            target=self._run, args=(camera,), name=f"capture-{self._stream}", daemon=True
        )
        self._thread = thread  # before it looks whether it is wanted
        thread.start()
        return thread

    @property
    def _wanted(self) -> bool:
        """False in a thread that was left behind, and for all at the end."""
        return not self._stop.is_set() and threading.current_thread() is self._thread

    def _run(self, camera: Camera | None) -> None:
        backoff = Backoff()
        try:
            while self._wanted:
                try:
                    camera = camera or self._connect()
                    self._heard_s = time.monotonic()
                    self._await_pulse()
                    self._capture(camera, backoff)
                except SourceError as error:
                    self._lost(error)
                if camera:
                    camera.close()
                    camera = None
                self._rest(backoff.next_s())
        except Exception as error:
            self._fail(error)

    def _capture(self, camera: Camera, backoff: Backoff) -> None:
        while self._wanted:
            self._returned_s = time.monotonic()
            try:
                image = camera.read()
            except NoFrameError:
                if self._pulses is None:
                    raise
                self._await_pulse()
                continue
            if not self._wanted:
                return
            self._heard_s = time.monotonic()
            backoff.reset()
            self._keep(image, camera.exposure())

    def _await_pulse(self) -> None:
        """Note that a camera in trigger mode answers, unless its silence is too long."""
        if self._pulses is None or not self._wanted:
            return
        gap_s = self._pulses.max_gap_s
        if gap_s is None or time.monotonic() - self._heard_s <= gap_s:
            self._life.move(SourceState.RUNNING)

    def _lost(self, error: SourceError) -> None:
        if self._wanted:
            log.debug("%s", error)
            self._life.move(SourceState.RETRYING, str(error))

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt; waiting is no hanging."""
        if self._wanted:
            self._returned_s = time.monotonic() + seconds
            self._stop.wait(seconds)

    def _fail(self, error: Exception) -> None:
        if threading.current_thread() is not self._thread:
            return
        log.exception("%s: capture stopped", self.address)
        self._life.move(SourceState.FAILED, f"{self.address}: capture stopped: {error!r}")
        with self._changed:
            self._changed.notify_all()

    def _keep(self, image: Image | None, exposure: Exposure | None) -> None:
        """Keep a frame, in place of the oldest that nobody has read yet where there is no room."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        wall_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        frame: Frame | Damaged
        if image is None:
            self._life.drop(UNDECODABLE)
            cause = f"{self.address}: frame {sequence} cannot be decoded"
            frame = Damaged(self._stream, sequence, cause, wall_ns, monotonic_ns, self.address)
        else:
            taken = (wall_ns, monotonic_ns)
            frame = Frame(self._stream, sequence, image, *taken, self.address, exposure)
        with self._changed:
            if not self._life.move(SourceState.RUNNING):
                if image is not None:
                    self._life.drop(CLOSED)
                return
            if len(self._newest) == self._most and isinstance(self._newest.popleft(), Frame):
                self._life.drop(NEWER_FRAME)
            self._newest.append(frame)
            self._changed.notify_all()
