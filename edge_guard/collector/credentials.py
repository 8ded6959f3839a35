"""The collector's password and certificates, read from their files."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge_guard.config import MqttTable
from edge_guard.errors import ConfigError


def password(config: MqttTable) -> str | None:
    """Return the password; None where none is wanted.

    Raises
    ------
    ConfigError
        Its file cannot be read.
    """
    if config.password_file is None:
        return None
    try:
        return Path(config.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"[mqtt] password_file {config.password_file} cannot be read ({error})",
            "write the password alone into it, readable by this user",
        ) from error


def tls_context(config: MqttTable) -> ssl.SSLContext | None:
    """Return what encrypts the connection; None where nothing does.

    Raises
    ------
    ConfigError
        A certificate or key cannot be loaded.
    """
    if config.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=config.tls.ca_file)
        if config.tls.certificate_file is not None:
            context.load_cert_chain(config.tls.certificate_file, config.tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"[mqtt.tls] certificate or key cannot be loaded ({error})",
            "check ca_file, certificate_file and key_file",
        ) from error
    return context
