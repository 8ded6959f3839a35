"""Bundles that are offered to devices, as files named by their sha-256."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from edge_guard.bundle import read_bundle
from edge_guard.collector.pictures import is_digest
from edge_guard.errors import BundleError, StoreError
from edge_guard.publish.messages import MOST_BUNDLE_BYTES
from edge_guard.signing import fingerprint

log = logging.getLogger(__name__)

MOST_STORED_BYTES = 8 << 30
"""Of all bundles together."""
_PART = ".upload-"


@dataclass(frozen=True, slots=True)
class Held:
    """A bundle that can be offered.

    Attributes
    ----------
    sha256 : str
        Of the file.
    bundle : str
        Its id.
    size_bytes : int
    stored_ms : int
        Since the Unix epoch.
    model_sha256 : str
        Of the model file that it was calibrated on.
    created : str
        When it was calibrated.
    signed_by : str
        Fingerprint of the public key; empty: by nobody.
    """

    sha256: str
    bundle: str
    size_bytes: int
    stored_ms: int
    model_sha256: str
    created: str
    signed_by: str


class BusyError(Exception):
    """Another upload is under way."""


class TooLargeError(BundleError):
    """The upload is larger than any bundle."""


class BundleStore:
    """A folder of bundles; each is written once, whole, and never changed.

    Parameters
    ----------
    folder : Path
        Made with the first bundle; of this store only.

    Raises
    ------
    StoreError
        What an earlier run left half uploaded cannot be removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploading = threading.Lock()
        self._held: dict[str, Held] = {}
        try:
            for part in folder.glob(f"{_PART}*"):
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"half an upload in {folder} cannot be removed ({error.strerror})",
                "check the folder's permissions",
            ) from None

    def path(self, digest: str) -> Path | None:
        """Return where the bundle with this sha-256 lies, or None where there is none."""
        path = self._folder / f"{digest}.guard"
        return path if is_digest(digest) and path.is_file() else None

    def held(self) -> list[Held]:
        """Return all bundles, the newest first; each file is read once, when first asked for."""
        found = [self.hold(path.stem) for path in self._folder.glob("*.guard")]
        return sorted((one for one in found if one), key=lambda one: -one.stored_ms)

    def hold(self, digest: str) -> Held | None:
        """Return what the bundle with this sha-256 is, or None where there is none."""
        path = self.path(digest)
        if path is None:
            return None
        if digest not in self._held:
            try:
                self._held[digest] = _held(path)
            except BundleError as error:  # somebody else's file, or damaged since
                log.warning("%s is no bundle that can be offered: %s", path, error)
                return None
        return self._held[digest]

    @contextmanager
    def receive(self) -> Iterator[Upload]:
        """Give what takes a bundle in, piece by piece, one at a time.

        Raises
        ------
        BusyError
            Another one is on its way in.
        OSError
            The folder cannot be written.
        """
        if not self._uploading.acquire(blocking=False):
            raise BusyError("another bundle is being uploaded: try again when it is done")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            upload = Upload(self._folder)
            try:
                yield upload
            finally:
                upload.end()
        finally:
            self._uploading.release()


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
        handle, name = tempfile.mkstemp(prefix=_PART, dir=folder)
        self._part, self._file = Path(name), os.fdopen(handle, "wb")

    def end(self) -> None:
        """Remove what was not finished."""
        try:
            self._file.close()
        finally:  # closing writes what is left, and the disk may be full
            self._part.unlink(missing_ok=True)

    def add(self, piece: bytes) -> None:
        """Take the next piece.

        Raises
        ------
        TooLargeError
        """
        self.size_bytes += len(piece)
        if self.size_bytes > MOST_BUNDLE_BYTES:
            raise TooLargeError(f"a bundle has at most {MOST_BUNDLE_BYTES} bytes")
        self._digest.update(piece)
        self._file.write(piece)

    def finish(self) -> tuple[str, str]:
        """Return the file's sha-256 and the bundle's id once it is on the disk.

        Raises
        ------
        BundleError
            It is no bundle, a damaged one, or one more than there is room for.
        OSError
            The disk is full.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        bundle = read_bundle(self._part)
        digest = self._digest.hexdigest()
        path = self._folder / f"{digest}.guard"
        stored = sum(one.stat().st_size for one in self._folder.glob("*.guard") if one != path)
        if stored + self.size_bytes > MOST_STORED_BYTES:
            raise BundleError(
                f"all bundles together would have more than {MOST_STORED_BYTES} bytes",
                f"remove from {self._folder} what no device is to fetch any more",
            )
        self._part.replace(path)
        _flush(self._folder)
        return digest, bundle.id


def _held(path: Path) -> Held:
    bundle, status = read_bundle(path), path.stat()
    provenance = bundle.manifest.provenance
    return Held(
        sha256=path.stem,
        bundle=bundle.id,
        size_bytes=status.st_size,
        stored_ms=int(status.st_mtime * 1000),
        model_sha256=provenance.model_sha256,
        created=provenance.created,
        signed_by=fingerprint(bundle.signature.key) if bundle.signature else "",
    )


def _flush(folder: Path) -> None:
    """Return when the folder's entries are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
