"""The only reader and writer of ``.guard`` files.

A bundle is one zip file, entries stored and aligned to 64 bytes:

    manifest.json        see `edge_guard.manifest`; sha-256 of every other entry but the next
    signature.json       who vouches for manifest.json (`edge_guard.signing`); most have none
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edge_guard.errors import BundleError
from edge_guard.manifest import FORMAT, Manifest
from edge_guard.sealed_zip import DamagedError, seal, unseal, write_atomically
from edge_guard.types import Array

MAX_BYTES = 1 << 30
_MANIFEST, _SIGNATURE = "manifest.json", "signature.json"
_PICTURES = ("golden/", "references/")


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature.json``: an Ed25519 signature over the manifest, in hex. Reading checks nothing.

    Attributes
    ----------
    key : str
        The public key, 32 bytes.
    value : str
        64 bytes.
    algorithm : str
    """

    key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    value: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]
    algorithm: Literal["ed25519"] = "ed25519"


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
    signature : Signature or None
        Unchecked.
    signed : bytes
        The manifest as it was read: what a signature vouches for.
    """

    manifest: Manifest
    model: bytes
    arrays: dict[str, Array]
    pictures: dict[str, bytes]
    id: str = ""
    signature: Signature | None = None
    signed: bytes = b""


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
    entries = {_MANIFEST: msgspec.json.format(msgspec.json.encode(manifest)), **entries}
    return _bundle_id(manifest.name, _write(entries, path))


def write_signed(source: Path, path: Path, sign: Callable[[bytes], Signature]) -> str:
    """Write a bundle again with a signature, every other entry byte for byte; return its id.

    Parameters
    ----------
    source : Path
        A bundle; a signature that it has is replaced.
    path : Path
        May be ``source``.
    sign : callable
        Gets the manifest's bytes.

    Raises
    ------
    BundleError
        As `read_bundle` and `write_bundle`.
    """
    bundle, entries = _parsed(_read(source), source)
    signed = {_MANIFEST: bundle.signed, _SIGNATURE: msgspec.json.encode(sign(bundle.signed))}
    return _bundle_id(bundle.manifest.name, _write(signed | entries, path))


def read_bundle(path: Path) -> Bundle:
    """Return the bundle in a file, every byte of it verified.

    Raises
    ------
    BundleError
        It is missing, damaged, hostile, or of a newer format.
    """
    return _parsed(_read(path), path)[0]


def _parsed(data: bytes, path: Path) -> tuple[Bundle, dict[str, bytes]]:
    """Return the bundle in a file's bytes, and the entries that its manifest vouches for."""
    try:
        entries = unseal(data)
        signed = entries.pop(_MANIFEST, b"")
        signature = _signature(entries.pop(_SIGNATURE, None))
        manifest = _manifest(signed)
        _check_entries(entries, manifest)
        arrays = Arrays(str(path))
        for name, entry in entries.items():
            if name.startswith("arrays/"):
                arrays[name[len("arrays/") : -len(".npy")]] = _array(entry)
    except DamagedError as damage:
        raise BundleError(f"{path}: {damage}", damage.remedy) from None
    bundle = Bundle(
        manifest=manifest,
        model=entries[f"model.{manifest.model_kind}"],
        arrays=arrays,
        pictures={name: e for name, e in entries.items() if name.startswith(_PICTURES)},
        id=_bundle_id(manifest.name, data),
        signature=signature,
        signed=signed,
    )
    return bundle, entries


def _bundle_id(name: str, data: bytes) -> str:
    return f"{name}@{data[-64:-52].decode()}"


def _entries(bundle: Bundle) -> dict[str, bytes]:
    entries = {f"model.{bundle.manifest.model_kind}": bundle.model}
    for name, array in bundle.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"arrays/{name}.npy"] = buffer.getvalue()
    return entries | bundle.pictures


def _write(entries: dict[str, bytes], path: Path) -> bytes:
    """Write the file and return its bytes."""
    data = seal(entries)
    try:
        write_atomically(data, path)
    except OSError as error:
        raise BundleError(
            f"cannot write {path}: {error.strerror}", "choose another place"
        ) from None
    return data


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path} is larger than {MAX_BYTES} bytes", "this is not a bundle")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"cannot read bundle {path}: {error.strerror}", "check the path and its permissions"
        ) from None


class _Version(msgspec.Struct):
    format: int


def _manifest(data: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(data, type=_Version).format
        if version > FORMAT:
            raise DamagedError(
                f"bundle format {version} is newer than this edge-guard ({FORMAT})",
                "update edge-guard on this device",
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"manifest.json is not valid ({error})") from None


def _signature(data: bytes | None) -> Signature | None:
    try:
        return None if data is None else msgspec.json.decode(data, type=Signature)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"{_SIGNATURE} is not valid ({error})") from None


def _check_entries(entries: dict[str, bytes], manifest: Manifest) -> None:
    if set(entries) != set(manifest.entries):
        odd = sorted(set(entries) ^ set(manifest.entries))
        raise DamagedError(f"entries and manifest disagree about {', '.join(odd)}")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != manifest.entries[name]:
            raise DamagedError(f"entry {name} does not match its digest in the manifest")
    if f"model.{manifest.model_kind}" not in entries:
        raise DamagedError(f"model.{manifest.model_kind} is missing")


def _array(data: bytes) -> Array:
    try:
        array: Array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a hostile header meets a parser that raises whatever it likes
        raise DamagedError(f"an array cannot be read ({error})") from None
    array.flags.writeable = False
    return array
