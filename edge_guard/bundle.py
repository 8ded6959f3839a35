"""The only reader and writer of ``.guard`` files.

A bundle is one zip file, entries stored and aligned to 64 bytes:

    manifest.json        see `edge_guard.manifest`; sha-256 of every other entry
    model.onnx|.tflite   the tapped model
    arrays/NAME.npy      fitted arrays, little endian, C order, never pickled
    golden/N.png         frames with known scores
    references/N.jpg     small pictures of the references in the nearest-neighbour banks, by row

The zip comment is ``sha256:`` and the digest of everything before it, so that any flipped or
missing byte is found before a single field is believed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_guard.errors import BundleError
from edge_guard.manifest import FORMAT, Manifest
from edge_guard.types import Array

MAX_BYTES = 1 << 30
_PICTURES = ("golden/", "references/")
_ALIGNMENT = 64
_MARK = b"sha256:"
_SEAL_BYTES = len(_MARK) + 64
_PADDING_FIELD = 0xE64D
"""Zip extra-field id of the alignment padding; readers skip unknown ids."""
_REMEDY = "copy it again from its origin, or calibrate again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything a device needs to guard one model on one stream.

    Attributes
    ----------
    manifest : Manifest
    model : bytes
        The tapped model.
    arrays : dict of str to Array
        Fitted arrays by name, read-only.
    pictures : dict of str to bytes
        Encoded images by entry name.
    id : str
        ``name@`` and the first 12 hex digits of the file's digest; empty before it is written.
    """

    manifest: Manifest
    model: bytes
    arrays: dict[str, Array]
    pictures: dict[str, bytes]
    id: str = ""


class Arrays(dict[str, Array]):
    """A bundle's arrays by name; one that is asked for and missing is an error of the bundle.

    Parameters
    ----------
    bundle : str
        What errors call it.
    """

    def __init__(self, bundle: str) -> None:
        super().__init__()
        self._bundle = bundle

    def __missing__(self, name: str) -> Array:
        """Raise `BundleError`."""
        raise BundleError(
            f"{self._bundle} lacks the array {name}: another version of edge-guard made it",
            "calibrate again",
        )


def write_bundle(bundle: Bundle, path: Path) -> str:
    """Write a bundle atomically and return its id.

    The manifest's ``entries`` are computed here.

    Raises
    ------
    BundleError
        The folder cannot be written.
    """
    entries = _entries(bundle)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()}
    manifest = msgspec.structs.replace(bundle.manifest, format=FORMAT, entries=digests)
    entries = {"manifest.json": msgspec.json.format(msgspec.json.encode(manifest)), **entries}
    data = _sealed_zip(entries)
    try:
        _write_atomically(data, path)
    except OSError as error:
        raise BundleError(
            f"cannot write {path}: {error.strerror}", "choose another place"
        ) from None
    return _bundle_id(manifest.name, data)


def read_bundle(path: Path) -> Bundle:
    """Return the bundle in a file, every byte of it verified.

    Raises
    ------
    BundleError
        It is missing, damaged, hostile, or of a newer format.
    """
    data = _read(path)
    try:
        _check_seal(data)
        entries = _unpack(data)
        manifest = _manifest(entries.pop("manifest.json", b""))
        _check_entries(entries, manifest)
        arrays = Arrays(str(path))
        for name, entry in entries.items():
            if name.startswith("arrays/"):
                arrays[name[len("arrays/") : -len(".npy")]] = _array(entry)
    except _DamagedError as damage:
        raise BundleError(f"{path}: {damage}", damage.remedy) from None
    return Bundle(
        manifest=manifest,
        model=entries[f"model.{manifest.model_kind}"],
        arrays=arrays,
        pictures={name: e for name, e in entries.items() if name.startswith(_PICTURES)},
        id=_bundle_id(manifest.name, data),
    )


class _DamagedError(Exception):
    """What is wrong with a bundle's bytes."""

    def __init__(self, problem: str, remedy: str = _REMEDY) -> None:
        super().__init__(problem)
        self.remedy = remedy


def _bundle_id(name: str, data: bytes) -> str:
    return f"{name}@{data[-64:-52].decode()}"


def _entries(bundle: Bundle) -> dict[str, bytes]:
    entries = {f"model.{bundle.manifest.model_kind}": bundle.model}
    for name, array in bundle.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"arrays/{name}.npy"] = buffer.getvalue()
    return entries | bundle.pictures


def _sealed_zip(entries: dict[str, bytes]) -> bytes:
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


def _write_atomically(data: bytes, path: Path) -> None:
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


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path} is larger than {MAX_BYTES} bytes", "this is not a bundle")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"cannot read bundle {path}: {error.strerror}", "check the path and its permissions"
        ) from None


def _check_seal(data: bytes) -> None:
    if not data.startswith(b"PK\x03\x04"):
        raise _DamagedError("not an edge-guard bundle", "give the .guard file that calibrate wrote")
    seal = data[-_SEAL_BYTES:]
    if not seal.startswith(_MARK):
        raise _DamagedError("the file is truncated or is no edge-guard bundle")
    if hashlib.sha256(data[:-64]).hexdigest().encode() != seal[len(_MARK) :]:
        raise _DamagedError("the file is damaged: its digest does not match its content")


def _unpack(data: bytes) -> dict[str, bytes]:
    """Return the entries; the seal keeps out accidents, these checks keep out forgeries."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries: dict[str, bytes] = {}
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
                    raise _DamagedError(f"entry {info.filename!r} is compressed or oversized")
                if info.filename in entries or not _plain_name(info.filename):
                    raise _DamagedError(f"entry name {info.filename!r} is not allowed")
                entries[info.filename] = archive.read(info)
            return entries
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise _DamagedError(f"the zip structure is broken ({error})") from None


def _plain_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(p and not p.startswith(".") and "\\" not in p for p in parts)


class _Version(msgspec.Struct):
    format: int


def _manifest(data: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(data, type=_Version).format
        if version > FORMAT:
            raise _DamagedError(
                f"bundle format {version} is newer than this edge-guard ({FORMAT})",
                "update edge-guard on this device",
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _DamagedError(f"manifest.json is not valid ({error})") from None


def _check_entries(entries: dict[str, bytes], manifest: Manifest) -> None:
    if set(entries) != set(manifest.entries):
        odd = sorted(set(entries) ^ set(manifest.entries))
        raise _DamagedError(f"entries and manifest disagree about {', '.join(odd)}")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != manifest.entries[name]:
            raise _DamagedError(f"entry {name} does not match its digest in the manifest")
    if f"model.{manifest.model_kind}" not in entries:
        raise _DamagedError(f"model.{manifest.model_kind} is missing")


def _array(data: bytes) -> Array:
    try:
        array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise _DamagedError(f"an array cannot be read ({error})") from None
    array.flags.writeable = False
    return array
