"""The tables of the broker's connection."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_guard.config.values import FilePath, Port, Table


class TlsTable(Table, frozen=True):
    """``[mqtt.tls]``: the plant's certificate authority and this client's certificate."""

    ca_file: Annotated[
        FilePath | None, Meta(description="Certificate authority. Left out: the system's.")
    ] = None
    certificate_file: Annotated[
        FilePath | None, Meta(description="This client's certificate, with key_file.")
    ] = None
    key_file: Annotated[
        FilePath | None, Meta(description="Key of this client's certificate, without a password.")
    ] = None


class MqttTable(Table, frozen=True):
    """``[mqtt]``: the broker."""

    host: Annotated[str, Meta(min_length=1, description="The broker's name or IP address.")] = (
        "localhost"
    )
    port: Annotated[Port, Meta(description="Its TCP port; 8883 is usual with TLS.")] = 1883
    version: Annotated[
        Literal["auto", "3.1.1", "5"], Meta(description="MQTT version; auto prefers 5.")
    ] = "auto"
    username: Annotated[str | None, Meta(description="User at the broker.")] = None
    password_file: Annotated[
        FilePath | None, Meta(description="File that holds the password; no password stands here.")
    ] = None
    tls: Annotated[
        TlsTable | None, Meta(description="Encrypt the connection; an empty table is enough.")
    ] = None
    keepalive_seconds: Annotated[
        int, Meta(ge=5, le=3600, description="A peer silent for 1.5 times this long is gone.")
    ] = 30
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[^/+#\s$][^/+#\x00-\x1f]*(/[^/+#\x00-\x1f]+)*$(?!\n)",
            extra={
                "reason": "cannot begin an MQTT topic: use words of letters, digits, '-', '_', "
                "with '/' between them"
            },
            description="First levels of every topic.",
        ),
    ] = "edge-guard/v1"
    receipts: Annotated[
        bool,
        Meta(
            description="Keep each event until the collector's receipt; false: until the "
            "broker's PUBACK, for plants without a collector."
        ),
    ] = True
