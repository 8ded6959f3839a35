"""Who vouches for a bundle: Ed25519 signatures over its manifest (RFC 8032).

The manifest holds the sha-256 of every other entry, so that its signature covers the whole bundle.
What is signed is ``CONTEXT`` and the manifest's bytes as they stand in the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.bundle import Bundle, Signature, read_bundle, write_signed
from edge_guard.errors import BundleError, ConfigError, missing_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

CONTEXT = b"edge-guard bundle manifest\n"
"""Before what is signed, so that a signature of anything else is none of a bundle."""


def generate_keys(private: Path, public: Path) -> str:
    """Write a new pair of keys as PEM files and return the public one's `fingerprint`.

    Raises
    ------
    ConfigError
        A file is there already, or cannot be written.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()

    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    _write_new(private, secret, 0o600)
    _write_new(public, shown, 0o644)
    return fingerprint(key.public_key().public_bytes_raw().hex())


def sign_bundle(source: Path, path: Path, key_file: Path) -> tuple[str, str]:
    """Write a bundle with a signature; return its id and the key's `fingerprint`.

    Raises
    ------
    BundleError
        The bundle cannot be read or written.
    ConfigError
        The key cannot be read.
    """
    key = _private_key(key_file)
    public = key.public_key().public_bytes_raw().hex()

    def sign(manifest: bytes) -> Signature:
        return Signature(public, key.sign(CONTEXT + manifest).hex())

    return write_signed(source, path, sign), fingerprint(public)


def read_trusted(path: Path, trusted: Sequence[str]) -> Bundle:
    """Return the bundle in a file if one of the keys in ``trusted`` vouches for it.

    Parameters
    ----------
    path : Path
    trusted : sequence of str
        Files of public keys; none: every intact bundle is returned.

    Raises
    ------
    BundleError
        As `read_bundle` and `check_signature`.
    ConfigError
        A key cannot be read.
    """
    bundle = read_bundle(path)
    if trusted:
        try:
            check_signature(bundle, [Path(name) for name in trusted])
        except BundleError as error:
            raise BundleError(f"{path}: {error.problem}", error.remedy) from error
    return bundle


def check_signature(bundle: Bundle, trusted: Sequence[Path]) -> str:
    """Return the `fingerprint` of the key that vouches for a bundle.

    Raises
    ------
    BundleError
        It is not signed, by none of the keys, or the signature is not of this manifest.
    ConfigError
        A key cannot be read.
    """
    keys = {key.public_bytes_raw().hex(): key for key in map(_public_key, trusted)}
    signature = bundle.signature
    if signature is None:
        raise BundleError(
            f"bundle {bundle.id} is not signed, and only signed ones are trusted here",
            "edge-guard bundle sign, with a key whose public part is trusted",
        )
    if signature.key not in keys:
        known = ", ".join(map(fingerprint, keys))
        raise BundleError(
            f"bundle {bundle.id} is signed by key {fingerprint(signature.key)}, "
            f"trusted is only {known}",
            "have it signed with a trusted key, or trust this one",
        )
    from cryptography.exceptions import InvalidSignature

    try:
        keys[signature.key].verify(bytes.fromhex(signature.value), CONTEXT + bundle.signed)
    except InvalidSignature:
        raise BundleError(
            f"bundle {bundle.id}: its signature is not of this manifest",
            "somebody has changed it: get it again from whoever signed it",
        ) from None
    return fingerprint(signature.key)


def fingerprint(public: str) -> str:
    """Return what people call a public key (hex): 16 digits of its sha-256."""
    return sha256(bytes.fromhex(public)).hexdigest()[:16]


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise missing_extra("cryptography", "signing") from None


def _private_key(path: Path) -> Ed25519PrivateKey:
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is no private Ed25519 key", "edge-guard bundle keygen makes one")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(
            f"{path} is no public Ed25519 key", "give the .pub file that 'bundle keygen' wrote"
        )
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read key {path}: {error.strerror}", "check the path and its permissions"
        ) from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is not there yet, closed to others from its first byte on."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", "keys are never overwritten: name others"
        ) from None
