"""Reads and checks configuration files; paths in them become absolute."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from edge_guard.config.collector import CollectorConfig, StoreTable
from edge_guard.config.device import DeviceConfig, StreamTable
from edge_guard.config.mqtt import MqttTable
from edge_guard.config.rules import collector_problems, device_problems
from edge_guard.config.values import Table
from edge_guard.errors import ConfigError
from edge_guard.toml_reader import Document, Problem, convert, read_document

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
    keys = tuple(str(base / key) for key in config.device.trusted_keys)
    return msgspec.structs.replace(
        config,
        device=msgspec.structs.replace(config.device, trusted_keys=keys),
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
    store = _resolve_pictures(config.store, base)
    scheme, mark, file = store.url.partition("sqlite:///")
    if mark and file != ":memory:":
        store = msgspec.structs.replace(store, url=f"{scheme}{mark}{base / file}")
    web = _resolve(config.web, base, "certificate_file", "key_file")
    mqtt = _resolve_mqtt(config.mqtt, base)
    webhooks = tuple(_resolve(webhook, base, "secret_file") for webhook in config.webhook)
    return msgspec.structs.replace(config, mqtt=mqtt, store=store, web=web, webhook=webhooks)


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


def find_document_problems(document: Document) -> list[Problem]:
    """Return everything wrong with a device's configuration that was put together elsewhere."""
    return _checked(document, DeviceConfig)[1]


def _checked(document: Document, kind: type[C]) -> tuple[C | None, list[Problem]]:
    config, problems = convert(document, kind)
    rules = device_problems if kind is DeviceConfig else collector_problems
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


def _genicam(source: str, base: Path) -> str:
    """Return a GenICam source with the path of its producer made absolute."""
    scheme, _, path = source.partition(":")
    return f"{scheme}:{base / path}"


def _resolve_stream(stream: StreamTable, base: Path) -> StreamTable:
    no_path = "://" in stream.source or (stream.source.isascii() and stream.source.isdigit())
    if stream.source.startswith("genicam:"):
        no_path, made = True, _genicam(stream.source, base)
        stream = msgspec.structs.replace(stream, source=made)
    keys = [*([] if stream.product else ["bundle"]), *([] if no_path else ["source"])]
    products = tuple(_resolve(product, base, "bundle") for product in stream.product)
    return msgspec.structs.replace(_resolve(stream, base, *keys), product=products)


def _resolve_pictures(store: StoreTable, base: Path) -> StoreTable:
    if not store.frames.startswith("s3://"):
        return _resolve(store, base, "frames", "bundles")
    keys = _resolve(store.s3, base, "secret_key_file", "ca_file") if store.s3 else None
    bundles = str(base / (store.bundles or "bundles"))
    return msgspec.structs.replace(store, bundles=bundles, s3=keys)


def _resolve_mqtt(mqtt: MqttTable, base: Path) -> MqttTable:
    mqtt = _resolve(mqtt, base, "password_file")
    if mqtt.tls is None:
        return mqtt
    tls = _resolve(mqtt.tls, base, "ca_file", "certificate_file", "key_file")
    return msgspec.structs.replace(mqtt, tls=tls)
