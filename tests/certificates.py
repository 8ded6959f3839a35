"""Certificates for a broker on the loopback and a device, made with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def write_certificates(folder: Path) -> None:
    """Write two authorities (ca, other), and what ca has signed (broker, device): .crt and .key."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    run += ["-nodes", "-days", "2"]
    for ca in ("ca", "other"):
        files = ["-keyout", f"{folder}/{ca}.key", "-out", f"{folder}/{ca}.crt"]
        subprocess.run([*run, *files, "-subj", f"/CN={ca}"], check=True, capture_output=True)
    signed = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key"]
    for name in ("broker", "device"):
        files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
        extension = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(
            [*run, *signed, *files, *extension, "-subj", f"/CN={name}"],
            check=True,
            capture_output=True,
        )
