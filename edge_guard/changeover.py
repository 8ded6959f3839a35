"""Which product a frame shows: by its part id, by the time of day, or by somebody's word.

A person's word is a small file beside the spool, ``changeover-{stream}.json``, so that it needs no
broker and holds over restarts. It counts for frames that are captured after it was given, and
where there is a timetable until the next shift begins. Where part ids say what a frame shows,
nobody else does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from edge_guard.config import StreamTable
from edge_guard.errors import ConfigError, StoreError
from edge_guard.publish.pictures import sync_directory
from edge_guard.sources.contract import Damaged
from edge_guard.timetable import Timetable
from edge_guard.types import Frame

log = logging.getLogger(__name__)

_KEPT_ORDERS = 16
"""More than ever wait for inspection with a frame of their own."""
_MOST_BYTES = 4096


class Order(msgspec.Struct, frozen=True):
    """Somebody's word on which product comes from now on."""

    product: str
    wall_ns: int
    monotonic_ns: int


def order_path(spool: Path, stream: str) -> Path:
    """Return where the word on a stream's product lies."""
    return spool / f"changeover-{stream}.json"


def order_product(table: StreamTable, spool: Path, product: str) -> None:
    """Have a stream's frames judged as a product from now on.

    Parameters
    ----------
    table : StreamTable
    spool : Path
        The device's spool folder.
    product : str

    Raises
    ------
    ConfigError
        The stream has no such product, or part ids choose it.
    StoreError
        The disk refuses; what held before still holds.
    """
    if product not in (one.name for one in table.product):
        raise no_such_product(table, product)
    if any(one.parts for one in table.product):
        raise ConfigError(
            f"stream {table.name}: part ids say which product a frame shows",
            "change its parts in the configuration",
        )
    path = order_path(spool, table.name)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            os.fchmod(file.fileno(), 0o644)  # whoever says so, the device's own user reads it
            file.write(msgspec.json.encode(Order(product, time.time_ns(), time.monotonic_ns())))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path} ({error.strerror})", "check the disk") from error


def no_such_product(table: StreamTable, product: str) -> ConfigError:
    """Return that a stream has no such product, with those that it has."""
    names = ", ".join(one.name for one in table.product)
    if names and not product:
        problem = f"nothing says which product of stream {table.name} is meant"
        return ConfigError(problem, f"name one of {names}")
    problem = f"stream {table.name} has no product {product!r}"
    return ConfigError(problem, f"it has {names}" if names else "it has no products")


class Changeover:
    """Knows the product of each frame of one stream; refreshed by the thread that judges them.

    Parameters
    ----------
    table : StreamTable
    spool : Path
        The device's spool folder.
    before : Changeover, optional
        Of the stream's settings until now: what it knows of frames that still wait, holds on.
    """

    def __init__(self, table: StreamTable, spool: Path, before: Changeover | None = None) -> None:
        self._table = table
        self._names = {one.name for one in table.product}
        self.by_part = any(one.parts for one in table.product)
        self._timetable = Timetable(table.product)
        self._path = order_path(spool, table.name)
        self._orders: tuple[tuple[int, Order], ...] = ()
        if before:
            self._orders = tuple(one for one in before._orders if one[1].product in self._names)
        self._read: tuple[int, int] | None = None
        self._unread: tuple[int, int] | None = (0, 0)  # None: not even looked at
        self.refresh(since_ns=None if before else 0)

    def refresh(self, since_ns: int | None = None) -> None:
        """Take up somebody's newest word; ``since_ns``: for frames from when on, if not its own."""
        if not self._names or self.by_part:
            return
        version = None
        try:
            status = self._path.stat()
            version = status.st_mtime_ns, status.st_ino
            if version == self._read:
                return
            with self._path.open("rb") as file:
                order = msgspec.json.decode(file.read(_MOST_BYTES), type=Order)
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            if version != self._unread:  # it is tried again, but not told with every frame
                log.error("%s cannot be read: %s; the product stays", self._path, error)
            self._unread = version
            return
        self._read = version
        if order.product not in self._names:
            log.error(
                "%s: stream %s has no product %r", self._path, self._table.name, order.product
            )
            return
        if any(order == known for _, known in self._orders):
            return
        now = time.monotonic_ns()
        since = min(order.monotonic_ns, now) if since_ns is None else since_ns
        self._orders = (*self._orders, (since, order))[-_KEPT_ORDERS:]

    def product_of(self, frame: Frame | Damaged) -> str | None:
        """Return the product that a frame shows; None where its part id belongs to none.

        The empty name is that of streams without products.
        """
        if not self._names:
            return ""
        if self.by_part:
            return self._of_part(frame.part_id)
        return self._due(frame.wall_ns or time.time_ns(), frame.monotonic_ns)

    def now(self) -> str:
        """Return the product of a frame that would come now; empty where part ids tell."""
        if not self._names or self.by_part:
            return ""
        return self._due(time.time_ns(), time.monotonic_ns())

    def _of_part(self, part: str) -> str | None:
        for one in self._table.product:
            if part and any(fnmatchcase(part, pattern) for pattern in one.parts):
                return one.name
        return None

    def _due(self, wall_ns: int, monotonic_ns: int) -> str:
        """Return the product of a moment; a frame without a monotonic time is as of now."""
        shift = self._timetable.at(wall_ns) if self._timetable else None
        for since, order in reversed(self._orders):
            if since > monotonic_ns > 0:
                continue
            if shift is None or self._timetable.at(order.wall_ns).began == shift.began:
                return order.product
            break
        return shift.product if shift else self._table.product[0].name
