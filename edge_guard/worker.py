"""The two threads of one stream, capture and inspection: no stream waits for another's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edge_guard.errors import SourceError
from edge_guard.inspection import TICK_SECONDS, Inspection
from edge_guard.intake import Intake, Item
from edge_guard.sources.contract import SourceState
from edge_guard.stream import Stream

log = logging.getLogger(__name__)

END_SECONDS = 30.0
"""Longest wait at the end for the frame at hand; what hangs longer ends with the process."""
_CAPTURE_SECONDS = 2.0
"""The source has been closed; what does not return now hangs."""


class Worker:
    """Reads and inspects one stream.

    Parameters
    ----------
    stream : Stream
    intake : Intake
    inspection : Inspection
    on_bug : callable
        Called with what no thread should ever raise, in that thread.
    """

    def __init__(
        self,
        stream: Stream,
        intake: Intake,
        inspection: Inspection,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.stream = stream
        self.intake = intake
        self.inspection = inspection
        self._on_bug = on_bug
        self._reading_since: float | None = None
        self._capture = self._thread("capture", self._read)
        self._inspect = self._thread("inspection", inspection.run)

    def start(self) -> None:
        """Start both threads."""
        self._capture.start()
        self._inspect.start()

    @property
    def reading(self) -> bool:
        """True until the source has ended."""
        return self._capture.is_alive()

    @property
    def _owes(self) -> bool:
        """Whether each frame is a part's, so that none may be dropped."""
        return self.stream.table.trigger is not None

    @property
    def stuck_seconds(self) -> float:
        """How long the source has not returned from a read; 0 while it is not reading."""
        since = self._reading_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def ended(self) -> bool:
        """True when nothing is inspected any more."""
        return not self._inspect.is_alive()

    def wait_for_inspection(self, seconds: float) -> None:
        """Give the inspection thread time for its last frame and summary."""
        if self._inspect.ident is not None:
            self._inspect.join(seconds)

    def end(self) -> None:
        """End in order: the frame at hand is finished, what waits of a live stream is counted."""
        self.close_source()
        if self._capture.ident is not None:
            self._capture.join(END_SECONDS if self._owes else _CAPTURE_SECONDS)
        if self._owes:
            self.intake.finish()
        self.wait_for_inspection(END_SECONDS)

    def owed(self) -> list[Item]:
        """Close the source, and return the parts that it still had; none of other sources."""
        if not self._owes:
            return []
        self.stream.source.close()
        owed: list[Item] = []
        while (item := self.stream.source.read(0.0)) is not None:
            owed.append(item)
        return owed

    def close(self) -> None:
        """Release the source and the models; the threads have ended or never started."""
        self.stream.source.close()
        for guard in self.stream.guards.values():
            guard.close()

    def close_source(self) -> None:
        """Take no more frames; what an ended file has left in the queue is still inspected."""
        if self.reading:
            if not self._owes:
                self.intake.discard()
            self.stream.source.close()
        else:
            self.intake.finish()

    def _read(self) -> None:
        """Read the source to its end, or until the intake is closed."""
        stream, source = self.stream, self.stream.source
        try:
            while not source.finished:
                self._reading_since = time.monotonic()
                item = source.read(TICK_SECONDS)
                self._reading_since = None
                stream.watch_source()
                if item is not None and not self.intake.put(item, live=source.live):
                    break
            stream.watch_source()
            if source.state is SourceState.FAILED:  # it fell silent without an error
                stream.fail(source.cause)
        except SourceError as error:
            log.error("stream %s: %s", stream.name, error)
            stream.fail(str(error))
        finally:
            self._reading_since = None

    def _thread(self, what: str, target: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                target()
            except BaseException as error:
                log.exception("stream %s: its %s thread ended", self.stream.name, what)
                self._on_bug(error)

        return threading.Thread(target=run, name=f"{what} {self.stream.name}", daemon=True)
