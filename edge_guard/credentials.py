"""What a client shows to the broker: its password and certificate, read from their files."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge_guard.config import MqttTable
from edge_guard.errors import ConfigError
from edge_guard.refusals import words


def password(config: MqttTable) -> str | None:
    """Return the password, without line ends; None where none is configured.

    Raises
    ------
    ConfigError
        Its file cannot be read.
    """
    if config.password_file is None:
        return None
    try:
        return Path(config.password_file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"[mqtt] password_file {config.password_file!r} cannot be read ({words(error)})",
            "give a text file with the password, readable by this user",
        ) from error


def tls_context(config: MqttTable) -> ssl.SSLContext | None:
    """Return what encrypts the connection; None where nothing does.

    Raises
    ------
    ConfigError
        A CA, certificate or key file cannot be loaded.
    """
    tls = config.tls
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"[mqtt.tls] ca_file {tls.ca_file!r}, certificate_file {tls.certificate_file!r},"
            f" key_file {tls.key_file!r}: {words(error)}",
            "give PEM files that this user can read",
        ) from error
    return context
