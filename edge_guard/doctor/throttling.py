"""Whether the processor runs as fast as it could: heat, power supply, settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_guard.doctor.findings import Area, Finding, problem, warning
from edge_guard.doctor.kernel import Ask, ask, number, text

_LIMITED = 0.95
"""Share of the top frequency; boards round a little."""
_SAVING_DRIVERS = ("intel_pstate", "amd-pstate", "amd-pstate-epp")
"""With these "powersave" is the usual governor, and not slow (kernel: admin-guide/pm)."""
_COOL = "cool it: frames will be dropped when it happens again"
_UNDER_VOLTAGE, _SLOW_NOW = 0x1, 0x2 | 0x4 | 0x8
_WAS = 16
"""Bits of the Raspberry Pi's get_throttled: now, and the same since the start 16 bits higher."""


def check_throttling(sysfs: Path, ask: Ask = ask) -> Iterator[Finding]:
    """Yield what slows the processor down, or did since it was started.

    Parameters
    ----------
    sysfs : Path
        Where the kernel tells about its devices.
    ask : callable
        Runs ``vcgencmd``, which Raspberry Pis have.
    """
    yield from _counted(sysfs)
    yield from _cooled_now(sysfs)
    yield from _limited(sysfs)
    yield from _raspberry(sysfs, ask)


def _counted(sysfs: Path) -> Iterator[Finding]:
    counts = (sysfs / "devices" / "system" / "cpu").glob("cpu*/thermal_throttle/*_throttle_count")
    times = max((number(count) or 0 for count in counts), default=0)
    if times:
        words = f"heat has slowed the processor down {times:.0f} times since it was started"
        yield warning(Area.TEMPERATURE, words, _COOL)


def _cooled_now(sysfs: Path) -> Iterator[Finding]:
    """Yield whether the kernel holds the processor back at this moment."""
    for device in sorted((sysfs / "class" / "thermal").glob("cooling_device*")):
        kind = text(device / "type")
        slows = "cpufreq" in kind or "cpuidle" in kind or kind == "Processor"
        if slows and (number(device / "cur_state") or 0) > 0:
            words = f"the kernel slows the processor down at this moment ({kind})"
            yield warning(Area.TEMPERATURE, words, "cool it: fan, heat sink, air in the cabinet")
            return


def _limited(sysfs: Path) -> Iterator[Finding]:
    """Yield settings that keep the processor slow."""
    policies = sorted((sysfs / "devices" / "system" / "cpu" / "cpufreq").glob("policy*"))
    for policy in policies:
        top, allowed = number(policy / "cpuinfo_max_freq"), number(policy / "scaling_max_freq")
        if top and allowed and allowed < _LIMITED * top:
            yield warning(
                Area.TEMPERATURE,
                f"{policy.name}: the processor may run at {allowed / 1e3:.0f} MHz only, it could "
                f"at {top / 1e3:.0f}",
                f"cpupower frequency-set --max {top / 1e3:.0f}MHz; where it falls again, heat or "
                "the power supply is the cause",
            )
            return
    for policy in policies:
        saving = text(policy / "scaling_governor") == "powersave"
        if saving and text(policy / "scaling_driver") not in _SAVING_DRIVERS:
            yield warning(
                Area.TEMPERATURE,
                f"{policy.name}: the governor “powersave” keeps the processor at its slowest",
                "cpupower frequency-set --governor schedutil (or performance)",
            )
            return


def _raspberry(sysfs: Path, ask: Ask) -> Iterator[Finding]:
    told = ask(["vcgencmd", "get_throttled"]).partition("=")[2].strip()
    told = told or text(sysfs / "devices" / "platform" / "soc" / "soc:firmware" / "get_throttled")
    try:
        bits = int(told, 16) if told else 0
    except ValueError:
        return
    if bits & _UNDER_VOLTAGE:
        words = "the power supply is too weak at this moment: the board slows down or stops"
        yield problem(
            Area.TEMPERATURE, words, "use the board's own supply and a short, thick cable"
        )
    elif bits >> _WAS & _UNDER_VOLTAGE:
        words = "the power supply was too weak since the board was started"
        yield warning(
            Area.TEMPERATURE, words, "use the board's own supply and a short, thick cable"
        )
    if bits & _SLOW_NOW:
        words = "the board runs slower at this moment, for heat or want of power"
        yield problem(Area.TEMPERATURE, words, "cool it: fan, heat sink, air in the cabinet")
    elif bits >> _WAS & _SLOW_NOW:
        words = "the board was slowed down since it was started"
        yield warning(Area.TEMPERATURE, words, _COOL)
