"""The device's life: what is opened, which threads run, how it ends.

starting ──▶ running ──▶ stopping ──▶ stopped
    └───────────┴────────────┴──────▶ failed
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge_guard import __version__
from edge_guard.bundle import read_bundle
from edge_guard.config import DeviceConfig, StreamTable
from edge_guard.errors import ModelError, SourceError, StoreError
from edge_guard.inspection import Inspection, OnResult, capture
from edge_guard.intake import Intake
from edge_guard.pipeline import Pipeline
from edge_guard.publish.messages import Alarm, State, Topics, decode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher
from edge_guard.publish.stamp import stamp
from edge_guard.reporting import Reporter
from edge_guard.sources import Source, open_source
from edge_guard.stream import Inspector, Stream
from edge_guard.watchdog import Watchdog, notify

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""How long an orderly stop waits for receipts; what has none by then stays on the disk."""
_HANG_DRAIN_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.2


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


TRANSITIONS = {
    Phase.STARTING: {Phase.RUNNING, Phase.STOPPING, Phase.FAILED},
    Phase.RUNNING: {Phase.STOPPING, Phase.FAILED},
    Phase.STOPPING: {Phase.STOPPED, Phase.FAILED},
    Phase.STOPPED: set[Phase](),
    Phase.FAILED: set[Phase](),
}


def open_pipeline(table: StreamTable, source: Source) -> Inspector:
    """Return the guard of a stream.

    Raises
    ------
    BundleError, ModelError
        It cannot be used on this device.
    """
    sequential = source.live or not Path(table.source).is_dir()
    return Pipeline(read_bundle(Path(table.bundle)), threads=table.threads, live=sequential)


