"""Which streams an offered bundle guards, recorded beside the spool.

The configured bundle guards a stream until an offered one takes its place. An offered one is kept
in the spool's folder and guards the stream after a restart, too, until the configuration names
another bundle or the file that it names is another one.
"""

from __future__ import annotations

import hashlib
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

_ROOM = 2
"""Bundles of its size that must fit on the disk before one is received."""


class _Active(msgspec.Struct, frozen=True):
    """An offered bundle that is in use."""

    bundle: str
    configured: Signature
    file: str = ""
    """In the folder; empty: the stream's name, as earlier versions had it."""


class OfferedBundles:
    """The bundles that were offered and taken.

    Parameters
    ----------
    folder : Path
        The spool's. What a crash left half received there is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bundles"
        self._record = self._folder / "active.json"
        for left in self._folder.glob(".*.guard"):
            left.unlink(missing_ok=True)

    def resolve(self, table: StreamTable) -> StreamTable:
        """Return the table with the bundles that are to guard the stream; itself: the configured.

        Parameters
        ----------
        table : StreamTable
        """
        if not table.product:
            return self._resolve(table)
        variants = table.variants()
        resolved = {product: self._resolve(one) for product, one in variants.items()}
        if all(resolved[product] is one for product, one in variants.items()):
            return table
        products = tuple(
            msgspec.structs.replace(one, bundle=resolved[one.name].bundle) for one in table.product
        )
        return msgspec.structs.replace(table, product=products)

    def _resolve(self, variant: StreamTable) -> StreamTable:
        """Return one variant of a stream with its offered bundle, itself where there is none."""
        name = slot(variant)
        active = self._read().get(name)
        if active is None or active.configured != signature(variant):
            return variant
        path = self._folder / _file(name, active)
        if not path.is_file():
            log.error("stream %s: %s is gone: the configured bundle is used", name, path)
            return variant
        log.info("stream %s: the offered bundle %s is in use", name, active.bundle)
        return msgspec.structs.replace(variant, bundle=str(path))

    def receive(self, stream: str, offered: Path) -> Path:
        """Copy an offered bundle to where nobody changes it, and return its place.

        Raises
        ------
        BundleError
            It cannot be read, or the disk refuses or would be full.
        """
        copy = self._folder / f".{stream}.guard"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < _ROOM * offered.stat().st_size:
                raise BundleError(f"no room in {self._folder} for {offered}", "free some space")
            shutil.copyfile(offered, copy)
            _settle(copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise BundleError(
                f"cannot take over {offered}: {error.strerror}", "check the path and the disk"
            ) from None
        return copy

    def keep(self, table: StreamTable, received: Path, bundle: str) -> Path:
        """Record that a received bundle guards a stream, or one product of it; return where it
        lies for good.

        Parameters
        ----------
        table : StreamTable
            One of the stream's ``variants``, as it is configured.
        received : Path
        bundle : str
            Its id.

        Raises
        ------
        StoreError
            The disk refuses; what was recorded before still holds.
        """
        partial = self._record.with_suffix(".new")
        try:
            with received.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            path = self._folder / f"{slot(table)}-{digest}.guard"
            active = self._read() | {slot(table): _Active(bundle, signature(table), path.name)}
            received.replace(path)  # under a name of its own: the one in use stays
            partial.write_bytes(msgspec.json.encode(active))
            _settle(partial)
            partial.replace(self._record)
            _settle(self._folder)
        except OSError as error:
            raise StoreError(
                f"cannot record bundle {bundle} in {self._record}: {error.strerror}",
                "check the disk",
            ) from None
        self._sweep({_file(name, one) for name, one in active.items()})
        return path

    def _sweep(self, recorded: set[str]) -> None:
        """Remove the bundles that guard nothing any more."""
        for path in self._folder.glob("*.guard"):
            if not path.name.startswith(".") and path.name not in recorded:
                path.unlink(missing_ok=True)

    def _read(self) -> dict[str, _Active]:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, _Active])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.error("%s: %s; the configured bundles are used", self._record, error)
            return {}


def slot(variant: StreamTable) -> str:
    """Return the name of a variant's place: ``stream``, or ``stream+product``."""
    return "+".join((variant.name, *(product.name for product in variant.product)))


def _file(stream: str, active: _Active) -> str:
    return active.file or f"{stream}.guard"


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
