"""The doctor on disks, as Linux and smartctl describe them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from edge_guard.doctor.findings import Finding
from edge_guard.doctor.kernel import ask
from edge_guard.doctor.wear import check_wear


class Sysfs:
    """A tree like /sys in which a folder lies on one disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root / "sys", root
        number = root.stat().st_dev
        self.link = self.root / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
        self.link.parent.mkdir(parents=True)

    def disk(self, name: str, **files: str) -> Path:
        """Add a disk; what is told of its device."""
        disk = self.root / "block" / name
        (disk / "device").mkdir(parents=True)
        for file, text in files.items():
            (disk / "device" / file).write_text(f"{text}\n")
        return disk

    def partition(self, disk: Path, name: str) -> Path:
        """Add a partition of a disk."""
        (disk / name).mkdir()
        (disk / name / "partition").write_text("1\n")
        return disk / name

    def under(self, place: Path) -> Path:
        """Let the folder lie there."""
        self.link.symlink_to(place)
        return self.root


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def wear(sysfs: Sysfs, told: object = "") -> list[Finding]:
    asked = told if isinstance(told, str) else json.dumps(told)
    return list(check_wear(sysfs.folder, sysfs.root, lambda _: asked))


@pytest.mark.parametrize(
    ("life", "level", "words"),
    [
        ("0x01 0x02", "ok", "used up to 20 %"),
        ("0x02 0x09", "warning", "used up to 90 %"),
        ("0x0B 0x01", "problem", "beyond its life time"),
    ],
)
def test_an_emmc_tells_the_kernel(sysfs, life, level, words):
    disk = sysfs.disk("mmcblk0", life_time=life, type="MMC", pre_eol_info="0x01")
    sysfs.under(sysfs.partition(disk, "mmcblk0p1"))
    (found,) = wear(sysfs)
    assert found.level == level
    assert "mmcblk0 " in found.message and words in found.message
    assert bool(found.remedy) == (level != "ok")


def test_an_emmc_without_spare_blocks_is_a_problem(sysfs):
    sysfs.under(sysfs.disk("mmcblk0", life_time="0x03 0x03", pre_eol_info="0x03"))
    spent, used = wear(sysfs)
    assert (spent.level, used.level) == ("problem", "ok")
    assert "hardly any spare blocks" in spent.message


@pytest.mark.parametrize("life", ["0x00 0x00", "not known"])
def test_an_emmc_that_does_not_tell_is_not_new(sysfs, life):
    sysfs.under(sysfs.disk("mmcblk0", life_time=life, type="MMC", pre_eol_info="?"))
    (found,) = wear(sysfs)
    assert found.message == "disk mmcblk0 does not tell how worn it is"


def test_half_of_an_emmc_that_tells_counts(sysfs):
    sysfs.under(sysfs.disk("mmcblk0", life_time="0x00 0x09", pre_eol_info=""))
    (found,) = wear(sysfs)
    assert "used up to 90 %" in found.message


def test_an_sd_card_is_no_place_for_a_spool(sysfs):
    sysfs.under(sysfs.partition(sysfs.disk("mmcblk1", type="SD"), "mmcblk1p2"))
    (found,) = wear(sysfs)
    assert found.level == "warning"
    assert "SSD or eMMC" in found.remedy


NVME = {"nvme_smart_health_information_log": {"percentage_used": 93}}
ATA = {"ata_smart_attributes": {"table": [{"id": 9, "value": 50}, {"id": 231, "value": 88}]}}


@pytest.mark.parametrize(
    ("told", "level", "words"),
    [
        (NVME, "warning", "used 93 %"),
        ({"nvme_smart_health_information_log": {"percentage_used": 130}}, "problem", "130 %"),
        (ATA, "ok", "used 12 %"),
        ({"endurance_used": {"current_percent": 4}, **ATA}, "ok", "used 4 %"),
        ({"smart_status": {"passed": False}, **ATA}, "problem", "about to fail"),
        ({"smartctl": {"exit_status": 2}}, "ok", "as root"),
        ("", "ok", "install smartmontools"),
        ("no JSON", "ok", "install smartmontools"),
        ([1], "ok", "install smartmontools"),
        ({"ata_smart_attributes": {"table": "x"}}, "ok", "reads nothing"),
    ],
)
def test_an_ssd_tells_smartctl(sysfs, told, level, words):
    sysfs.under(sysfs.disk("nvme0n1"))
    (found,) = wear(sysfs, told)
    assert found.level == level
    assert words in found.message and "nvme0n1" in found.message


def test_all_disks_of_a_volume_are_asked(sysfs):
    volume = sysfs.root / "block" / "dm-0"
    (volume / "slaves").mkdir(parents=True)
    for name in ("sda", "sdb"):
        part = sysfs.partition(sysfs.disk(name), f"{name}1")
        (volume / "slaves" / f"{name}1").symlink_to(part)
    sysfs.under(volume)
    asked: list[list[str]] = []
    found = list(check_wear(sysfs.folder, sysfs.root, lambda c: asked.append(c) or "{}"))
    assert [command[-1] for command in asked] == ["/dev/sda", "/dev/sdb"]
    assert len(found) == 2


def test_what_is_no_disk_or_a_virtual_one_says_so(sysfs):
    (nothing,) = wear(sysfs)
    assert "no disk of its own" in nothing.message
    sysfs.under(sysfs.partition(sysfs.disk("vda"), "vda1"))
    (virtual,) = wear(sysfs, NVME)
    assert (virtual.level, "virtual" in virtual.message) == ("ok", True)


@pytest.mark.parametrize("name", ["loop0", "zram0", "nbd0"])
def test_disks_without_a_device_below_are_virtual_by_their_own_name(sysfs, name):
    place = sysfs.root / "block" / name
    place.mkdir(parents=True)
    sysfs.under(place)
    (found,) = wear(sysfs, NVME)
    assert found.message == f"disk {name} is virtual: its host knows how worn it is"


def test_programs_are_asked_and_may_be_missing(tmp_path, monkeypatch):
    program = tmp_path / "smartctl"
    program.write_text('#!/bin/sh\necho "asked $*"\nexit 4\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert ask(["smartctl", "--all"]) == "asked --all\n", "its exit code is a finding, no failure"
    assert ask(["no-such-program"]) == ""
