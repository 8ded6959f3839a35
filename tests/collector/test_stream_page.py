"""What a stream's page is made from: incidents, distributions, rates of the random sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reports import Reporter

from edge_guard.collector.accuracy import StreamAccuracy, accuracy_of
from edge_guard.collector.audit import Audited, audit
from edge_guard.collector.parse import parse
from edge_guard.collector.spans import Spans
from edge_guard.collector.store import Store
from edge_guard.collector.web.accuracy import flag_rows, label_rows, promise_kept
from edge_guard.collector.web.intervals import Row, intervals
from edge_guard.collector.web.scores import spreads
from edge_guard.publish.messages import Summary, decode

AT = 1_700_000_000.0


def test_incidents_are_told_with_their_frames(store: Store) -> None:
    device, other = Reporter(), Reporter(stream="other", boot="other")
    sent = [
        device.alarm("raised", AT, incident="i1"),
        device.alarm("cleared", AT + 60, incident="i1"),
        device.drift("raised", AT + 30),
        other.alarm("raised", AT + 30, incident="i2"),
        *(device.event(at=AT + n, incident="i1")[0] for n in range(3)),
        device.event(at=AT)[0],
    ]
    store.apply([parse(*one, "edge-guard/v1") for one in sent])  # type: ignore[misc]
    spans, begin = Spans(store.engine), int(AT * 1000)
    found = spans.incidents(1, "top", begin, begin + 61_000)
    assert [(one.incident, one.state, one.frames) for one in found] == [
        ("i1", "cleared", 3),
        ("", "raised", 0),
    ]
    assert (found[0].first_ms, found[0].last_ms) == (begin, begin + 60_000)
    assert [one.state for one in spans.incidents(1, "top", begin, begin + 1)] == ["raised"]
    assert spans.incidents(1, "top", begin + 61_000, begin + 62_000) == []


def window(number: int, references: dict[str, tuple[int, ...]]) -> tuple[int, Summary]:
    counts = {"drift.light": (0,) * 11 + (50,) * 2 + (0,) * 9, "p_value": (5,) * 20}
    told = Reporter().summary(window=number, histograms=counts, bins=1, references=references)
    return number * 60_000, decode(told[1], Summary)


def test_distributions_stand_beside_the_references_that_were_told() -> None:
    usual = {"drift.light": (0,) * 10 + (25,) * 4 + (0,) * 8}
    even, light = spreads([window(0, usual), window(1, {}), window(1, {})])
    assert (even.name, sum(even.counts), even.words) == (
        "p-value",
        200,
        "as usual: KS 0.00, W 0.00",
    )
    assert light.references == usual["drift.light"]
    assert sum(light.counts) == 200
    assert light.words.startswith("differs: KS 0.25")
    for odd in ((1,) * 21, (-1,) * 22, (0,) * 22):
        *_, light = spreads([window(0, {"drift.light": odd})])
        assert (light.references, light.words) == (None, "no reference is known")
    assert spreads([]) == []


def drawn(**changes: object) -> Audited:
    usual = Audited("b", 0.1, accepted=True, flagged=False, answered=True, judged="right")
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_flags_and_labels_are_estimated_from_the_random_sample() -> None:
    """Weighted by 1/π: means over many samples are the shares of all frames."""
    rng, runs = np.random.default_rng(5), 200
    bad = rng.random(4000) < 0.2
    odds = np.where(bad, 0.02, 0.06)  # the line runs slower where things go wrong
    flags, scratches = [], []
    for _ in range(runs):
        rows = np.flatnonzero(rng.random(4000) < odds)
        report = audit(
            [
                drawn(
                    probability=odds[row],
                    flagged=bool(bad[row]),
                    truth="scratch" if bad[row] else "ok",
                )
                for row in rows
            ]
        )
        assert report.flags is not None
        flags.append(report.flags.share)
        scratches.append(report.labels["scratch"].share if "scratch" in report.labels else 0.0)
        assert sum(share.share for share in report.labels.values()) == pytest.approx(1.0)
    error = float(np.std(flags)) / runs**0.5
    assert abs(np.mean(flags) - bad.mean()) < 4 * error + 0.003  # a ratio: biased by O(1/n)
    assert scratches == pytest.approx(flags)


def known(promised: float, frames: list[Audited]) -> StreamAccuracy:
    return replace(accuracy_of([], frames, ""), promised=promised, flagged=4, frames=400)


def test_a_promise_is_called_kept_or_not_only_when_that_is_known() -> None:
    right = [drawn() for _ in range(400)]
    false = [drawn(accepted=False, flagged=True) for _ in range(40)]
    assert promise_kept(known(0.01, right)) == "kept"
    assert promise_kept(known(0.01, right[:50])) == "undecided"
    assert promise_kept(known(0.01, right + false)) == "exceeded"
    assert promise_kept(known(0.01, [])) == "undecided"
    rows = flag_rows(known(0.01, right + false))
    assert [row.name for row in rows] == [
        "all frames, counted",
        "all frames, as sampled",
        "right answers, audited",
    ]
    assert rows[0] == Row("all frames, counted", 0.01)
    told = label_rows(known(0.01, [drawn(truth="dent")]), {"ok": 3, "dent": 1})
    assert [(row.name, row.share) for row in told] == [
        ("dent", 1.0),
        ("model: ok", 0.75),
        ("model: dent", 0.25),
    ]


def test_intervals_are_drawn_in_their_place_and_names_are_text() -> None:
    drawn = intervals([Row("<b>", 0.5, 0.25, 0.75)], low=0.0, high=1.0, limit=0.1)
    assert "left:25.00%;width:50.00%" in drawn
    assert "left:10.00%" in drawn
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn
    assert intervals([]) == ""
    assert "100.0 %" in intervals([Row("same", 1.0, 1.0, 1.0)])


def test_summaries_of_a_time_are_found(store: Store) -> None:
    device = Reporter()
    sent = [device.summary(AT + 60 * n, window=n) for n in range(5)]
    store.apply([parse(*one, "edge-guard/v1") for one in sent])  # type: ignore[misc]
    begin = int(AT * 1000)
    found = Spans(store.engine).summaries(1, "top", begin + 60_000, begin + 180_000)
    assert [(at - begin, summary.window) for at, summary in found] == [(60_000, 1), (120_000, 2)]
