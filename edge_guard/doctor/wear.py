"""How worn the disk under the spool says it is: eMMC by the kernel, SSDs by smartctl."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_guard.doctor.findings import Area, Finding, fine, problem, warning
from edge_guard.doctor.kernel import Ask, ask, text

_LIFE_TENTHS = 10
"""JEDEC eMMC 5.1 §7.4.43: steps of 10 % of the life time used; 0: not told; 0x0B: beyond it."""
_WORN = 90
"""% of the life time from which on a disk should be replaced."""
_RESERVES = {2: "has used 80 % of its spare blocks", 3: "has hardly any spare blocks left"}
"""JEDEC eMMC 5.1 §7.4.44, PRE_EOL_INFO."""
_VIRTUAL = ("vd", "xvd", "loop", "zram", "nbd")
_REMAINING = (231, 233, 202, 177, 169)
"""SMART attributes whose normalised value is the % of life left (drivedb of smartmontools)."""


def check_wear(folder: Path, sysfs: Path, ask: Ask = ask) -> Iterator[Finding]:
    """Yield how worn the disks under a folder are, and which of them do not tell.

    Parameters
    ----------
    folder : Path
        An existing one.
    sysfs : Path
        Where the kernel tells about its devices.
    ask : callable
        Runs ``smartctl``.
    """
    number = folder.stat().st_dev
    place = sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    if not place.exists():
        yield fine(Area.DISK, f"{folder} lies on no disk of its own that could tell its wear")
        return
    for disk in _disks(place.resolve()):
        yield from _wear(disk, ask)


def _disks(device: Path) -> list[Path]:
    """Return the disks that a partition or volume lies on."""
    slaves = sorted((device / "slaves").glob("*"))
    if slaves:
        found = [disk for slave in slaves for disk in _disks(slave.resolve())]
        return list(dict.fromkeys(found))
    return [device.parent if (device / "partition").exists() else device]


def _wear(disk: Path, ask: Ask) -> Iterator[Finding]:
    if disk.name.startswith(_VIRTUAL):
        yield fine(Area.DISK, f"disk {disk.name} is virtual: its host knows how worn it is")
        return
    life, kind = text(disk / "device" / "life_time"), text(disk / "device" / "type")
    if life:
        yield from _emmc(disk, life)
    elif kind == "SD":
        yield warning(
            Area.DISK,
            f"disk {disk.name} is an SD card, which does not tell how worn it is",
            "keep the spool on an SSD or eMMC, or on a card made for continuous recording, and "
            "have a spare one",
        )
    else:
        yield _smart(disk.name, ask)


def _emmc(disk: Path, life: str) -> Iterator[Finding]:
    tenths = max(map(_hexadecimal, life.split()))
    reserve = _RESERVES.get(_hexadecimal(text(disk / "device" / "pre_eol_info")))
    if reserve:
        words = f"disk {disk.name} {reserve}: it will soon take no more writes"
        yield problem(Area.DISK, words, "replace it")
    if tenths > _LIFE_TENTHS:
        words = f"disk {disk.name} is beyond its life time"
        yield problem(Area.DISK, words, "replace it before it fails")
    elif tenths:
        yield _used(disk.name, tenths * 10, "up to ")
    else:
        yield fine(Area.DISK, f"disk {disk.name} does not tell how worn it is")


def _hexadecimal(word: str) -> int:
    """Return a register; 0, which means not told, for what is no number."""
    try:
        return int(word, 16)
    except ValueError:
        return 0


def _used(name: str, percent: float, least: str = "") -> Finding:
    words = f"disk {name} has used {least}{percent:.0f} % of its life time"
    if percent > 100:
        return problem(Area.DISK, words, "replace it before it fails")
    if percent >= _WORN:
        return warning(Area.DISK, words, "plan its replacement")
    return fine(Area.DISK, words)


def _smart(name: str, ask: Ask) -> Finding:
    """Return what smartctl says; its JSON is described in its manual page, ``--json``."""
    try:
        told = msgspec.json.decode(ask(["smartctl", "--json", "--all", f"/dev/{name}"]) or "{}")
    except msgspec.DecodeError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    if _deep(told, "smart_status", "passed") is False:
        words = f"disk {name} says that it is about to fail"
        return problem(Area.DISK, words, "save what it holds and replace it")
    percent = _percent_used(told)
    if percent is not None:
        return _used(name, percent)
    why = "install smartmontools and run the doctor as root to ask it"
    if told:
        why = "smartctl reads nothing of it; SSDs that tell need the doctor to run as root"
    return fine(Area.DISK, f"disk {name} does not tell how worn it is ({why})")


def _percent_used(told: Mapping[str, Any]) -> float | None:
    for path in (
        ("nvme_smart_health_information_log", "percentage_used"),
        ("endurance_used", "current_percent"),
    ):
        value = _deep(told, *path)
        if isinstance(value, int | float):
            return float(value)
    rows = _deep(told, "ata_smart_attributes", "table")
    values = {row.get("id"): row.get("value") for row in rows or () if isinstance(row, dict)}
    left = next((values[n] for n in _REMAINING if isinstance(values.get(n), int)), None)
    return None if left is None else 100.0 - min(left, 100)


def _deep(told: Mapping[str, Any], *path: str) -> Any:
    """Return a value inside nested objects; None where there is none."""
    value: Any = told
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
