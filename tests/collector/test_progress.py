from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_guard.collector.progress import MOST_GAPS, Progress

SPANS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda s: (s[0], s[0] + s[1]))
)


@given(SPANS)
def test_agrees_with_a_plain_set(spans: list[tuple[int, int]]) -> None:
    progress, oracle = Progress(), set[int]()
    for first, last in spans:
        new = set(range(first, last + 1)) - oracle
        assert progress.add(first, last) == len(new)
        oracle |= new
    assert progress.count == len(oracle)
    assert progress.highest == max(oracle, default=0)
    assert {n for n in range(1, 80) if n in progress} == oracle
    assert all(
        b + 1 < c for (_, b), (c, _) in zip(progress.ranges, progress.ranges[1:], strict=False)
    )
    assert Progress.from_text(progress.text()).ranges == progress.ranges


@given(SPANS, SPANS)
def test_union_and_receipt_name_exactly_what_is_missing(
    spans: list[tuple[int, int]], lost: list[tuple[int, int]]
) -> None:
    one, other = Progress(), Progress()
    for span in spans:
        one.add(*span)
    for span in lost:
        other.add(*span)
    known = {n for first, last in spans + lost for n in range(first, last + 1)}
    receipt = one.union(other).receipt("boot")
    gaps = {n for first, last in receipt.gaps for n in range(first, last + 1)}
    assert set(range(1, receipt.highest + 1)) - gaps == known
    assert receipt.contiguous == next(n for n in range(80) if n + 1 not in known)


def test_a_receipt_with_too_many_gaps_ends_early_and_stays_true() -> None:
    progress = Progress()
    for n in range(2, 2 * MOST_GAPS + 100, 2):
        progress.add(n, n)
    receipt = progress.receipt("boot")
    assert len(receipt.gaps) == MOST_GAPS
    gaps = {n for first, last in receipt.gaps for n in range(first, last + 1)}
    assert all(n in progress for n in set(range(1, receipt.highest + 1)) - gaps)
    assert receipt.highest == 2 * MOST_GAPS
