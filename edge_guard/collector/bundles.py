"""Bundles that are offered to devices, as files named by their sha-256."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from edge_guard.bundle import read_bundle
from edge_guard.collector.pictures import is_digest
from edge_guard.errors import BundleError
from edge_guard.publish.messages import MOST_BUNDLE_BYTES


class BundleStore:
    """A folder of bundles; each is written once, whole, and never changed.

    Parameters
    ----------
    folder : Path
        Made with the first bundle.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path | None:
        """Return where the bundle with this sha-256 lies, or None where there is none."""
        path = self._folder / f"{digest}.guard"
        return path if is_digest(digest) and path.is_file() else None

    def receive(self) -> Upload:
        """Return what takes a bundle in, piece by piece."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Upload(self._folder)


class Upload:
    """A bundle on its way in; what is not finished is removed.

    Attributes
    ----------
    size_bytes : int
        So far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest = sha256()
        self.size_bytes = 0
        handle, name = tempfile.mkstemp(prefix=".upload-", dir=folder)
        self._part, self._file = Path(name), os.fdopen(handle, "wb")

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, piece: bytes) -> None:
        """Take the next piece.

        Raises
        ------
        BundleError
            It is larger than any bundle.
        """
        self.size_bytes += len(piece)
        if self.size_bytes > MOST_BUNDLE_BYTES:
            raise BundleError("the upload is larger than any bundle")
        self._digest.update(piece)
        self._file.write(piece)

    def finish(self) -> tuple[str, str]:
        """Return the file's sha-256 and the bundle's id once it is on the disk.

        Raises
        ------
        BundleError
            It is no bundle, or a damaged one.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        bundle = read_bundle(self._part)
        digest = self._digest.hexdigest()
        self._part.replace(self._folder / f"{digest}.guard")
        return digest, bundle.id
