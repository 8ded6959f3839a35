"""A source that gives one frame for each trigger, or says that there is none.

Where messages trigger, a frame belongs to the newest trigger whose moment (its arrival and the
configured offset) is not after the frame was taken; each frame to one trigger. Whatever trigger
gets no frame becomes a ``Damaged`` one that names the part, so that a person looks: none came
before the deadline, the next trigger came first, inspection is too slow, the message was late or
unreadable, the device stops. Where pulses trigger, every frame of the camera is one part's.

A thread of its own keeps the frames at hand, so that a slow model mixes no parts up.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter, deque
from dataclasses import replace

from edge_guard.errors import SourceError
from edge_guard.sources.contract import (
    FINAL,
    TRIGGER,
    UNDECODABLE,
    Damaged,
    Source,
    SourceState,
)
from edge_guard.sources.trigger import Bell, Inbox, Trigger
from edge_guard.types import Frame

NO_IMAGE = "trigger-without-image"
"""Cause of a drop: a trigger got no frame in time."""
OVERRUN = "trigger-overrun"
"""Cause of a drop: triggers came faster than the camera or the model."""
MOST_FRAMES = 8
"""Frames that wait for inspection, beside those in the stream's own queue."""
MOST_WAITING = 10_000
"""Triggers without a frame that wait to be told; more are only counted."""
_TICK_S = 0.05
_CLOSE_S = 7.0

log = logging.getLogger(__name__)
Item = Frame | Damaged


