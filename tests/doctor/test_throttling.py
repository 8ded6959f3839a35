"""The doctor on processors that are slower than they could be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_guard.doctor.findings import Finding
from edge_guard.doctor.throttling import check_throttling

POLICY = "devices/system/cpu/cpufreq/policy0"


def silent(_: list[str]) -> str:
    return ""


def found(root: Path, ask=silent, **files: str) -> list[Finding]:
    """What is found where these files stand below a /sys; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return list(check_throttling(root, ask))


def policy(top: int, allowed: int, governor: str, driver: str) -> dict[str, str]:
    told = {
        "cpuinfo_max_freq": top,
        "scaling_max_freq": allowed,
        "scaling_governor": governor,
        "scaling_driver": driver,
    }
    return {f"{POLICY.replace('/', '__')}__{name}": str(value) for name, value in told.items()}


def test_a_processor_at_its_full_speed_is_no_finding(tmp_path):
    assert found(tmp_path, **policy(1_800_000, 1_800_000, "schedutil", "cpufreq-dt")) == []


def test_a_limit_of_the_frequency_is_told_in_mhz(tmp_path):
    (limited,) = found(tmp_path, **policy(1_800_000, 600_000, "schedutil", "cpufreq-dt"))
    assert limited.level == "warning"
    assert "600 MHz only, it could at 1800" in limited.message
    assert "cpupower" in limited.remedy


@pytest.mark.parametrize(("driver", "n"), [("cpufreq-dt", 1), ("intel_pstate", 0)])
def test_powersave_is_slow_but_where_it_only_sounds_so(tmp_path, driver, n):
    saving = found(tmp_path, **policy(1_800_000, 1_800_000, "powersave", driver))
    assert len(saving) == n
    assert all("powersave" in f.message for f in saving)


@pytest.mark.parametrize(
    ("kind", "state", "n"),
    [("thermal-cpufreq-0", 3, 1), ("thermal-cpufreq-0", 0, 0), ("pwm-fan", 4, 0)],
)
def test_the_kernel_holding_it_back_now_is_a_finding_and_a_fan_is_not(tmp_path, kind, state, n):
    device = "class__thermal__cooling_device0__"
    told = found(tmp_path, **{f"{device}type": kind, f"{device}cur_state": str(state)})
    assert [f.level for f in told] == ["warning"] * n


@pytest.mark.parametrize(
    ("bits", "levels", "words"),
    [
        ("0x0", [], ""),
        ("0x50005", ["problem", "problem"], "too weak at this moment"),
        ("0x50000", ["warning", "warning"], "was too weak since"),
        ("0x80000", ["warning"], "was slowed down since"),
        ("0x8", ["problem"], "runs slower at this moment"),
    ],
)
def test_a_raspberry_pi_tells_of_power_and_heat(tmp_path, bits, levels, words):
    told = found(tmp_path, lambda command: f"throttled={bits}\n" if "vcgencmd" in command else "")
    assert [f.level for f in told] == levels
    assert words in " ".join(f.message for f in told)
    assert all(f.remedy for f in told)
    by_kernel = found(tmp_path, **{"devices__platform__soc__soc:firmware__get_throttled": bits[2:]})
    assert by_kernel == told, "older kernels tell the same in a file"


def test_nonsense_of_a_board_is_passed_over(tmp_path):
    assert found(tmp_path, lambda _: "throttled=maybe") == []
