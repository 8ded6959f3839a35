"""Notices a hung model or driver, and keeps the service manager quiet while all is well."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from edge_guard.inspection import Turn
from edge_guard.notify import notify
from edge_guard.worker import Worker

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
"""An inspection thread that is not seen for this long beside its model's time is stuck."""
STUCK_SECONDS = 8.0
"""A source whose read has not returned for this long, sixteen times its limit, is stuck."""
REPAIR_AFTER_SECONDS = 600.0
"""Only a process that has run so long is given up for one bad camera: the other streams live in
it, too, and a camera that is broken for good must not restart them all the time."""
_LAST_WORDS_SECONDS = 1.0


class Watchdog:
    """A thread that watches every stream's threads.

    When a model does not answer within its stream's ``model_timeout_seconds``, the frame and all
    that wait behind it are reported for review, an alarm is raised, the other streams finish their
    frames, and ``on_hang`` is called: a thread inside a hung library cannot be ended, so the
    process has to be. A camera whose driver hangs ends it too, see `REPAIR_AFTER_SECONDS`.

    Parameters
    ----------
    workers : callable
        Returns the streams of now.
    on_hang : callable
        Called in this thread once everything is on the disk; must not return.
    """

    def __init__(
        self, workers: Callable[[], Collection[Worker]], on_hang: Callable[[str], None]
    ) -> None:
        self._workers = workers
        self._on_hang = on_hang
        self._began_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_PERIOD_SECONDS):
            for worker in self._workers():
                turn = worker.inspection.overdue()
                if turn is not None:
                    self._give_up(worker, turn)
                    return
                if cause := self._camera_trouble(worker):
                    self._restart(cause)
                    return
            if all(_alive(worker) for worker in self._workers()):
                notify("WATCHDOG=1")

    def _camera_trouble(self, worker: Worker) -> str:
        """Return why the process must end for a camera, empty when it need not."""
        if worker.stuck_seconds > STUCK_SECONDS:
            worker.stream.stuck(worker.stuck_seconds)
            cause = f"a read has not returned for {worker.stuck_seconds:.0f} s"
        else:
            cause = worker.stream.source.beyond_repair
        if not cause or time.monotonic() - self._began_at < REPAIR_AFTER_SECONDS:
            return ""
        return f"stream {worker.stream.name}: {cause}"

    def _give_up(self, worker: Worker, turn: Turn) -> None:
        """Report what the hung model leaves behind, then end the process."""
        seconds = time.monotonic() - turn.since
        worker.stream.hung(seconds)
        at_hand = [] if turn.item is None else [turn.item]
        worker.inspection.fail_safe([*at_hand, *worker.intake.drain()])
        worker.inspection.fail_safe(worker.owed())
        worker.stream.close_window(now=True)
        self._restart(
            f"stream {worker.stream.name}: its model has not answered for {seconds:.0f} s; "
            "its frames go to a person"
        )

    def _restart(self, cause: str) -> None:
        log.critical("%s. edge-guard starts anew", cause)
        for worker in self._workers():
            worker.intake.discard()
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        for worker in self._workers():
            worker.wait_for_inspection(max(0.0, deadline - time.monotonic()))
        self._on_hang(cause)


def _alive(worker: Worker) -> bool:
    limit = worker.stream.table.model_timeout_seconds + _PATIENCE_SECONDS
    return worker.ended or time.monotonic() - worker.inspection.alive_at < limit
