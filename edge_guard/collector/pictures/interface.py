"""What every picture store does, and which one a configuration means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from edge_guard.collector.pictures.folder import PictureStore
from edge_guard.config import StoreTable

S3 = "s3://"


class Pictures(Protocol):
    """Keeps pictures by the sha-256 of their content; thread-safe.

    Each is there whole or not at all, and never changes. A store that fails raises ``OSError``:
    what was asked for may be repeated.
    """

    def put(self, picture: bytes) -> str:
        """Return the sha-256 of ``picture`` once it is kept durably."""

    def put_all(self, pictures: Mapping[str, bytes]) -> None:
        """Return once all pictures, by their sha-256, are kept; after an error some may be."""

    def get(self, digest: str) -> bytes | None:
        """Return the picture, or None where there is none."""

    def has(self, digest: str) -> bool:
        """Return whether there is such a picture."""

    def save(self, digest: str, path: Path) -> bool:
        """Make the picture a file; return False where there is none."""

    def remove(self, digests: Iterable[str]) -> None:
        """Take pictures out; those that are not there do no harm."""

    def digests(self, before_s: float) -> Iterator[str]:
        """Return what is kept and was last written before a time (s since the Unix epoch)."""


def open_pictures(table: StoreTable) -> Pictures:
    """Return the picture store that ``[store] frames`` names, once it was written to.

    Parameters
    ----------
    table : StoreTable

    Raises
    ------
    StoreError
        It cannot be written.
    ConfigError
        A setting, or a library for it, is missing.
    """
    if not table.frames.startswith(S3):
        return PictureStore(table.frames)
    from edge_guard.collector.pictures.bucket import Bucket

    return Bucket(table.frames, table.s3)
