"""The demo's own little plant: a folder with configurations, credentials, ports and data."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from edge_guard.demo.assets import Assets
from edge_guard.errors import ConfigError

HOST = "127.0.0.1"
STREAM = "line-camera"
SUMMARY_SECONDS = 2
_USUAL_PORT = 8080
_USER = "demo"

_MQTT = """
[mqtt]
host = {host}
port = {broker_port}
version = "3.1.1"
username = {user}
password_file = {password_file}
"""

_DEVICE = """\
[device]
id = "demo-device"
site = "demo"
line = "brackets"

[[stream]]
name = {stream}
source = {footage}
bundle = {bundle}
frames_per_second = {frames_per_second}
loop = true
summary_seconds = {summary_seconds}
audit_per_hour = 360
diverse_per_hour = 120

[spool]
path = {spool}
"""

_COLLECTOR = """\
[collector]
id = "demo-collector"

[store]
url = {database}
frames = {frames}

[web]
host = {host}
port = {page_port}
title = "edge-guard demo"
"""


@dataclass(frozen=True)
class World:
    """What the demo's processes are started with; everything they write lies below ``folder``."""

    folder: Path
    broker_port: int
    page_port: int

    @property
    def page(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.page_port}"

    @property
    def credentials(self) -> Path:
        """File with ``user:password`` of the broker."""
        return self.folder / "credentials"

    @property
    def device(self) -> Path:
        """The device's configuration."""
        return self.folder / "device.toml"

    @property
    def collector(self) -> Path:
        """The collector's configuration."""
        return self.folder / "collector.toml"

    @property
    def spool(self) -> Path:
        """The device's ``[spool] path``."""
        return self.folder / "spool"

    @property
    def database(self) -> str:
        """The collector's ``[store] url``."""
        return f"sqlite:///{self.folder / 'collector.sqlite'}"

    @property
    def frames(self) -> Path:
        """The collector's ``[store] frames``."""
        return self.folder / "frames"


def build(folder: Path, assets: Assets, page_port: int | None) -> World:
    """Write configurations and credentials into ``folder`` and return the world.

    Parameters
    ----------
    folder : Path
        Exists and is empty.
    assets : Assets
    page_port : int, optional
        Port of the page; None: the usual one, or any free one where that is taken.

    Raises
    ------
    ConfigError
        ``page_port`` is taken.
    """
    world = World(folder, _free_port(), _page_port(page_port))
    password = secrets.token_urlsafe(24)
    _write_secret(folder / "password", password)
    _write_secret(world.credentials, f"{_USER}:{password}")
    mqtt = _toml(
        _MQTT,
        host=HOST,
        broker_port=world.broker_port,
        user=_USER,
        password_file=folder / "password",
    )
    _hold(world, assets.bundle)
    world.device.write_text(_device(world, assets) + mqtt)
    world.collector.write_text(
        _toml(
            _COLLECTOR,
            database=world.database,
            frames=world.frames,
            host=HOST,
            page_port=world.page_port,
        )
        + mqtt
    )
    return world


def _hold(world: World, bundle: Path) -> None:
    """Have the collector hold the bundle: it can be retuned, and returned to."""
    content, folder = bundle.read_bytes(), world.frames / "bundles"
    folder.mkdir(parents=True)
    (folder / f"{hashlib.sha256(content).hexdigest()}.guard").write_bytes(content)


def _device(world: World, assets: Assets) -> str:
    return _toml(
        _DEVICE,
        stream=STREAM,
        footage=assets.footage,
        bundle=assets.bundle,
        frames_per_second=assets.script.frames_per_second,
        summary_seconds=SUMMARY_SECONDS,
        spool=world.spool,
    )


def _toml(template: str, **values: str | float | Path) -> str:
    """Fill in values; a JSON string is a TOML string."""
    plain = {k: v if isinstance(v, (int, float)) else json.dumps(str(v)) for k, v in values.items()}
    return template.format(**plain)


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only this user can read, from its first moment on."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text + "\n")


def _page_port(wanted: int | None) -> int:
    if wanted is None:
        return _USUAL_PORT if _is_free(_USUAL_PORT) else _free_port()
    if not _is_free(wanted):
        raise ConfigError(
            f"port {wanted} of {HOST} cannot be used", "choose another one, or leave --port out"
        )
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
