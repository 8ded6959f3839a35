"""The doctor on clocks and temperatures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_guard.bundle import read_bundle
from edge_guard.doctor.machine import check_clock, check_temperature

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo_line.guard"
DAY = 86_400


@pytest.mark.parametrize(
    ("days", "synchronised", "level"),
    [(1, True, "ok"), (1, False, "warning"), (-30, True, "problem"), (40 * 365, True, "problem")],
)
def test_a_clock_is_judged_by_the_bundles_age_and_by_its_discipline(days, synchronised, level):
    manifest = read_bundle(DEMO).manifest
    made = datetime.fromisoformat(manifest.provenance.created).timestamp()
    (found,) = check_clock([manifest], made + days * DAY, synchronised=synchronised)
    assert found.level == level
    assert bool(found.remedy) == (level != "ok")


def test_without_a_bundle_the_year_1970_is_still_impossible():
    (found,) = check_clock([], 0.0, synchronised=True)
    assert found.level == "problem"
    now = datetime(2027, 5, 1, tzinfo=UTC).timestamp()
    (found,) = check_clock([], now, synchronised=True)
    assert found.level == "ok"


def zone(root: Path, degrees: float, *trips: tuple[str, float]) -> None:
    folder = root / "class" / "thermal" / "thermal_zone0"
    folder.mkdir(parents=True)
    (folder / "type").write_text("cpu-thermal\n")
    (folder / "temp").write_text(f"{degrees * 1000:.0f}\n")
    for i, (kind, limit) in enumerate(trips):
        (folder / f"trip_point_{i}_type").write_text(f"{kind}\n")
        (folder / f"trip_point_{i}_temp").write_text(f"{limit * 1000:.0f}\n")


@pytest.mark.parametrize(
    ("degrees", "trips", "level"),
    [
        (50, [], "ok"),
        (82, [], "warning"),
        (86, [], "problem"),
        (60, [("active", 40), ("passive", 70), ("critical", 90)], "ok"),
        (66, [("passive", 70), ("critical", 90)], "warning"),
        (71, [("passive", 70)], "problem"),
    ],
)
def test_heat_is_judged_by_the_kernels_limits(tmp_path, degrees, trips, level):
    zone(tmp_path, degrees, *trips)
    (found,) = check_temperature(tmp_path)
    assert found.level == level
    assert "cpu-thermal" in found.message


def test_slowing_down_in_the_past_is_told(tmp_path):
    zone(tmp_path, 40)
    for cpu, count in enumerate((0, 12)):
        folder = tmp_path / "devices" / "system" / "cpu" / f"cpu{cpu}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    found = list(check_temperature(tmp_path))
    assert [f.level for f in found] == ["ok", "warning"]
    assert "12 times" in found[1].message


def test_a_machine_that_tells_nothing_is_no_trouble(tmp_path):
    (found,) = check_temperature(tmp_path)
    assert found.level == "ok"