class Daemon:
    """A device: its streams, its spool, its connection.

    Parameters
    ----------
    config : DeviceConfig
        With absolute paths.
    on_result : callable
        Called with each frame and its result, when its messages are on the disk.
    open_inspector : callable
        Opens what judges a stream.
    timing : dict
        Keyword arguments of ``Publisher``.

    Raises
    ------
    EdgeGuardError
        A source, bundle or the spool cannot be opened. A broker that cannot be reached is no
        error: the device works, and tries again.

    Attributes
    ----------
    phase : Phase
    streams : dict of str to Stream
    outbox : Outbox
    final_counts : tuple of (int, int)
        ``counts()`` at the end.
    """

    def __init__(
        self,
        config: DeviceConfig,
        on_result: OnResult = lambda item, result: None,
        *,
        open_inspector: Callable[[StreamTable, Source], Inspector] = open_pipeline,
        timing: dict[str, Any] | None = None,
    ) -> None:
        self.phase = Phase.STARTING
        self._config = config
        self._ending = threading.Event()
        self._asked_to_stop = False
        self._error: BaseException | None = None
        self.final_counts = (0, 0)
        device = config.device
        topics = Topics(device.site, device.line, device.id, config.mqtt.prefix)
        self.outbox = Outbox(Path(config.spool.path), config.spool.max_bytes, device.id, topics)
        self._opened = ExitStack()
        self._opened.callback(self.outbox.spool.close)
        self._intake = Intake(table.name for table in config.stream)
        self.streams: dict[str, Stream] = {}
        try:
            for table in config.stream:
                self.streams[table.name] = self._open_stream(table, open_inspector)
        except BaseException:
            self.close()
            raise
        self._adopt_alarms()
        self._inspection = Inspection(self.streams, self._intake, on_result)
        client = f"edge-guard-{device.site}-{device.line}-{device.id}"
        self._publisher = Publisher(
            config.mqtt, self.outbox, client, self.describe, **(timing or {})
        )
        slowest = max(table.model_timeout_seconds for table in config.stream)
        self._watchdog = Watchdog(
            self._inspection, self._intake, self._abandon, slowest + _PATIENCE_SECONDS
        )

    def run(self) -> None:
        """Work until all streams have ended or ``stop`` is called; then end in order.

        Raises
        ------
        SourceError
            Every stream has failed.
        """
        captures = [
            self._thread(f"capture {stream.name}", capture, stream, self._intake)
            for stream in self.streams.values()
        ]
        inspection = self._thread("inspection", self._inspection.run)
        self._publisher.start()
        self._watchdog.start()
        for thread in (*captures, inspection):
            thread.start()
        self._move(Phase.RUNNING)
        notify("READY=1")
        while not self.stopping and any(t.is_alive() for t in captures):
            self._ending.wait(_POLL_SECONDS)
        self._end(captures, inspection)
        if self._error is not None:
            raise self._error
        failures = [stream.failure for stream in self.streams.values()]
        if all(failures):
            raise SourceError("every stream has failed", failures[0])

    def stop(self) -> None:
        """Ask for an orderly end: the frame at hand is finished. Callable from a signal handler."""
        self._asked_to_stop = True  # no Event: the handler may interrupt who holds its lock

    @property
    def stopping(self) -> bool:
        """True once ``stop`` was called, or a thread has failed."""
        return self._asked_to_stop or self._ending.is_set()

    def describe(self) -> State:
        """Return the device as it is now, for the retained state."""
        causes = [*self.outbox.causes]
        for stream in self.streams.values():
            causes += stream.reporter.alarms()
        produced, backlog = self.counts()
        return State(
            **stamp(self._config.device.id, self.outbox.spool.boot_id),
            state="online",
            causes=tuple(causes),
            version=__version__,
            streams=tuple(stream.snapshot() for stream in self.streams.values()),
            produced=produced,
            backlog=backlog,
        )

    def counts(self) -> tuple[int, int]:
        """Return the highest sequence of this boot, and how many messages wait for a receipt."""
        try:
            return self.outbox.spool.produced(), self.outbox.spool.backlog()
        except StoreError as error:
            log.error("%s", error)
            return 0, 0

    def verdicts(self) -> Counter[str]:
        """Return how many frames got which verdict, over all streams."""
        return sum((stream.verdicts for stream in self.streams.values()), Counter[str]())

    def close(self) -> None:
        """Release models, sources and the spool."""
        self._opened.close()

    def _open_stream(
        self, table: StreamTable, open_inspector: Callable[[StreamTable, Source], Inspector]
    ) -> Stream:
        source = open_source(
            table.source,
            stream=table.name,
            watch=table.watch,
            frames_per_second=table.frames_per_second,
            loop=table.loop,
            patient=True,
        )
        self._opened.callback(source.close)
        inspector = open_inspector(table, source)
        self._opened.callback(inspector.close)
        reporter = Reporter(self.outbox, table, inspector.bundle_id)
        return Stream(
            table,
            inspector=inspector,
            source=source,
            reporter=reporter,
            intake=self._intake,
            changed=self._announce,
            memory=Path(self._config.spool.path) / f"drift-{table.name}.npz",
        )

    def _announce(self) -> None:
        self._publisher.announce()

    def _adopt_alarms(self) -> None:
        """Go on with alarms that an earlier boot left raised; the streams clear them."""
        for payload in self.outbox.spool.alarms():
            alarm = decode(payload, Alarm)
            if alarm.state == "raised" and alarm.stream in self.streams:
                self.streams[alarm.stream].reporter.adopt(alarm)

    def _thread(self, name: str, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        def run() -> None:
            try:
                target(*arguments)
            except BaseException as error:
                log.exception("thread %s ended", name)
                self._error = error
                self._ending.set()

        return threading.Thread(target=run, name=name, daemon=True)

    def _end(self, captures: list[threading.Thread], inspection: threading.Thread) -> None:
        self._move(Phase.STOPPING)
        notify("STOPPING=1")
        if any(thread.is_alive() for thread in captures):
            self._intake.discard()
            for stream in self.streams.values():
                stream.source.close()
        else:
            self._intake.finish()
        for thread in (*captures, inspection):
            thread.join()  # the watchdog bounds inspection, the sources bound capture
        self._watchdog.stop()
        self._publisher.stop(DRAIN_SECONDS)
        self.final_counts = self.counts()
        self.close()
        self._move(Phase.FAILED if self._error else Phase.STOPPED)

    def _abandon(self, cause: str) -> None:
        """End the process with a hung thread in it; what is to be said is on the disk."""
        self._publisher.stop(_HANG_DRAIN_SECONDS)
        notify(f"STATUS={cause}")
        logging.shutdown()
        os._exit(ModelError.exit_code)

    def _move(self, phase: Phase) -> None:
        if phase not in TRANSITIONS[self.phase]:
            raise RuntimeError(f"daemon cannot go from {self.phase} to {phase}")
        log.info("daemon %s", phase)
        self.phase = phase
