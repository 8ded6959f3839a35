"""What commands have made stricter, kept over restarts and bundles."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import msgspec

from edge_guard.errors import GuaranteeError, StoreError
from edge_guard.publish.pictures import sync_directory
from edge_guard.tightening import Tightened

log = logging.getLogger(__name__)


class Settings:
    """The stricter limits of each stream, in one file that is replaced whole. Thread-safe.

    Parameters
    ----------
    path : Path
        One that cannot be read is said aloud, and the bundles' own limits hold.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._streams = _read(path)

    def of(self, stream: str) -> Tightened:
        """Return what was made stricter on a stream."""
        with self._mutex:
            return self._streams.get(stream, Tightened())

    def keep(self, stream: str, tightened: Tightened) -> None:
        """Return once the limits of a stream are on the disk.

        Raises
        ------
        StoreError
            The disk refuses; what held before still holds.
        """
        with self._mutex:
            streams = {**self._streams, stream: tightened}
            partial = self._path.with_suffix(".new")
            try:
                with partial.open("wb") as file:
                    file.write(msgspec.json.encode(streams))
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self._path)
                sync_directory(self._path.parent)
            except OSError as error:
                raise StoreError(
                    f"settings {self._path} cannot be kept ({error.strerror})", "check the disk"
                ) from error
            self._streams = streams

    def fitting(self, stream: str, own: Tightened) -> Tightened:
        """Return what is stricter than a bundle's own limits; what no longer is, is said."""
        kept = self.of(stream)
        fitting = {}
        for name, value in kept.named().items():
            try:
                Tightened(**{name: value}).check(own)
            except GuaranteeError as error:
                log.warning("stream %s: a setting no longer holds: %s", stream, error.problem)
            else:
                fitting[name] = value
        return Tightened(**fitting)


def _read(path: Path) -> dict[str, Tightened]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Tightened])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("settings %s cannot be read (%s): the bundles' own limits hold", path, error)
        return {}
