"""Device and collector configuration: TOML files as typed, frozen structs.

Every key's meaning, unit and bounds stand here, once: ``docs/configuration.md`` and
``edge-guard config schema`` are made from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from edge_guard.config_rules import device_problems, mqtt_problems
from edge_guard.errors import ConfigError
from edge_guard.toml_reader import Document, Problem, convert, read_document

_Level = Annotated[
    str,
    Meta(
        pattern=r"^[^/+#\s\x00-\x1f\x7f$][^/+#\x00-\x1f\x7f]{0,63}$(?!\n)",
        extra={
            "reason": "cannot be part of an MQTT topic: use 1 to 64 letters, digits, '-', '_', '.'"
        },
    ),
]
_Port = Annotated[int, Meta(ge=1, le=65535)]
_Path = Annotated[str, Meta(min_length=1)]
_Seconds = Annotated[float, Meta(gt=0, le=86400)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown keys are refused."""


class DeviceTable(Table, frozen=True):
    """``[device]``: who this device is."""

    id: Annotated[_Level, Meta(description="Name of this device, unique on its line.")]
    site: Annotated[_Level, Meta(description="The plant.")] = "site"
    line: Annotated[_Level, Meta(description="The line in the plant.")] = "line"


class StreamTable(Table, frozen=True):
    """One ``[[stream]]``: a source guarded by a bundle."""

    name: Annotated[_Level, Meta(description="Name of the stream, unique on the device.")]
    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="Camera index or device path, rtsp://, rtsps://, http:// or https:// "
            "address, video file, image, or folder of images.",
        ),
    ]
    bundle: Annotated[_Path, Meta(description="The .guard file that guards the stream.")]
    publish: Annotated[
        Literal["flagged", "all"],
        Meta(description="Which frames are reported one by one: those not accepted, or all."),
    ] = "flagged"
    watch: Annotated[
        bool, Meta(description="Folder only: when all is read, keep looking for new files.")
    ] = False
    frames_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None,
        Meta(description="File or folder only: pace. Left out: as fast as it is read."),
    ] = None
    loop: Annotated[bool, Meta(description="File or folder only: start again at its end.")] = False
    threads: Annotated[int, Meta(ge=1, le=256, description="Threads of the model's runtime.")] = 1
    summary_seconds: Annotated[_Seconds, Meta(description="Length of a summary's window.")] = 60.0
    model_timeout_seconds: Annotated[
        _Seconds, Meta(description="A model that takes longer counts as hung.")
    ] = 10.0
    jpeg_quality: Annotated[
        int, Meta(ge=1, le=100, description="Quality of the pictures of flagged frames.")
    ] = 90


class TlsTable(Table, frozen=True):
    """``[mqtt.tls]``: the plant's certificate authority and this client's certificate."""

    ca_file: Annotated[
        _Path | None, Meta(description="Certificate authority. Left out: the system's.")
    ] = None
    certificate_file: Annotated[
        _Path | None, Meta(description="This client's certificate, with key_file.")
    ] = None
    key_file: Annotated[
        _Path | None, Meta(description="Key of this client's certificate, without a password.")
    ] = None


class MqttTable(Table, frozen=True):
    """``[mqtt]``: the broker."""

    host: Annotated[str, Meta(min_length=1, description="The broker's name or IP address.")] = (
        "localhost"
    )
    port: Annotated[_Port, Meta(description="Its TCP port; 8883 is usual with TLS.")] = 1883
    version: Annotated[
        Literal["auto", "3.1.1", "5"], Meta(description="MQTT version; auto prefers 5.")
    ] = "auto"
    username: Annotated[str | None, Meta(description="User at the broker.")] = None
    password_file: Annotated[
        _Path | None, Meta(description="File that holds the password; no password stands here.")
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


class SpoolTable(Table, frozen=True):
    """``[spool]``: the durable queue on the device's disk."""

    path: Annotated[_Path, Meta(description="Its folder.")] = "spool"
    max_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            le=1 << 50,
            description="Quota. When it is reached, pictures go before events, oldest first.",
        ),
    ] = 2_000_000_000


class DeviceConfig(Table, frozen=True):
    """A whole device configuration file."""

    device: DeviceTable
    stream: tuple[StreamTable, ...]
    mqtt: MqttTable = MqttTable()
    spool: SpoolTable = SpoolTable()


