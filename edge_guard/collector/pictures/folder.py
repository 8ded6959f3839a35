"""Pictures as files named by their sha-256, in 256 folders.

Their predecessors lie in two levels of folders: 65,536 of them, whose making cost more than the
pictures did. They are still found there; new pictures have one level.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile

from edge_guard.collector.disk import can_sync_all, sync_all
from edge_guard.collector.pictures.content import check_digest, is_digest
from edge_guard.errors import StoreError

WRITERS = 16
_OTHER_DISK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}


class PictureStore:
    """A folder of pictures; each is written once, whole and durably, and never changed.

    Parameters
    ----------
    folder : str or Path
        Created where missing.

    Raises
    ------
    StoreError
        The folder cannot be created or written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._durable: set[Path] = set()
        self._writers = ThreadPoolExecutor(WRITERS, "collector-pictures")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise StoreError(
                f"picture folder {self.folder} cannot be written ({error.strerror})",
                "correct its permissions, or [store] frames in the collector's configuration",
            ) from error

    def path(self, digest: str) -> Path:
        """Return where the picture with this sha-256 lies.

        Raises
        ------
        ValueError
            ``digest`` is not a sha-256 in lower-case hexadecimal.
        """
        check_digest(digest)
        return self.folder / digest[:2] / digest

    def put(self, picture: bytes) -> str:
        """Return the sha-256 of ``picture`` once it and its name are on the disk.

        Raises
        ------
        OSError
            The disk is full or broken; nothing half written remains under the name.
        """
        digest = sha256(picture).hexdigest()
        path = self.path(digest)
        self._make_folder(path.parent)
        _write(str(path.parent), digest, picture, sync=True)
        _sync_folder(path.parent)
        return digest

    def put_all(self, pictures: Mapping[str, bytes]) -> None:
        """Return once all pictures, by their sha-256, and their names are on the disk.

        They are written side by side and the whole file system is synced once, which costs a fifth
        of syncing each: its journal is written once for all. A power cut before that may leave a
        name without its content; no row of the database tells of it, so it comes again, and what
        comes is always written.

        Raises
        ------
        OSError
            As ``put``; some of the pictures may be stored.
        """
        if not pictures:
            return
        if not can_sync_all():
            for _ in self._writers.map(self.put, pictures.values()):
                pass
            return
        for digest, picture in pictures.items():
            folder = f"{self.folder}/{digest[:2]}"
            try:
                _write(folder, digest, picture, sync=False)
            except FileNotFoundError:
                Path(folder).mkdir(parents=True, exist_ok=True)
                _write(folder, digest, picture, sync=False)
        sync_all(self.folder)

    def get(self, digest: str) -> bytes | None:
        """Return the picture, or None where there is none.

        Raises
        ------
        ValueError
            ``digest`` is not a sha-256 in lower-case hexadecimal.
        """
        for path in self._places(digest):
            with suppress(FileNotFoundError):
                return path.read_bytes()
        return None

    def has(self, digest: str) -> bool:
        """Return whether there is such a picture.

        Raises
        ------
        ValueError
            ``digest`` is not a sha-256 in lower-case hexadecimal.
        """
        return any(path.is_file() for path in self._places(digest))

    def save(self, digest: str, path: Path) -> bool:
        """Give the picture another name, or copy it where that cannot be; return False: no such.

        Raises
        ------
        OSError
            ``path`` exists, or cannot be written.
        """
        for place in self._places(digest):
            with suppress(FileNotFoundError):
                _link_or_copy(place, path)
                return True
        return False

    def remove(self, digests: Iterable[str]) -> None:
        """Take pictures out; those that are not there do no harm.

        Raises
        ------
        OSError
            The folder cannot be changed; some may be gone.
        """
        for digest in digests:
            for path in self._places(digest):
                path.unlink(missing_ok=True)

    def digests(self, before_s: float) -> Iterator[str]:
        """Return what is stored and was last written before a time, in no order.

        What a killed collector left half written, longer ago than that, is deleted on the way.

        Parameters
        ----------
        before_s : float
            Since the Unix epoch.
        """
        for path in files(self.folder):
            try:
                old = path.stat().st_mtime < before_s
            except FileNotFoundError:  # deleted meanwhile
                continue
            if old and is_digest(path.name):
                yield path.name
            elif old and path.name.startswith("."):
                path.unlink(missing_ok=True)

    def _places(self, digest: str) -> tuple[Path, Path]:
        path = self.path(digest)
        return path, path.parent / digest[2:4] / digest

    def _make_folder(self, folder: Path) -> None:
        # "It exists" is not enough: whoever made it may have died before its name was synced.
        if folder in self._durable or folder == self.folder:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)
        self._durable.add(folder)


def files(folder: Path) -> Iterator[Path]:
    """Return what lies where pictures do, in no order; half-written ones begin with a dot."""
    for pattern in ("", "/[0-9a-f][0-9a-f]"):
        for path in folder.glob(f"[0-9a-f][0-9a-f]{pattern}/*"):
            if len(path.name) > 2:
                yield path


def _write(folder: str, name: str, picture: bytes, *, sync: bool) -> None:
    # Not by Path: a tenth of the time went into it.
    part = f"{folder}/.{name}.{os.getpid()}.{threading.get_ident()}"
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            rest = memoryview(picture)
            while rest:
                rest = rest[os.write(handle, rest) :]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(part, f"{folder}/{name}")  # noqa: PTH105
    except OSError:
        with suppress(OSError):
            os.unlink(part)  # noqa: PTH108
        raise


def _link_or_copy(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError as error:
        if error.errno not in _OTHER_DISK:
            raise
        shutil.copyfile(old, new)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
