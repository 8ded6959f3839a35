"""Room on the disk that is held back, so that what must never be lost fits when it is full."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_LEAST_BYTES = 4096


class Reserve:
    """A file of allocated blocks, given to the file system for as long as somebody needs them.

    Parameters
    ----------
    path : Path
    size_bytes : int
        How much to hold back; at most an eighth of the disk, and less where it gives no more.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        disk = os.statvfs(path.parent)
        self._size_bytes = min(size_bytes, disk.f_blocks * disk.f_frsize // 8)
        self._whole = True
        self.hold()

    def hold(self) -> bool:
        """Take what is missing, or as much of it as there is; return whether all is held."""
        whole = self._hold()
        if whole != self._whole:
            self._whole = whole
            words = "is whole again" if whole else "is not whole: the disk is full"
            log.log(logging.INFO if whole else logging.WARNING, "the alarms' reserve %s", words)
        return whole

    def _hold(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                return _extend(descriptor, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("no room can be held back for alarms: %s", error)
            return False

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let others use the room inside the block; what they leave of it is taken back."""
        try:
            if self._path.exists():
                os.truncate(self._path, 0)
        except OSError as error:
            log.warning("the room held back for alarms cannot be lent: %s", error)
        try:
            yield
        finally:
            self.hold()


def _extend(descriptor: int, size_bytes: int) -> bool:
    held = os.fstat(descriptor).st_size
    piece = size_bytes - held
    while held < size_bytes and piece >= _LEAST_BYTES:
        try:
            os.posix_fallocate(descriptor, held, min(piece, size_bytes - held))
            held += min(piece, size_bytes - held)
        except OSError:
            os.ftruncate(descriptor, held)  # some file systems keep what they could allocate
            piece //= 2
    return held >= size_bytes
