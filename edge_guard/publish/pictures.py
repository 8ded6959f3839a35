"""The spool's pictures: one file each, on disk before the row that names it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)


class Pictures:
    """A folder of picture files, written once and never changed.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    OSError
        The disk is full, read-only or gone.

    Attributes
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        sync_directory(folder.parent)

    def write(self, name: str, content: bytes) -> None:
        """Return when the file and its directory entry are on the disk."""
        path = self.folder / name
        try:
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(self.folder)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes | None:
        """Return the file's content; None when it is missing or cannot be read."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; one that cannot be deleted now is swept at the next start."""
        for name in names:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning("picture %s cannot be deleted: %s", self.folder / name, error)

    def sweep(self, known: set[str]) -> int:
        """Delete every file that no row names, and return how many."""
        orphans = [path.name for path in self.folder.iterdir() if path.name not in known]
        self.remove(orphans)
        return len(orphans)


def sync_directory(folder: Path) -> None:
    """Return when the folder's entries are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
