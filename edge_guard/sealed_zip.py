"""Zip files of stored, aligned entries that are sealed with a digest: the container of a bundle.

The zip comment is ``sha256:`` and the digest of everything before it. Equal entries give equal
bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path

_ALIGNMENT = 64
_MARK = b"sha256:"
_SEAL_BYTES = len(_MARK) + 64
_PADDING_FIELD = 0xE64D
"""Zip extra-field id of the alignment padding; readers skip unknown ids."""
REMEDY = "copy it again from its origin, or calibrate again"


class DamagedError(Exception):
    """What is wrong with a bundle's bytes."""

    def __init__(self, problem: str, remedy: str = REMEDY) -> None:
        super().__init__(problem)
        self.remedy = remedy


def seal(entries: dict[str, bytes]) -> bytes:
    """Return the file that holds these entries, in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = _MARK + b"0" * 64
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)  # constant time stamp: equal content, equal bytes
            header = buffer.tell() + 30 + len(name.encode()) + 4
            padding = -header % _ALIGNMENT
            info.extra = _PADDING_FIELD.to_bytes(2, "little") + padding.to_bytes(2, "little")
            info.extra += bytes(padding)
            archive.writestr(info, data)
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def write_atomically(data: bytes, path: Path) -> None:
    """Write a file whole or not at all, and on the disk when this returns.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def unseal(data: bytes) -> dict[str, bytes]:
    """Return the entries of a file, by name.

    The seal keeps out accidents, the other checks keep out forgeries.

    Raises
    ------
    DamagedError
        A byte has changed, or a name or size is not as `seal` writes them.
    """
    _check_seal(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries: dict[str, bytes] = {}
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > len(data):  # they would overlap
                raise DamagedError("its entries are compressed or oversized")
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED:
                    raise DamagedError(f"entry {info.filename!r} is compressed")
                if info.filename in entries or not _plain_name(info.filename):
                    raise DamagedError(f"entry name {info.filename!r} is not allowed")
                entries[info.filename] = archive.read(info)
            return entries
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise DamagedError(f"the zip structure is broken ({error})") from None


def _check_seal(data: bytes) -> None:
    if not data.startswith(b"PK\x03\x04"):
        raise DamagedError("not an edge-guard bundle", "give the .guard file that calibrate wrote")
    seal = data[-_SEAL_BYTES:]
    if not seal.startswith(_MARK):
        raise DamagedError("the file is truncated or is no edge-guard bundle")
    if hashlib.sha256(data[:-64]).hexdigest().encode() != seal[len(_MARK) :]:
        raise DamagedError("the file is damaged: its digest does not match its content")


def _plain_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(p and not p.startswith(".") and "\\" not in p for p in parts)
