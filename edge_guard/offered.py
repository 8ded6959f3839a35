"""Which streams an offered bundle guards, recorded beside the spool.

The configured bundle guards a stream until an offered one takes its place. An offered one is kept
in the spool's folder and guards the stream after a restart, too, until the configuration names
another bundle or the file that it names is another one.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import msgspec

from edge_guard.config import StreamTable
from edge_guard.errors import BundleError, StoreError

log = logging.getLogger(__name__)

Signature = tuple[str, int, int]
"""What tells one configured bundle from the next: path, size, time of change."""


class _Active(msgspec.Struct, frozen=True):
    """An offered bundle that is in use."""

    bundle: str
    configured: Signature


class OfferedBundles:
    """The bundles that were offered and taken.

    Parameters
    ----------
    folder : Path
        The spool's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bundles"
        self._record = self._folder / "active.json"

    def resolve(self, table: StreamTable) -> StreamTable:
        """Return the table with the bundle that is to guard the stream."""
        active = self._read().get(table.name)
        path = self.path(table.name)
        if active is None or active.configured != signature(table) or not path.is_file():
            return table
        log.info("stream %s: the offered bundle %s is in use", table.name, active.bundle)
        return msgspec.structs.replace(table, bundle=str(path))

    def path(self, stream: str) -> Path:
        """Return where a stream's offered bundle lies."""
        return self._folder / f"{stream}.guard"

    def receive(self, stream: str, offered: Path) -> Path:
        """Copy an offered bundle to where nobody changes it, and return its place.

        Raises
        ------
        BundleError
            It cannot be read, or the disk refuses.
        """
        copy = self._folder / f".{stream}.guard"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(offered, copy)
            _settle(copy)
        except OSError as error:
            raise BundleError(
                f"cannot take over {offered}: {error.strerror}", "check the path and the disk"
            ) from None
        return copy

    def keep(self, table: StreamTable, received: Path, bundle: str) -> Path:
        """Record that a received bundle guards a stream; return where it lies for good.

        Raises
        ------
        StoreError
            The disk refuses; what was recorded before still holds.
        """
        active = self._read() | {table.name: _Active(bundle, signature(table))}
        partial = self._record.with_suffix(".new")
        try:
            received.replace(self.path(table.name))
            partial.write_bytes(msgspec.json.encode(active))
            _settle(partial)
            partial.replace(self._record)
            _settle(self._folder)
        except OSError as error:
            raise StoreError(
                f"cannot record bundle {bundle} in {self._record}: {error.strerror}",
                "check the disk",
            ) from None
        return self.path(table.name)

    def _read(self) -> dict[str, _Active]:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, _Active])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.error("%s: %s; the configured bundles are used", self._record, error)
            return {}


def signature(table: StreamTable) -> Signature:
    """Return what tells one configured bundle from the next: path, size, time of change."""
    try:
        status = Path(table.bundle).stat()
    except OSError:
        return table.bundle, 0, 0
    return table.bundle, status.st_size, status.st_mtime_ns


def _settle(path: Path) -> None:
    """Have a file or folder on the disk before anything that builds on it: power may go."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
