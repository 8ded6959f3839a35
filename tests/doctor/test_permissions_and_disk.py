"""The doctor on files and disks: real ones, spoilt in every way that it should notice."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edge_guard.config import (
    DeviceConfig,
    DeviceTable,
    MqttTable,
    SpoolTable,
    StreamTable,
    TlsTable,
)
from edge_guard.doctor.disk import check_disk, fsync_ms
from edge_guard.doctor.findings import Finding
from edge_guard.doctor.permissions import check_permissions

needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    """A device whose files are as they should be."""
    for name, mode in (("password", 0o600), ("key", 0o400), ("x.guard", 0o644), ("k.pub", 0o644)):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(mode)
    (tmp_path / "spool").mkdir(mode=0o700)
    return DeviceConfig(
        device=DeviceTable(id="d", trusted_keys=(str(tmp_path / "k.pub"),)),
        stream=(StreamTable(name="s", source="0", bundle=str(tmp_path / "x.guard")),),
        mqtt=MqttTable(
            username="d",
            password_file=str(tmp_path / "password"),
            tls=TlsTable(certificate_file="c", key_file=str(tmp_path / "key")),
        ),
        spool=SpoolTable(path=str(tmp_path / "spool")),
    )


def permissions(config: DeviceConfig, *, fix: bool = False) -> dict[str, Finding]:
    """What is not simply fine, by message."""
    found = list(check_permissions(config, fix=fix))
    return {f.message: f for f in found if f.level != "ok" or f.fixed}


def test_files_as_they_should_be(config):
    assert permissions(config) == {}
    assert len(list(check_permissions(config, fix=False))) == 5


@pytest.mark.parametrize("name", ["password", "key"])
def test_a_secret_that_others_can_read_is_told_and_with_fix_closed(config, tmp_path, name):
    secret = tmp_path / name
    secret.chmod(0o644)
    (message, found), *more = permissions(config).items()
    assert not more
    assert found.level == "warning"
    assert f"{name}_file" in message and "-rw-r--r--" in message
    assert "chmod 600" in found.remedy
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644, "without --fix nothing is touched"
    (mended,) = permissions(config, fix=True).values()
    assert (mended.level, mended.fixed) == ("ok", True)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert permissions(config) == {}


def test_a_missing_spool_folder_is_made_with_fix_only(config, tmp_path):
    (tmp_path / "spool").rmdir()
    (found,) = permissions(config).values()
    assert found.level == "warning"
    assert not (tmp_path / "spool").exists()
    (mended,) = permissions(config, fix=True).values()
    assert mended.fixed
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_a_spool_folder_that_others_may_write(config, tmp_path):
    (tmp_path / "spool").chmod(0o777)
    (found,) = permissions(config).values()
    assert "forge" in found.message
    permissions(config, fix=True)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o755


def test_a_spool_that_is_a_file(config, tmp_path):
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("")
    (found,) = permissions(config, fix=True).values()
    assert found.level == "problem"


def test_what_cannot_be_fixed_is_a_problem(config, tmp_path):
    (tmp_path / "spool").rmdir()
    (tmp_path / "file").write_text("")
    spool = SpoolTable(path=str(tmp_path / "file" / "spool"))
    broken = DeviceConfig(device=config.device, stream=(), spool=spool)
    (found,) = permissions(broken, fix=True).values()
    assert found.level == "problem"
    assert "could not be put right" in found.message


@pytest.mark.parametrize(("name", "what"), [("x.guard", "bundle"), ("k.pub", "trusted key")])
def test_what_everybody_may_write_could_be_exchanged(config, tmp_path, name, what):
    (tmp_path / name).chmod(0o666)
    (found,) = permissions(config).values()
    assert f"{what} {tmp_path / name}: it could be exchanged" in found.message


@needs_user
@pytest.mark.parametrize("name", ["password", "x.guard", "spool"])
def test_what_this_user_may_not_use_is_a_problem(config, tmp_path, name):
    (tmp_path / name).chmod(0)
    (found,) = permissions(config).values()
    (tmp_path / name).chmod(0o700)
    assert found.level == "problem"


def test_the_disk_is_measured(tmp_path):
    found = list(check_disk(SpoolTable(path=str(tmp_path / "a" / "b"), max_bytes=1_000_000)))
    assert [f.level for f in found][:1] == ["ok"]
    assert "commit" in found[1].message
    took = fsync_ms(tmp_path)
    assert len(took) == 20
    assert all(ms > 0 for ms in took)
    assert list(tmp_path.iterdir()) == []


def test_a_quota_beyond_the_disk_is_a_problem_less_what_the_spool_holds(tmp_path):
    (tmp_path / "held").write_bytes(bytes(500_000))
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    room, *_ = check_disk(SpoolTable(path=str(tmp_path), max_bytes=2 * free + 10_000_000))
    assert room.level == "problem"
    assert "max_bytes" in room.remedy
    room, *_ = check_disk(SpoolTable(path=str(tmp_path), max_bytes=free - 50_000_000))
    assert room.level == "warning"
    room, *_ = check_disk(SpoolTable(path=str(tmp_path), max_bytes=1_000_000))
    assert "500,000" in room.message
