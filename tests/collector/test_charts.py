"""What the page draws: widths of buckets, bars of reasons."""

from __future__ import annotations

import msgspec
import pytest
from reports import Reporter

from edge_guard.collector.web.charts import bucket_width_ms, flagged_share, verdicts
from edge_guard.collector.web.reason import positions
from edge_guard.publish.messages import Summary, decode


def every(seconds: float, n: int) -> list[tuple[int, Summary]]:
    reporter = Reporter()
    summary = decode(reporter.summary(verdicts={"accept": 8, "review": 2})[1], Summary)
    return [
        (round(1e12 + k * seconds * 1000), msgspec.structs.replace(summary, window=k))
        for k in range(n)
    ]


@pytest.mark.parametrize(
    ("seconds", "n", "expected_s"),
    [
        (2, 1, 10),
        (2, 30, 10),  # a minute of the demo
        (2, 1800, 60),
        (60.02, 60, 60),  # an hour with usual windows
        (60.02, 480, 300),
        (60.02, 1440, 900),
        (900, 4, 900),
        (3600, 3, 900),
    ],
)
def test_buckets_are_as_fine_as_the_summaries_allow(
    seconds: float, n: int, expected_s: int
) -> None:
    assert bucket_width_ms(every(seconds, n)) == expected_s * 1000


def test_every_frame_is_drawn_once() -> None:
    chart = verdicts(every(2, 30), 10_000)
    drawn = {one["name"]: sum(count for _, count in one["data"]) for one in chart["series"]}
    assert drawn == {"accept": 240, "review": 60, "invalid": 0}
    assert {share for _, share in flagged_share(every(2, 30), 10_000)["series"][0]["data"]} == {
        20.0
    }


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (9.0, 5.0, 7.0, (11.5, 50.0, 88.5)),
        (7.7, None, 7.5, (0.0, 84.7, 87.0)),  # just above the limit looks like it
        (75.0, None, 1.0, (0.0, 1.2, 87.0)),  # and far above like that
        (0.5, 1.0, None, (87.0, 100.0, 43.5)),
        (1.0, None, 0.0, (0.0, 0.0, 87.0)),
        (-2.0, None, -3.0, (0.0, 11.5, 88.5)),  # zero is no end here
    ],
)
def test_a_bar_shows_how_far_a_value_is_out(
    value: float,
    low: float | None,
    high: float | None,
    expected: tuple[float, float, float],
) -> None:
    assert positions(value, low, high) == pytest.approx(expected, abs=0.1)
