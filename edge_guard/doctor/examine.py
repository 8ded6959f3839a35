"""Everything that the doctor looks at, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_guard.bundle import Bundle
from edge_guard.config import find_problems, load_device_config
from edge_guard.doctor.broker import check_broker
from edge_guard.doctor.devices import check_cameras
from edge_guard.doctor.disk import check_disk
from edge_guard.doctor.findings import Area, Finding, fine, problem
from edge_guard.doctor.machine import check_clock, check_temperature
from edge_guard.doctor.permissions import check_permissions
from edge_guard.doctor.streams import check_stream, read_bundles


def examine(path: Path, *, fix: bool) -> Iterator[Finding]:
    """Yield one finding after the other, as they are found.

    Parameters
    ----------
    path : Path
        The device's configuration; where it has problems, only they are yielded.
    fix : bool
        Put right what can safely be put right.

    Raises
    ------
    ConfigError
        The file cannot be read or is not TOML.
    """
    wrong = find_problems(path)
    for found in wrong:
        yield problem(Area.CONFIGURATION, found.sentence(path), "correct the file")
    if wrong:
        return
    config = load_device_config(path)
    streams = len(config.stream)
    yield fine(Area.CONFIGURATION, f"{path}: device {config.device.id} with {streams} stream(s)")
    yield from check_permissions(config, fix=fix)
    yield from check_cameras(config)
    yield from check_disk(config.spool)
    bundles = read_bundles(config.stream, config.device.trusted_keys)
    manifests = [bundle.manifest for bundle in bundles.values() if isinstance(bundle, Bundle)]
    yield from check_clock(manifests)
    yield from check_temperature()
    for table in (one for stream in config.stream for one in stream.variants().values()):
        yield from check_stream(table, bundles[table.bundle])
    yield from check_broker(config)
