"""What a device says of itself: its retained state, its counts, its metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge_guard import __version__
from edge_guard.errors import StoreError
from edge_guard.metrics import Status, StreamStatus
from edge_guard.publish.messages import State
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.stamp import clock_synchronised, stamp
from edge_guard.reload import Reloader

UNTIMELY = "products go by the time of day, and no time service has set the clock"
log = logging.getLogger(__name__)


class Account:
    """Reads what the parts of a device know. Thread-safe.

    Parameters
    ----------
    device : str
        Its id.
    outbox : Outbox
    reloader : Reloader
    link_causes : callable
        Returns what is wrong between here and the collector.
    """

    def __init__(
        self,
        device: str,
        outbox: Outbox,
        reloader: Reloader,
        link_causes: Callable[[], tuple[str, ...]],
    ) -> None:
        self._device = device
        self._outbox = outbox
        self._reloader = reloader
        self._link_causes = link_causes

    def state(self) -> State:
        """Return the device as it is now, for the retained state."""
        causes = [*self._outbox.causes]
        if self._reloader.problem:
            causes.append(self._reloader.problem)
        streams = [worker.stream for worker in self._reloader.workers.values()]
        for stream in streams:
            causes += stream.reporter.alarms()
            if any(product.times for product in stream.table.product) and not clock_synchronised():
                causes.append(f"{stream.name}: {UNTIMELY}")
        produced, backlog = self.counts()
        return State(
            **stamp(self._device, self._outbox.spool.boot_id),
            state="online",
            causes=tuple(causes),
            version=__version__,
            streams=tuple(stream.snapshot() for stream in streams),
            produced=produced,
            backlog=backlog,
        )

    def counts(self) -> tuple[int, int]:
        """Return the highest sequence of this boot, and how many messages wait for a receipt."""
        try:
            return self._outbox.spool.produced(), self._outbox.spool.backlog()
        except StoreError as error:
            log.error("%s", error)
            return 0, 0

    def status(self) -> Status:
        """Return what ``/metrics`` and ``/health`` tell."""
        streams = {
            name: StreamStatus(
                worker.inspection.meter,
                len(worker.stream.reporter.alarms()),
                worker.stream.self_test and worker.stream.self_test.passed,
            )
            for name, worker in self._reloader.workers.items()
        }
        return Status(self.state(), streams, self._outbox, self._link_causes())
