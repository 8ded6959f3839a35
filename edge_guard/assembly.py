"""From a stream's table to what works on it: source, guard, reporter, threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edge_guard.annunciator import Annunciator
from edge_guard.commands.settings import Settings
from edge_guard.config import DeviceConfig, StreamTable
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.summary import Window
from edge_guard.duty import Inspector
from edge_guard.errors import BundleError, EdgeGuardError
from edge_guard.inspection import Inspection, OnResult
from edge_guard.intake import Intake, Item
from edge_guard.pipeline import Pipeline
from edge_guard.publish.outbox import Outbox
from edge_guard.reporting import Reporter
from edge_guard.selftest import SelfTest
from edge_guard.signing import read_trusted
from edge_guard.sources import Source, View, open_source
from edge_guard.sources.trigger import Bell
from edge_guard.stream import Stream
from edge_guard.types import Result
from edge_guard.worker import Worker

log = logging.getLogger(__name__)

OpenInspector = Callable[[StreamTable, Source], Inspector]


def open_pipeline(
    table: StreamTable, source: Source, *, trusted: tuple[str, ...] = ()
) -> Inspector:
    """Return the guard of a stream.

    Parameters
    ----------
    table : StreamTable
    source : Source
    trusted : tuple of str
        Public keys of whoever may sign its bundle; none: whoever.

    Raises
    ------
    BundleError, ModelError
        It cannot be used on this device, or nobody who is trusted vouches for it.
    ConfigError
        A key cannot be read.
    """
    sequential = source.live or not Path(table.source).is_dir()
    bundle = read_trusted(Path(table.bundle), trusted)
    view = View(table.region, table.rotate, table.flip)
    return Pipeline(bundle, threads=table.threads, live=sequential, view=view)


class Assembly:
    """Opens the streams of one device.

    Parameters
    ----------
    config : DeviceConfig
    outbox : Outbox
    annunciator : Annunciator
    settings : Settings
        What was made stricter than the bundles.
    open_inspector : callable
    on_result : callable
        Called with one frame and its result at a time, whichever stream it is of.
    changed : callable
        Called when the state that others see has changed.
    on_bug : callable
        Called with what no thread should ever raise.
    bell : Bell, optional
        Brings messages that trigger.
    """

    def __init__(
        self,
        config: DeviceConfig,
        outbox: Outbox,
        annunciator: Annunciator,
        settings: Settings,
        open_inspector: OpenInspector,
        on_result: OnResult,
        changed: Callable[[], None],
        on_bug: Callable[[BaseException], None],
        bell: Bell | None = None,
    ) -> None:
        self._config = config
        self._bell = bell
        self._outbox = outbox
        self._annunciator = annunciator
        self._settings = settings
        self._open_inspector = open_inspector
        self._on_result = on_result
        self._changed = changed
        self._on_bug = on_bug
        self._telling = threading.Lock()

    def open_worker(self, table: StreamTable, configured: StreamTable) -> Worker:
        """Return a stream that is ready to start.

        Parameters
        ----------
        table : StreamTable
            With the offered bundles.
        configured : StreamTable
            With the bundles that take the place of those that cannot be used any more.

        Raises
        ------
        EdgeGuardError
            Its source or a configured bundle cannot be used.
        """
        source = open_source(
            table.source,
            stream=table.name,
            watch=table.watch,
            frames_per_second=table.frames_per_second,
            loop=table.loop,
            patient=True,
            view=View(table.region, table.rotate, table.flip),
            part_name=table.part_name,
            trigger=table.trigger,
            bell=self._bell,
        )
        try:
            guards, refused = self.open_guards(table, configured, source)
        except BaseException:
            source.close()
            raise
        intake = Intake()
        stream = Stream(
            table,
            guards=guards,
            source=source,
            reporter=self._reporter(table, next(iter(guards.values())).bundle_id),
            intake=intake,
            changed=self._changed,
            spool=Path(self._config.spool.path),
            refused=refused,
        )
        self_test = SelfTest(self._config.self_test.hours or None)
        return Worker(
            stream, intake, Inspection(stream, intake, self_test, self._tell), self._on_bug
        )

    def open_guards(
        self, table: StreamTable, configured: StreamTable, source: Source
    ) -> tuple[dict[str, Inspector], dict[str, str]]:
        """Return what judges a stream's frames, by product, and why offered bundles do not.

        Raises
        ------
        ArtifactError
            A configured bundle cannot be used on this device; none stays open.
        """
        guards: dict[str, Inspector] = {}
        refused: dict[str, str] = {}
        try:
            for product, variant in table.variants().items():
                instead = configured.variants()[product]
                try:
                    guards[product] = self.open_guard(variant, source)
                except EdgeGuardError as error:
                    if variant.bundle == instead.bundle:
                        raise
                    refused[product] = f"the offered bundle gives way to the configured: {error}"
                    log.error("stream %s: %s", f"{table.name} {product}".strip(), refused[product])
                    guards[product] = self.open_guard(instead, source)
        except BaseException:
            for guard in guards.values():
                guard.close()
            raise
        return guards, refused

    def open_guard(self, table: StreamTable, source: Source) -> Inspector:
        """Return what judges the frames of a stream without products, or of one product.

        Raises
        ------
        ArtifactError
            The bundle cannot be used on this device.
        """
        with ExitStack() as opened:
            try:
                inspector = self._open_inspector(table, source)
                opened.callback(inspector.close)
                _build_monitors(inspector)
            except (LookupError, TypeError, ValueError) as error:
                words = f"{type(error).__name__}: {error}"
                raise BundleError(
                    f"bundle {table.bundle} cannot be used ({words})", "calibrate again"
                ) from error
            self.tighten(table.name, inspector)
            opened.pop_all()
        return inspector

    def tighten(self, stream: str, inspector: Inspector) -> None:
        """Have a stream's guard judge by what was made stricter, where that still holds."""
        inspector.tighten(self._settings.fitting(stream, inspector.own_limits))

    def _reporter(self, table: StreamTable, bundle: str) -> Reporter:
        return Reporter(self._outbox, table, bundle, self._annunciator)

    def _tell(self, item: Item, result: Result) -> None:
        with self._telling:
            self._on_result(item, result)


def _build_monitors(inspector: Inspector) -> None:
    """Try what a stream builds of a bundle only in its own thread, where it must not fail."""
    if inspector.drift is not None:
        Monitor(inspector.drift)
    Window(inspector.accuracy)