class TriggeredSource:
    """Frames of a source that were asked for. Keeps ``edge_guard.sources.Source``.

    Parameters
    ----------
    source : Source
        Closed with this one.
    stream : str
    topic : str, optional
        Where messages trigger: theirs. None: every frame was triggered.
    bell : Bell, optional
        Brings the messages; needed with a topic.
    offset_s, deadline_s : float
        From a trigger to its moment, and from there until it is given up.
    """

    live = False

    def __init__(
        self,
        source: Source,
        stream: str,
        *,
        topic: str | None = None,
        bell: Bell | None = None,
        offset_s: float = 0.0,
        deadline_s: float = 2.0,
    ) -> None:
        self.address = source.address
        self._source, self._stream = source, stream
        self._topic, self._bell = topic, bell
        self._offset_ns, self._deadline_ns = int(offset_s * 1e9), int(deadline_s * 1e9)
        self._inbox = Inbox()
        self._due: deque[Trigger] = deque()
        self._ready: deque[Item] = deque()
        self._frames = 0
        self._sequence = 0
        self._dropped: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"trigger-{stream}", daemon=True)
        self._begun = False

    @property
    def state(self) -> SourceState:
        """As the camera's; retrying while triggers cannot come."""
        if self.finished:
            return SourceState.ENDED
        state = self._source.state
        if state not in FINAL and self._topic is not None and self._inbox.away:
            return SourceState.RETRYING
        return state

    @property
    def cause(self) -> str:
        """Why, for the states that have a why."""
        if self.finished:
            return "closed"
        if self.state is not self._source.state:
            return "the broker that brings the triggers cannot be reached: parts pass unseen"
        return self._source.cause

    @property
    def finished(self) -> bool:
        """True once it is closed and all that was triggered has been handed out."""
        with self._changed:
            return self._closed and not self._ready

    @property
    def dropped(self) -> dict[str, int]:
        """Triggers that got no frame, by cause; of a camera with pulses, also its own drops."""
        with self._changed:
            mine = +self._dropped
        theirs = self._source.dropped if self._topic is None else self._inbox.counts
        return dict(mine + Counter(theirs))

    @property
    def beyond_repair(self) -> str:
        """As the camera's."""
        return self._source.beyond_repair

    def read(self, timeout_s: float) -> Item | None:
        """Return the next triggered frame, or a damaged one for a trigger that got none.

        A camera that has failed does not end it: each trigger is still answered.
        """
        self._begin()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._closed, timeout_s)
            if not self._ready:
                return None
            item = self._ready.popleft()
            self._frames -= isinstance(item, Frame)
            return item

    def close(self) -> None:
        """Release the camera; what was triggered and not inspected can still be read."""
        if self._topic is not None and self._bell is not None:
            self._bell.detach(self._topic, self._inbox)
        self._stop.set()
        if self._begun and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_S)
        if self._topic is None and not self._thread.is_alive():
            self._empty_camera()
        self._source.close()
        with self._changed:
            if self._closed:
                return
            for trigger in (*self._due, *self._inbox.take()):
                self._without(trigger, "the device stops", NO_IMAGE)
            self._due.clear()
            self._closed = True
            self._changed.notify_all()

    def _empty_camera(self) -> None:
        """Hand out what pulses have brought before the close."""
        with contextlib.suppress(SourceError):
            while not self._source.finished and (item := self._source.read(0.0)) is not None:
                with self._changed:
                    self._hand_out(item, "")

    def _begin(self) -> None:
        """Listen from the first reading on: who opens another one beside it may still fail."""
        if not self._begun and not self._stop.is_set():
            self._begun = True
            if self._topic is not None and self._bell is not None:
                self._bell.attach(self._topic, self._inbox)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            item = None
            try:
                item = self._source.read(_TICK_S)
            except SourceError:
                pass  # its state and cause say it
            except Exception as error:
                log.exception("%s: reading failed: %s", self.address, error)
            if item is None and self._source.finished:
                self._stop.wait(_TICK_S)
            with self._changed:
                self._match(item)
                self._changed.notify_all()

    def _match(self, item: Item | None) -> None:
        """Give a frame to its trigger, and give up triggers that are overdue."""
        if self._topic is None:
            if item is not None:
                self._hand_out(item, "")
            return
        for trigger in self._inbox.take():
            if trigger.trouble:
                self._without(trigger, trigger.trouble, NO_IMAGE)
            else:
                self._due.append(trigger)
        while len(self._due) > MOST_WAITING:
            self._without(self._due.popleft(), "too many triggers wait", OVERRUN)
        if item is not None:
            self._give(item)
        now = time.monotonic_ns()
        while self._due and now - self._moment(self._due[0]) > self._deadline_ns:
            self._without(self._due.popleft(), self._why_none(), NO_IMAGE)

    def _give(self, item: Item) -> None:
        """Give a frame to the newest trigger whose moment has come; older ones get none."""
        ripe = [one for one in self._due if self._moment(one) <= item.monotonic_ns]
        if not ripe:
            return
        for trigger in ripe:
            self._due.remove(trigger)
        *older, newest = ripe
        for trigger in older:
            self._without(trigger, "the next trigger came before a frame", OVERRUN)
        if item.monotonic_ns - self._moment(newest) > self._deadline_ns:
            self._without(newest, self._why_none(), NO_IMAGE)
        else:
            self._hand_out(item, newest.part)

    def _moment(self, trigger: Trigger) -> int:
        return trigger.heard_ns + self._offset_ns

    def _why_none(self) -> str:
        why = self._source.cause
        return f"no frame came within {self._deadline_ns / 1e9:g} s" + (f": {why}" if why else "")

    def _hand_out(self, item: Item, part: str) -> None:
        if isinstance(item, Frame) and self._frames >= MOST_FRAMES:
            trigger = Trigger(part, item.monotonic_ns)
            self._without(trigger, "parts come faster than they can be inspected", OVERRUN)
            return
        if isinstance(item, Frame):
            self._frames += 1
        elif self._topic is not None:
            self._dropped[UNDECODABLE] += 1
        self._ready.append(replace(item, sequence=self._next(), part_id=part))

    def _without(self, trigger: Trigger, why: str, cause: str) -> None:
        """Tell that a trigger has no frame."""
        self._dropped[cause] += 1
        sequence = self._next()
        if len(self._ready) >= MOST_WAITING:
            return
        named = f"no image of part {trigger.part}" if trigger.part else "no image of a part"
        wall_ns = time.time_ns() - (time.monotonic_ns() - trigger.heard_ns)
        damaged = Damaged(
            self._stream,
            sequence,
            f"{named}: {why}",
            wall_ns,
            trigger.heard_ns,
            self.address,
            trigger.part,
            TRIGGER,
        )
        self._ready.append(damaged)

    def _next(self) -> int:
        sequence, self._sequence = self._sequence, self._sequence + 1
        return sequence
