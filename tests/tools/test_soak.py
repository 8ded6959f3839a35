"""The soak in short: a real daemon, cameras with every fault, limits that are judged."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from soak.account import Sample, conclude, slope_of

ROOT = Path(__file__).resolve().parents[2]
FAST = "--minutes 0.2 --fault-every 1.5 --fault-seconds 0.8 --frames-per-second 12"


def sample(seconds: float, **changes: object) -> Sample:
    return replace(
        Sample(
            seconds,
            faulty=seconds % 60 == 0,
            memory_mib=100.0,
            files=10,
            threads=5,
            spool_mib=1.0,
            backlog=0,
            started=1.0,
            frames={"camera0": int(20 * seconds), "camera1": int(25 * seconds)},
            dropped=0,
            reasons={},
            self_tests=(1, 1),
        ),
        **changes,
    )


def test_a_short_soak_survives_every_fault() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "soak"), "--json", *FAST.split()],
        capture_output=True,
        timeout=120,
        check=False,
    )
    report = json.loads(done.stdout)
    assert sum(report["faults"].values()) >= 6
    assert min(report["faults"].values()) >= 1
    assert report["exit_code"] == report["restarts"] == 0
    assert report["frames"]["camera1"] > 50
    assert report["reasons"]["gate.dead"] >= 1
    assert report["self_tests_passed"]
    # a few seconds say little about rates
    assert [words for words in report["problems"] if "held up" not in words] == []


def test_a_steady_device_is_within_the_limits() -> None:
    steady = [sample(30.0 * n) for n in range(60)]
    report = conclude(steady, {}, ["camera1"], 0)
    assert report.problems == ()
    assert report.slope_mib_per_hour == pytest.approx(0.0)
    assert report.frames_per_second["camera1"] == pytest.approx(25.0)
    assert report.beside_faults == {"camera1": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda n: {"memory_mib": 100 + n * 30 / 3600 * 2}, "memory grows by 2.00"),
        (lambda n: {"files": 10 + n}, "open files grow"),
        (lambda n: {"threads": 5 + n}, "threads grow"),
        (lambda n: {"started": float(n // 50)}, "restarted"),
        (lambda n: {"self_tests": (1, 0)}, "self-test"),
        (lambda n: {"frames": {"camera1": 300 * (n // 2)}}, "held up: camera1"),
    ],
)
def test_each_limit_is_judged(changes, words) -> None:
    samples = [sample(30.0 * n, **changes(n)) for n in range(60)]
    (problem,) = conclude(samples, {}, ["camera1"], 0).problems
    assert words in problem


def test_a_slope_has_an_error() -> None:
    slope, error = slope_of([(x, 3 * x + (-1) ** x) for x in range(100)])
    assert abs(slope - 3) < error < 0.1
