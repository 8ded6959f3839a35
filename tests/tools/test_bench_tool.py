"""``make bench``: its peers compute the same things, and its clock sees which of two is slower."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from bench import tables
from bench.opencv_statistics import statistics
from bench.pictures import picture
from bench.race import OURS, Race, Track

from edge_guard import _kernels


@pytest.mark.parametrize("shape", [(120, 161, 3), (33, 64, 1), (16, 16, 3)])
def test_opencv_computes_the_same_statistics(shape: tuple[int, int, int]) -> None:
    image = picture(*shape)
    names = (*_kernels.STATISTICS, *_kernels.LEVELS)
    values = np.zeros(len(names), np.float32)
    _kernels.image_statistics(image, values, np.zeros((2, 8, 8), np.float32))
    theirs = statistics(image)
    for name, value in zip(names, values.tolist(), strict=True):
        assert theirs[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name


def test_a_race_is_timed_in_every_state_and_prints_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[int] = []
    calls = {OURS: lambda _: None, "slow": lambda _: time.sleep(0.002)}
    race = Race("nothing at all", calls, 1_000_000, {"wrong": np.float64(0.5)})
    record = Track(0.01, lambda: ran.append(1)).run(race)
    assert set(record["times"]) == {"warm", "cold", "in_situ"}
    assert ran
    for times in record["times"].values():
        assert times["slow"]["median_us"] >= 2000
        assert times[OURS]["median_us"] < times["slow"]["median_us"]
        assert tables.ratio(times) == pytest.approx(
            times["slow"]["median_us"] / max(times[OURS]["median_us"], 0.01)
        )
    tables.show(record, as_json=False)
    assert "nothing at all" in capsys.readouterr().out
    tables.show(record, as_json=True)
    assert json.loads(capsys.readouterr().out)["notes"] == {"wrong": 0.5}
