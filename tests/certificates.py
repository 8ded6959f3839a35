"""Certificates for a broker on the loopback and a device, made with openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path


def write_certificates(folder: Path, names: Iterable[str] = ("broker", "device")) -> None:
    """Write two authorities (ca, other), and what ca has signed in ``names``: .crt and .key."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    run += ["-nodes", "-days", "2"]
    for ca in ("ca", "other"):
        files = ["-keyout", f"{folder}/{ca}.key", "-out", f"{folder}/{ca}.crt"]
        subprocess.run([*run, *files, "-subj", f"/CN={ca}"], check=True, capture_output=True)
    signed = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key"]
    for name in names:
        files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
        extension = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(
            [*run, *signed, *files, *extension, "-subj", f"/CN={name}"],
            check=True,
            capture_output=True,
        )


def revoke(folder: Path, *names: str) -> None:
    """Write ca.crl, in which ca calls these certificates void."""
    (folder / "index").write_text("")
    lines = [
        "[ca]",
        "default_ca = own",
        "[own]",
        f"database = {folder}/index",
        "default_md = sha256",
    ]
    (folder / "ca.conf").write_text("\n".join([*lines, "default_crl_days = 2", ""]))
    run = ["openssl", "ca", "-config", f"{folder}/ca.conf"]
    run += ["-cert", f"{folder}/ca.crt", "-keyfile", f"{folder}/ca.key"]
    for name in names:
        subprocess.run([*run, "-revoke", f"{folder}/{name}.crt"], check=True, capture_output=True)
    out = ["-gencrl", "-out", f"{folder}/ca.crl"]
    subprocess.run([*run, *out], check=True, capture_output=True)


_CA = """
[ca]
default_ca = plant
[plant]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def write_expired(folder: Path, name: str) -> None:
    """Write what ca has signed for a month of 2020: {name}.crt and .key."""
    (folder / "index.txt").touch()
    (folder / "ca.conf").write_text(_CA.format(folder=folder))
    key, request, certificate = (f"{folder}/{name}.{end}" for end in ("key", "csr", "crt"))
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", key, "-out", request, "-subj", f"/CN={name}"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    )
    _openssl(
        *("ca", "-batch", "-config", f"{folder}/ca.conf", "-notext"),
        *("-cert", f"{folder}/ca.crt", "-keyfile", f"{folder}/ca.key"),
        *("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"),
        *("-in", request, "-out", certificate),
    )


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
