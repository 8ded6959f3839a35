"""The device's life: what is opened, which threads run, how it ends.

starting ──▶ running ──▶ stopping ──▶ stopped
    └───────────┴────────────┴──────▶ failed
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from edge_guard.account import Account
from edge_guard.annunciator import Annunciator
from edge_guard.assembly import Assembly, OpenInspector, open_pipeline
from edge_guard.commands.executor import Commands
from edge_guard.commands.settings import Settings
from edge_guard.config import DeviceConfig
from edge_guard.errors import SourceError
from edge_guard.inspection import OnResult
from edge_guard.notify import RESTART_CODE, notify
from edge_guard.offered import OfferedBundles
from edge_guard.phase import TRANSITIONS, Phase
from edge_guard.publish.messages import State, Topics
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher
from edge_guard.publish.sparkplug.node import EdgeNode
from edge_guard.reload import Reloader
from edge_guard.status_server import StatusServer
from edge_guard.stream import Stream
from edge_guard.trigger_desk import TriggerDesk
from edge_guard.watchdog import Watchdog
from edge_guard.worker import Worker

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""How long an orderly stop waits for receipts; what has none by then stays on the disk."""
_HANG_DRAIN_SECONDS = 2.0
_POLL_SECONDS = 0.2


class Daemon:
    """A device: its streams, its spool, its connection.

    Parameters
    ----------
    config : DeviceConfig
        With absolute paths.
    on_result : callable
        Called with each frame and its result, when its messages are on the disk.
    open_inspector : callable, optional
        Opens what judges a stream; default: its bundle, if a trusted key vouches for it.
    reread : callable
        Returns the configuration as it is now, for a reload.
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
    outbox : Outbox
    final_counts : tuple of (int, int)
        ``counts()`` at the end.
    """

    def __init__(
        self,
        config: DeviceConfig,
        on_result: OnResult = lambda item, result: None,
        *,
        open_inspector: OpenInspector | None = None,
        reread: Callable[[], DeviceConfig] | None = None,
        timing: dict[str, Any] | None = None,
    ) -> None:
        self.phase = Phase.STARTING
        self._config = config
        self._reread = reread
        self._ending = threading.Event()
        self._asked_to_stop = self._asked_to_reload = False
        self._error: BaseException | None = None
        self.final_counts = (0, 0)
        device = config.device
        topics = Topics(device.site, device.line, device.id, config.mqtt.prefix)
        self.outbox = Outbox(Path(config.spool.path), config.spool.max_bytes, device.id, topics)
        self._opened = ExitStack()
        self._opened.callback(self.outbox.spool.close)
        try:
            desk = TriggerDesk()
            client = f"edge-guard-{device.site}-{device.line}-{device.id}"
            self._publisher = Publisher(
                config.mqtt,
                self.outbox,
                client,
                self.describe,
                on_command=self._take_command,
                triggers=desk,
                **(timing or {}),
            )
            annunciator = Annunciator(self.outbox, config.alarm)
            annunciator.resume({table.name for table in config.stream})
            settings = Settings(Path(config.spool.path) / "settings.json")
            assembly = Assembly(
                config,
                self.outbox,
                annunciator,
                settings,
                open_inspector or partial(open_pipeline, trusted=device.trusted_keys),
                on_result,
                self._publisher.announce,
                self._fail,
                desk,
            )
            self._commands = Commands(
                device.id,
                self,
                self.outbox,
                annunciator,
                settings,
                self._publisher.repeat,
                self._publisher.announce,
                Path(config.spool.path) / "bundles",
                config.mqtt.tls.ca_file if config.mqtt.tls else None,
            )
            offered = OfferedBundles(Path(config.spool.path))
            self._reloader = Reloader(assembly, offered, config, desk)
            self._account = Account(
                device.id, self.outbox, self._reloader, lambda: self._publisher.causes
            )
            self._reloader.open_all()
            self._opened.callback(self._close_workers)
            self._watchdog = Watchdog(self._workers, self._abandon)
            if (port := config.metrics.port) is not None:
                server = StatusServer(config.metrics.host, port, self._account.status)
                self._opened.callback(server.close)
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Work until all streams have ended or ``stop`` is called; then end in order.

        Raises
        ------
        SourceError
            Every stream has failed.
        """
        self._publisher.start()
        self._commands.start()
        self._watchdog.start()
        self._speak_sparkplug()
        for worker in self._workers():
            worker.start()
        self._move(Phase.RUNNING)
        notify("READY=1")
        reloading = threading.Thread()
        while not self.stopping and (
            reloading.is_alive() or any(worker.reading for worker in self._workers())
        ):
            self._ending.wait(_POLL_SECONDS)
            if self._asked_to_reload and not reloading.is_alive():
                self._asked_to_reload = False
                reloading = threading.Thread(target=self._reload, name="reload", daemon=True)
                reloading.start()
        self._end()
        if self._error is not None:
            raise self._error
        failures = [stream.failure for stream in self.streams.values()]
        if all(failures):
            raise SourceError("every stream has failed", failures[0])

    def stop(self) -> None:
        """Ask for an orderly end: the frame at hand is finished. Callable from a signal handler."""
        self._asked_to_stop = True  # no Event: the handler may interrupt who holds its lock

    def reload(self) -> None:
        """Ask for the configuration to be read again. Callable from a signal handler."""
        self._asked_to_reload = True

    def reload_bundle(
        self, stream: str, path: str | Path, *, product: str = "", other_model: bool = False
    ) -> str:
        """Let another bundle guard a stream from the next frame on; return its id.

        It is opened and self-tested beside the old one, which goes on meanwhile; no frame is lost.
        It guards the stream after a restart, too, until the configuration names another one.

        Parameters
        ----------
        stream : str
        path : str or Path
            Copied; it may be removed afterwards.
        product : str
            Which of the stream's products it is for; empty on a stream without.
        other_model : bool
            Whether it may be for another model than the one in use.

        Raises
        ------
        EdgeGuardError
            It is not used, and why; the old one goes on, and an alarm says so.
        """
        return self._reloader.take_bundle(
            stream, Path(path), product=product, other_model=other_model
        )

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams of now, by name."""
        return {name: worker.stream for name, worker in self._reloader.workers.items()}

    @property
    def stopping(self) -> bool:
        """True once ``stop`` was called, or a thread has failed."""
        return self._asked_to_stop or self._ending.is_set()

    def describe(self) -> State:
        """Return the device as it is now, for the retained state."""
        return self._account.state()

    def counts(self) -> tuple[int, int]:
        """Return the highest sequence of this boot, and how many messages wait for a receipt."""
        return self._account.counts()

    def verdicts(self) -> Counter[str]:
        """Return how many frames got which verdict, over all streams."""
        return sum((stream.verdicts for stream in self.streams.values()), Counter[str]())

    def close(self) -> None:
        """Release models, sources and the spool."""
        self._opened.close()

    def _speak_sparkplug(self) -> None:
        """Start the edge node where there is to be one."""
        mqtt, table, device = self._config.mqtt, self._config.sparkplug, self._config.device.id
        if table is not None:
            node = EdgeNode(mqtt, table, device, self.describe, self.outbox.spool.alarms)
            self._opened.callback(node.stop)
            node.start()

    def _reload(self) -> None:
        """Read the configuration again; in a thread, for a bundle may hang when it is opened."""
        if self._reread is not None:
            self._reloader.reread(self._reread)
            self._publisher.announce()

    def _take_command(self, payload: bytes) -> None:
        self._commands.take(payload)

    def _workers(self) -> Collection[Worker]:
        return self._reloader.workers.values()

    def _close_workers(self) -> None:
        for worker in self._workers():
            worker.close()

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._ending.set()

    def _end(self) -> None:
        self._move(Phase.STOPPING)
        notify("STOPPING=1")
        for worker in self._workers():
            worker.close_source()
        for worker in self._workers():
            worker.end()  # the watchdog bounds inspection, the sources bound capture
        self._watchdog.stop()
        self._commands.stop()
        self._publisher.stop(DRAIN_SECONDS)
        self.final_counts = self.counts()
        self.close()
        self._move(Phase.FAILED if self._error else Phase.STOPPED)

    def _abandon(self, cause: str) -> None:
        """End the process with a hung thread in it; what is to be said is on the disk."""
        notify(f"STATUS={cause}")
        goodbye = threading.Thread(
            target=self._publisher.stop, args=(_HANG_DRAIN_SECONDS,), daemon=True
        )
        goodbye.start()
        goodbye.join(_HANG_DRAIN_SECONDS)
        logging.shutdown()
        os._exit(RESTART_CODE)

    def _move(self, phase: Phase) -> None:
        if phase not in TRANSITIONS[self.phase]:
            raise RuntimeError(f"daemon cannot go from {self.phase} to {phase}")
        log.info("edge-guard is %s", phase)
        self.phase = phase
