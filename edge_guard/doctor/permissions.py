"""Who may read and write what the device keeps: secrets, bundles, the spool's folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edge_guard.config import DeviceConfig
from edge_guard.doctor.findings import Area, Finding, Level, fine, problem, warning

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PRIVATE = 0o600


def check_permissions(config: DeviceConfig, *, fix: bool) -> Iterator[Finding]:
    """Yield what is found of the files and folders that a configuration names.

    Parameters
    ----------
    config : DeviceConfig
        With absolute paths.
    fix : bool
        Make a missing spool folder; take a secret's permissions from everybody else.
    """
    yield from _check_spool(Path(config.spool.path), fix=fix)
    mqtt = config.mqtt
    secrets = {"password_file": mqtt.password_file, "key_file": mqtt.tls and mqtt.tls.key_file}
    for key, name in secrets.items():
        if name:
            yield _check_secret(key, Path(name), fix=fix)
    variants = (one for stream in config.stream for one in stream.variants().values())
    for name in dict.fromkeys(one.bundle for one in variants):
        yield _check_exchange("bundle", Path(name))
    for name in config.device.trusted_keys:
        yield _check_exchange("trusted key", Path(name))


def _check_spool(folder: Path, *, fix: bool) -> Iterator[Finding]:
    area = Area.PERMISSIONS
    if not folder.exists():
        remedy = f"mkdir -p {folder}, owned by the user that runs edge-guard (or doctor --fix)"
        missing = warning(area, f"the spool's folder {folder} is missing", remedy)
        yield _fixed(missing, lambda: folder.mkdir(parents=True, mode=0o700)) if fix else missing
    elif not folder.is_dir():
        yield problem(area, f"[spool] path {folder} is not a folder", "name a folder")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem(
            area,
            f"this user may not write the spool's folder {folder}",
            f"run as the user that runs edge-guard, or chown it: chown -R USER {folder}",
        )
    elif folder.stat().st_mode & _OTHERS_WRITE:
        loose = warning(
            area,
            f"others may write the spool's folder {folder}: they could forge or delete events",
            f"chmod go-w {folder} (or doctor --fix)",
        )
        yield _fixed(loose, lambda: _take(folder, _OTHERS_WRITE)) if fix else loose
    else:
        yield fine(area, f"the spool's folder {folder} can be written, by nobody else")


def _check_secret(key: str, path: Path, *, fix: bool) -> Finding:
    area = Area.PERMISSIONS
    if not os.access(path, os.R_OK):
        words = f"this user may not read {key} {path}"
        return problem(area, words, f"chown it to the user that runs edge-guard: chown USER {path}")
    mode = path.stat().st_mode
    if not mode & _OTHERS:
        return fine(area, f"{key} {path} is readable by its owner only")
    loose = warning(
        area,
        f"{key} {path} is open to others ({stat.filemode(mode)})",
        f"chmod {_PRIVATE:o} {path} (or doctor --fix)",
    )
    return _fixed(loose, lambda: _take(path, _OTHERS)) if fix else loose


def _check_exchange(what: str, path: Path) -> Finding:
    """Return whether somebody could put another file in this one's place."""
    area = Area.PERMISSIONS
    if not os.access(path, os.R_OK):
        return problem(area, f"this user may not read {what} {path}", f"chmod a+r {path}")
    if path.stat().st_mode & stat.S_IWOTH:
        words = f"everybody may write {what} {path}: it could be exchanged"
        return warning(area, words, f"chmod o-w {path}")
    return fine(area, f"{what} {path} can be read, and not written by everybody")


def _take(path: Path, bits: int) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~bits)


def _fixed(finding: Finding, mend: Callable[[], None]) -> Finding:
    """Mend it and return the finding as fixed, or why it could not be."""
    try:
        mend()
    except OSError as error:
        words = f"{finding.message}; it could not be put right ({error.strerror})"
        return problem(finding.area, words, finding.remedy)
    return msgspec.structs.replace(finding, level=Level.OK, remedy="", fixed=True)
