"""New bundles and settings for streams that go on working: opened beside the old ones, tried, then
taken over between two frames, or not at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from edge_guard.assembly import Assembly
from edge_guard.changeover import no_such_product
from edge_guard.config import DeviceConfig, StreamTable
from edge_guard.duty import Inspector
from edge_guard.errors import BundleError, ConfigError, EdgeGuardError, ModelError
from edge_guard.notify import notify
from edge_guard.offered import OfferedBundles, Signature, signature, slot
from edge_guard.selftest import run_all
from edge_guard.trigger_desk import TriggerDesk
from edge_guard.worker import Worker

log = logging.getLogger(__name__)

BUSY_SECONDS = 60.0
"""Longest wait for the change before this one, whose bundle may hang when it is opened."""
TAKE_OVER_SECONDS = 30.0
"""Longest wait for the frame at hand before a new guard takes over."""


class Reloader:
    """Changes the streams of a running device. Thread-safe: one change at a time.

    Parameters
    ----------
    assembly : Assembly
    offered : OfferedBundles
    config : DeviceConfig
        In use.
    desk : TriggerDesk
        Told which streams wait for triggers.

    Attributes
    ----------
    problem : str
        Why the configuration does not hold as it is on the disk; empty when it does.
    """

    def __init__(
        self,
        assembly: Assembly,
        offered: OfferedBundles,
        config: DeviceConfig,
        desk: TriggerDesk,
    ) -> None:
        self._desk = desk
        desk.follow(config.stream)
        self._assembly = assembly
        self._offered = offered
        self._config = config
        self.problem = ""
        self._mutex = threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._configured = _signatures(config)

    @property
    def workers(self) -> dict[str, Worker]:
        """A copy of the streams of now, by name."""
        return dict(self._workers)

    def open_all(self) -> None:
        """Open the configured streams.

        Raises
        ------
        EdgeGuardError
            A source or bundle cannot be used; nothing stays open.
        """
        try:
            for table in self._config.stream:
                worker = self._workers[table.name] = self._open_worker(table)
                worker.stream.tell_refused()  # one before the restart is old news
        except BaseException:
            for worker in self._workers.values():
                worker.close()
            raise

    def reread(self, read: Callable[[], DeviceConfig]) -> None:
        """Take the configuration over as it is now, or say why not and go on as before."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            fixed = self.take_config(read())
        except EdgeGuardError as error:
            self.problem = f"the new configuration is not used: {error}"
            log.error("%s", self.problem)
        else:
            tables = ", ".join(f"[{name}]" for name in fixed)
            self.problem = f"changes of {tables} wait for a restart" if fixed else ""
            log.warning("the configuration was read again%s", self.problem and f": {self.problem}")
        notify("READY=1")

    def take_bundle(self, stream: str, path: Path, *, product: str, other_model: bool) -> str:
        """Let an offered bundle guard a stream, or one product of it; return its id.

        Raises
        ------
        EdgeGuardError
            It is not used, and why: it cannot be opened, is for another model where that is not
            wanted, or fails its self-test. The old one goes on, and an alarm says so.
        """
        with self._alone():
            worker = self._workers.get(stream)
            if worker is None:
                raise ConfigError(
                    f"there is no stream {stream!r}", f"it has {', '.join(self._workers)}"
                )
            if product not in worker.stream.guards:
                raise no_such_product(worker.stream.table, product)
            try:
                return self._take_bundle(worker, path, product, other_model=other_model)
            except EdgeGuardError as error:
                log.error("stream %s: the new bundle is not used: %s", stream, error)
                words = f"the new bundle is not used, the old one goes on: {error}"
                worker.stream.offered(product, words)
                raise

    def take_config(self, new: DeviceConfig) -> tuple[str, ...]:
        """Let other settings hold; return the names of tables that need a restart for theirs.

        Raises
        ------
        EdgeGuardError
            A new source or bundle cannot be used; everything stays as it was.
        """
        with self._alone():
            opened: list[Worker] = []
            guards: dict[str, dict[str, Inspector]] = {}
            try:
                for table in new.stream:
                    self._prepare(table, opened, guards)
            except BaseException:
                for worker in opened:
                    worker.close()
                for guard in (one for by_product in guards.values() for one in by_product.values()):
                    guard.close()
                raise
            fixed = tuple(
                name
                for name in new.__struct_fields__
                if name != "stream" and getattr(new, name) != getattr(self._config, name)
            )
            self._config = new
            self._desk.follow(new.stream)
            self._configured = _signatures(new)
            self._apply(opened, guards)
            return fixed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._mutex.acquire(timeout=BUSY_SECONDS):
            raise EdgeGuardError("a reload is under way", "try again when it has ended")
        try:
            yield
        finally:
            self._mutex.release()

    def _open_worker(self, table: StreamTable) -> Worker:
        """Return a stream guarded by its offered bundles, where they can be used."""
        return self._assembly.open_worker(self._offered.resolve(table), table)

    def _take_bundle(self, worker: Worker, path: Path, product: str, *, other_model: bool) -> str:
        old, configured = worker.stream, self._table(worker.stream.name).variants()[product]
        received = self._offered.receive(slot(configured), path)
        try:
            table = msgspec.structs.replace(configured, bundle=str(received))
            guard = self._open_guard(worker, table, path)
            with ExitStack() as opened:
                opened.callback(guard.close)
                if not other_model and guard.model_id != old.guards[product].model_id:
                    raise BundleError(
                        f"{path} is for another model than {old.guards[product].bundle_id}",
                        "offer one for the model in use, or name it in the configuration",
                    )
                self._offered.keep(configured, received, guard.bundle_id)
                opened.pop_all()
        except EdgeGuardError as error:
            problem = error.problem.replace(str(received), str(path))  # the name people know
            raise type(error)(problem, error.remedy) from error
        finally:
            received.unlink(missing_ok=True)
        resolved = self._offered.resolve(self._table(old.name))
        self._take_over(worker, resolved, {**old.guards, product: guard})
        return guard.bundle_id

    def _table(self, name: str) -> StreamTable:
        return next(table for table in self._config.stream if table.name == name)

    def _prepare(
        self, table: StreamTable, opened: list[Worker], guards: dict[str, dict[str, Inspector]]
    ) -> None:
        """Open what a stream needs that it has not."""
        worker = self._workers.get(table.name)
        if worker is None or _source(table) != _source(worker.stream.table):
            opened.append(self._open_worker(table))
            return
        running = worker.stream.guards if table.threads == worker.stream.table.threads else {}
        resolved = self._offered.resolve(table).variants()
        mine = guards[table.name] = {}
        for product, variant in table.variants().items():
            same = self._configured.get((table.name, product)) == signature(variant)
            if not same or product not in running:
                mine[product] = self._open_guard(worker, resolved[product], Path(variant.bundle))

    def _apply(self, opened: list[Worker], guards: dict[str, dict[str, Inspector]]) -> None:
        """Change over to the configuration, all of it, then raise what one stream refused."""
        names = {table.name for table in self._config.stream}
        replaced = {worker.stream.name for worker in opened}
        for name in [n for n in self._workers if n not in names or n in replaced]:
            worker = self._workers[name]
            worker.end()
            worker.close()
            del self._workers[name]  # until now it is watched
            log.info("stream %s: ended by the new configuration", name)
        kept = dict(self._workers)
        for worker in opened:
            self._workers[worker.stream.name] = worker
            worker.stream.tell_refused()
            worker.start()
        late: list[ModelError] = []
        for table in self._config.stream:
            if (one := kept.get(table.name)) is not None:
                known = one.stream.guards | guards[table.name]
                try:
                    wanted = {product: known[product] for product in table.variants()}
                    self._take_over(one, self._offered.resolve(table), wanted)
                except ModelError as error:
                    late.append(error)
        if late:
            raise late[0]

    def _take_over(self, worker: Worker, table: StreamTable, guards: dict[str, Inspector]) -> None:
        """Give a stream other settings, and other guards where they are, between two frames."""
        done = threading.Event()

        def take() -> None:
            before = worker.stream.guards
            worker.stream.adopt(table, guards)
            for product, guard in guards.items():
                if guard is not before.get(product):
                    self._assembly.tighten(table.name, guard)  # it may have come meanwhile
                    log.info(
                        "stream %s: bundle %s is in use",
                        f"{table.name} {product}".strip(),
                        guard.bundle_id,
                    )
            for product, old in before.items():
                if old is not guards.get(product):
                    old.close()
                    worker.stream.offered(product)
            if guards != before:
                worker.inspection.self_test.demand()
            done.set()

        if worker.ended:  # a file that was read to its end: nobody is in its way
            take()
            return
        worker.inspection.between_frames(take)
        if not done.wait(TAKE_OVER_SECONDS):
            raise ModelError(
                f"stream {table.name}: the frame at hand does not end",
                "the new settings hold as soon as it does",
            )

    def _open_guard(self, worker: Worker, table: StreamTable, shown: Path) -> Inspector:
        """Return another guard for a stream, self-tested."""
        guard = self._assembly.open_guard(table, worker.stream.source)
        try:
            report = run_all(guard)
            if not report.passed:
                raise BundleError(f"{shown}: its self-test {report.words}", "calibrate again")
        except BaseException:
            guard.close()
            raise
        return guard


def _signatures(config: DeviceConfig) -> dict[tuple[str, str], Signature]:
    """Return what tells the configured bundles from the next ones, by stream and product."""
    return {
        (table.name, product): signature(variant)
        for table in config.stream
        for product, variant in table.variants().items()
    }


def _source(table: StreamTable) -> tuple[object, ...]:
    """Return what a source is opened with."""
    view = table.region, table.rotate, table.flip
    pace = table.frames_per_second, table.loop
    return table.source, table.watch, pace, view, table.part_name, table.trigger
