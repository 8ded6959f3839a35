"""Whether the user that runs the daemon may use the cameras."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_guard.config import DeviceConfig
from edge_guard.doctor.disk import existing
from edge_guard.doctor.findings import Area, Finding, fine, problem


class User(NamedTuple):
    """Who will open the cameras."""

    name: str
    uid: int
    groups: frozenset[int]


def check_cameras(config: DeviceConfig) -> Iterator[Finding]:
    """Yield whether each camera device may be used; those that are missing are told elsewhere.

    Root is asked for the user that owns the spool's folder, or the one in which it will be made:
    the daemon runs as that one.

    Parameters
    ----------
    config : DeviceConfig
        With absolute paths.
    """
    user = _user(Path(config.spool.path))
    for device in dict.fromkeys(_device(stream.source) for stream in config.stream):
        if device is not None and device.exists():
            yield check_device(device, user)


def check_device(device: Path, user: User) -> Finding:
    """Return whether a user may read and write a device."""
    found = device.stat()
    if may_use(found, user):
        return fine(Area.PERMISSIONS, f"user {user.name} may use {device}")
    group = _group(found.st_gid)
    return problem(
        Area.PERMISSIONS,
        f"user {user.name} may not use {device}, which belongs to group {group}",
        f"sudo usermod -aG {group} {user.name}, then log in again or restart the service",
    )


def may_use(found: os.stat_result, user: User) -> bool:
    """Return whether a user may read and write a file of these permissions."""
    if user.uid == 0:
        return True
    if found.st_uid == user.uid:
        needed = stat.S_IRUSR | stat.S_IWUSR
    elif found.st_gid in user.groups:
        needed = stat.S_IRGRP | stat.S_IWGRP
    else:
        needed = stat.S_IROTH | stat.S_IWOTH
    return found.st_mode & needed == needed


def _device(source: str) -> Path | None:
    if source.isascii() and source.isdigit():
        return Path(f"/dev/video{int(source)}")
    return Path(source) if source.startswith("/dev/") else None


def _user(spool: Path) -> User:
    uid, groups = os.geteuid(), frozenset([os.getegid(), *os.getgroups()])
    if uid == 0 and (owner := existing(spool).stat().st_uid):
        uid, groups = owner, frozenset(_groups_of(owner))
    return User(_name(uid), uid, groups)


def _groups_of(uid: int) -> Sequence[int]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return ()
    return os.getgrouplist(entry.pw_name, entry.pw_gid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
