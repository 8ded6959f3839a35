"""Device and collector configuration: TOML files as typed, frozen structs."""

from __future__ import annotations

from typing import Literal

import msgspec


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown keys are refused."""


class DeviceTable(Table, frozen=True):
    """``[device]``: who this device is."""

    id: str
    site: str = "site"
    line: str = "line"


class StreamTable(Table, frozen=True):
    """One ``[[stream]]``: a source guarded by a bundle."""

    name: str
    source: str
    """Camera index or device path, rtsp:// or http:// address, video file, or folder."""
    bundle: str
    publish: Literal["flagged", "all"] = "flagged"
    watch: bool = False
    """Keep looking for new files in a folder."""
    frames_per_second: float | None = None
    """Play a file or folder at this pace; None: as fast as it is read."""
    loop: bool = False
    """Start a file or folder again at its end."""
    threads: int = 1
    """Threads of the model's runtime."""
    summary_seconds: float = 60.0
    model_timeout_seconds: float = 10.0
    jpeg_quality: int = 90


class TlsTable(Table, frozen=True):
    """``[mqtt.tls]``: files of the plant's certificate authority and this client's certificate."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class MqttTable(Table, frozen=True):
    """``[mqtt]``: the broker."""

    host: str = "localhost"
    port: int = 1883
    version: Literal["auto", "3.1.1", "5"] = "auto"
    username: str | None = None
    password_file: str | None = None
    tls: TlsTable | None = None
    keepalive_seconds: int = 30
    prefix: str = "edge-guard/v1"
    receipts: bool = True
    """Keep each event until the collector's receipt; False: until the broker's PUBACK."""


class SpoolTable(Table, frozen=True):
    """``[spool]``: the durable queue on the device's disk."""

    path: str = "spool"
    max_bytes: int = 2_000_000_000


class DeviceConfig(Table, frozen=True):
    """A whole device configuration file."""

    device: DeviceTable
    stream: tuple[StreamTable, ...]
    mqtt: MqttTable = MqttTable()
    spool: SpoolTable = SpoolTable()


class StoreTable(Table, frozen=True):
    """``[store]``: database and picture folder."""

    url: str = "sqlite:///collector.sqlite"
    frames: str = "frames"


class WebTable(Table, frozen=True):
    """``[web]``: the page."""

    host: str = "127.0.0.1"
    port: int = 8080
    title: str = "edge-guard"


class CollectorTable(Table, frozen=True):
    """``[collector]``: who this collector is."""

    id: str = "collector"


class CollectorConfig(Table, frozen=True):
    """A whole collector configuration file."""

    collector: CollectorTable = CollectorTable()
    mqtt: MqttTable = MqttTable()
    store: StoreTable = StoreTable()
    web: WebTable = WebTable()