class StoreTable(Table, frozen=True):
    """``[store]``: database and picture folder."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite:///.+|postgresql(\+psycopg)?://.+)$(?!\n)",
            extra={"reason": "is no database: use sqlite:///FILE or postgresql://…"},
            description="The database: sqlite:///FILE or postgresql://….",
        ),
    ] = "sqlite:///collector.sqlite"
    frames: Annotated[_Path, Meta(description="Folder for the pictures of flagged frames.")] = (
        "frames"
    )


class WebTable(Table, frozen=True):
    """``[web]``: the page."""

    host: Annotated[
        str, Meta(min_length=1, description="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1"
    port: Annotated[_Port, Meta(description="TCP port to listen on.")] = 8080
    title: Annotated[str, Meta(min_length=1, description="Title of the page.")] = "edge-guard"


class CollectorTable(Table, frozen=True):
    """``[collector]``: who this collector is."""

    id: Annotated[_Level, Meta(description="Name of this collector, unique at its broker.")] = (
        "collector"
    )


class CollectorConfig(Table, frozen=True):
    """A whole collector configuration file."""

    collector: CollectorTable = CollectorTable()
    mqtt: MqttTable = MqttTable()
    store: StoreTable = StoreTable()
    web: WebTable = WebTable()


T = TypeVar("T", bound=Table)
C = TypeVar("C", DeviceConfig, CollectorConfig)
_DEVICE_KEYS = frozenset({"device", "stream", "spool"})
_COLLECTOR_KEYS = frozenset({"collector", "store", "web"})


def load_device_config(path: str | Path) -> DeviceConfig:
    """Return a device's configuration; relative paths in it start at the file's folder.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ConfigError
        The file cannot be read or has problems: the first one, and how many more.
    """
    config, base = _load(Path(path), DeviceConfig)
    return msgspec.structs.replace(
        config,
        stream=tuple(_resolve_stream(stream, base) for stream in config.stream),
        mqtt=_resolve_mqtt(config.mqtt, base),
        spool=_resolve(config.spool, base, "path"),
    )


def load_collector_config(path: str | Path) -> CollectorConfig:
    """Return a collector's configuration; relative paths in it start at the file's folder.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ConfigError
        The file cannot be read or has problems: the first one, and how many more.
    """
    config, base = _load(Path(path), CollectorConfig)
    store = _resolve(config.store, base, "frames")
    scheme, mark, file = store.url.partition("sqlite:///")
    if mark and file != ":memory:":
        store = msgspec.structs.replace(store, url=f"{scheme}{mark}{base / file}")
    return msgspec.structs.replace(config, mqtt=_resolve_mqtt(config.mqtt, base), store=store)


def find_problems(path: Path) -> list[Problem]:
    """Return everything wrong with a device's or collector's configuration, in line order.

    Raises
    ------
    ConfigError
        The file cannot be read or is not TOML.
    """
    document = read_document(path)
    if document.data.keys() & _DEVICE_KEYS:
        return _checked(document, DeviceConfig)[1]
    if document.data.keys() & _COLLECTOR_KEYS:
        return _checked(document, CollectorConfig)[1]
    reason = "neither a device's nor a collector's: it has no [device] and no [store]"
    return [Problem(None, "", reason)]


def _checked(document: Document, kind: type[C]) -> tuple[C | None, list[Problem]]:
    config, problems = convert(document, kind)
    rules = device_problems if kind is DeviceConfig else mqtt_problems
    problems += rules(document)
    return config, sorted(problems, key=lambda problem: problem.line or 0)


def _load(path: Path, kind: type[C]) -> tuple[C, Path]:
    config, problems = _checked(read_document(path), kind)
    if config is None or problems:
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(
            problems[0].sentence(path) + more, f"'edge-guard config check {path}' lists all"
        )
    return config, path.absolute().parent


def _resolve(table: T, base: Path, *keys: str) -> T:
    """Return the table with its relative paths made absolute."""
    given = {key: getattr(table, key) for key in keys}
    return msgspec.structs.replace(
        table, **{key: str(base / path) for key, path in given.items() if path is not None}
    )


def _resolve_stream(stream: StreamTable, base: Path) -> StreamTable:
    no_path = "://" in stream.source or (stream.source.isascii() and stream.source.isdigit())
    return _resolve(stream, base, *(["bundle"] if no_path else ["bundle", "source"]))


def _resolve_mqtt(mqtt: MqttTable, base: Path) -> MqttTable:
    mqtt = _resolve(mqtt, base, "password_file")
    if mqtt.tls is None:
        return mqtt
    tls = _resolve(mqtt.tls, base, "ca_file", "certificate_file", "key_file")
    return msgspec.structs.replace(mqtt, tls=tls)
