"""A zip file as a stream: written piece by piece, the same bytes for the same content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator

Entry = tuple[str, bytes]
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The only time that zip knows and nobody can read anything into."""


class _Sink(io.RawIOBase):
    """Takes what is written until it is fetched; cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        content = bytes(piece)  # type: ignore[call-overload]
        self._pieces.append(content)
        return len(content)

    def fetched(self) -> bytes:
        """Return and forget what was written."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def archive(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the pieces of a zip file, stored uncompressed: JPEGs do not get smaller.

    Parameters
    ----------
    entries : iterable of (str, bytes)
        Names and contents, in the order of the file; one of them is in memory at a time.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as file:
        for name, content in entries:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            file.writestr(info, content)
            yield sink.fetched()
    yield sink.fetched()
