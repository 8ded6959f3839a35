"""The doctor on cameras that a user may not use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_guard.config import DeviceConfig, DeviceTable, SpoolTable, StreamTable
from edge_guard.doctor.devices import User, check_cameras, check_device

OTHER = 54_321


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "level"),
    [
        (0o660, OTHER, {"own"}, "ok"),
        (0o660, OTHER, set(), "problem"),
        (0o640, OTHER, {"own"}, "problem"),
        (0o666, OTHER, set(), "ok"),
        (0o600, None, set(), "ok"),
        (0o000, 0, set(), "ok"),
    ],
)
def test_group_and_mode_decide(tmp_path: Path, mode, uid, groups, level) -> None:
    device = tmp_path / "video0"
    device.touch()
    device.chmod(mode)
    found = device.stat()
    members = frozenset([found.st_gid]) if groups else frozenset([found.st_gid + 1])
    user = User("tech", found.st_uid if uid is None else uid, members)
    told = check_device(device, user)
    assert (told.area, told.level) == ("permissions", level)
    if level == "problem":
        assert "usermod -aG" in told.remedy and "tech" in told.remedy


def test_each_device_of_the_streams_is_asked_once(tmp_path: Path) -> None:
    names = ("/dev/null", "/dev/null", "/dev/no-such-camera", "rtsp://camera/1", str(tmp_path))
    streams = tuple(
        StreamTable(name=f"s{i}", source=name, bundle="x.guard") for i, name in enumerate(names)
    )
    spool = SpoolTable(path=str(tmp_path / "spool"))
    (told,) = check_cameras(DeviceConfig(device=DeviceTable(id="d"), stream=streams, spool=spool))
    assert (told.level, "/dev/null" in told.message) == ("ok", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("spool", ["spool", "spool/not/yet"])
def test_root_asks_for_the_user_that_owns_the_spool(tmp_path: Path, spool: str) -> None:
    (tmp_path / "spool").mkdir()
    os.chown(tmp_path / "spool", OTHER, OTHER)
    stream = StreamTable(name="s", source="/dev/null", bundle="x.guard")
    table = SpoolTable(path=str(tmp_path / spool))
    config = DeviceConfig(device=DeviceTable(id="d"), stream=(stream,), spool=table)
    (told,) = check_cameras(config)
    assert f"user {OTHER} may use /dev/null" in told.message
