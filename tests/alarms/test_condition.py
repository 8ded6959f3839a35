"""One alarm against a plain model that looks at every second of its life."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_guard.alarms.condition import Condition, Standing
from edge_guard.alarms.rules import DeadBand, Rules


@dataclass
class Plain:
    """The same life, second by second, with nothing but counters."""

    rules: Rules
    holds: bool = False
    still: int = 0
    active: bool = False
    acknowledged: bool = True
    latched: bool = False
    shelf: int = 0
    out: bool = False
    ago: list[int] = field(default_factory=list)
    """Seconds since each activation."""

    def settle(self) -> None:
        for _ in range(4):  # one thing may be due because of another
            self.settle_one()

    def settle_one(self) -> None:
        if self.latched and self.still >= self.rules.chatter_s:
            self.latched = False
            self.ago = []
        if self.holds and not self.active and self.still >= self.rules.on_delay_s:
            self.active, self.acknowledged = True, False
            self.ago = [*self.ago, 0][-self.rules.chatter_count :]
            if len(self.ago) == self.rules.chatter_count and self.ago[0] <= self.rules.chatter_s:
                self.latched = True
        if (
            self.active
            and not self.holds
            and not self.latched
            and self.still >= self.rules.off_delay_s
        ):
            self.active = False

    def second(self) -> None:
        self.still += 1
        self.shelf = max(0, self.shelf - 1)
        self.ago = [n + 1 for n in self.ago]
        self.settle()

    def report(self, holds: bool) -> None:
        if holds != self.holds:
            self.holds, self.still = holds, 0
        self.settle()

    def word(self) -> str:
        if self.out:
            return "out-of-service"
        if self.shelf:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        return "normal" if self.acknowledged else "returned"


RULES = st.builds(
    Rules,
    on_delay_s=st.integers(0, 4),
    off_delay_s=st.integers(0, 4),
    chatter_count=st.integers(1, 4),
    chatter_s=st.integers(1, 8),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(["holds", "gone", "acknowledge", "shelve", "unshelve", "out", "in"]),
        st.integers(1, 9),
    ),
    max_size=40,
)


def play(condition: Condition, plain: Plain, step: str, number: int, now: int) -> None:
    if step in ("holds", "gone"):
        condition.report(step == "holds", now)
        plain.report(step == "holds")
        return
    condition.settle(now)
    if step == "acknowledge":
        condition.acknowledge("somebody")
        plain.acknowledged = True
    elif step == "shelve":
        condition.shelve(now + number, "somebody")
        plain.shelf = number
    elif step == "unshelve":
        condition.unshelve()
        plain.shelf = 0
    else:
        condition.serve("somebody" if step == "out" else "")
        plain.out = step == "out"


@settings(max_examples=300, deadline=None)
@given(RULES, STEPS, st.booleans())
def test_every_life_is_that_of_the_plain_model(
    rules: Rules, steps: list[tuple[int, str, int]], lazy: bool
) -> None:
    """Also when nobody settles it between two steps: late is as good as in time."""
    condition, plain, now = Condition(rules, 0.0), Plain(rules), 0
    for wait, step, number in steps:
        for _ in range(wait):
            now += 1
            plain.second()
            if not lazy:
                condition.settle(now)
        play(condition, plain, step, number, now)
        stands = condition.standing
        assert (stands.active, stands.acknowledged, stands.chattering, stands.isa) == (
            plain.active,
            plain.acknowledged,
            plain.latched,
            plain.word(),
        )


@settings(max_examples=100, deadline=None)
@given(RULES, STEPS)
def test_nothing_changes_before_it_is_due_and_then_it_does(
    rules: Rules, steps: list[tuple[int, str, int]]
) -> None:
    condition, plain, now = Condition(rules, 0.0), Plain(rules), 0
    for wait, step, number in steps:
        now += wait
        play(condition, plain, step, number, now)
        before, due = condition.standing, condition.due()
        assert due > now
        if due < float("inf"):
            condition.settle(due - 0.5)
            assert condition.standing == before
            condition.settle(due)
            assert condition.standing != before
            now = int(due)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.001, 9.0), min_size=1, max_size=9), RULES)
def test_times_that_no_float_holds_exactly_end_as_well(waits: list[float], rules: Rules) -> None:
    condition, now, holds = Condition(rules, 0.1), 0.1, False
    for wait in waits:
        now += wait
        holds = not holds
        condition.report(holds, now)
        due = condition.due()
        if due < float("inf"):
            condition.settle(due)
            assert condition.due() > due


def test_a_restored_alarm_goes_on() -> None:
    stood = Standing(
        active=True,
        acknowledged=False,
        shelved_until=50.0,
        shelved_by="Ada",
        chattering=True,
    )
    condition = Condition(Rules(), 10.0, stood)
    assert condition.standing == stood
    condition.report(True, 20.0)
    assert condition.standing == stood
    condition.report(False, 30.0)
    assert condition.standing.isa == "shelved" and condition.standing.active  # latched
    condition.settle(90.0)
    assert (condition.standing.isa, condition.standing.chattering) == ("returned", False)


def test_an_alarm_that_flutters_is_latched_until_it_keeps_still() -> None:
    condition = Condition(Rules(chatter_count=3, chatter_s=10.0), 0.0)
    for moment in (1.0, 3.0, 5.0):
        condition.report(True, moment)
        assert condition.standing.chattering == (moment == 5.0)
        condition.report(False, moment + 1)
    assert condition.standing.active
    condition.settle(15.9)
    assert condition.standing.active
    condition.settle(16.0)
    assert not condition.standing.active and not condition.standing.chattering


@given(st.lists(st.floats(0, 10), max_size=40))
def test_the_dead_band_moves_only_at_its_edges(values: list[float]) -> None:
    band, active = DeadBand(7.0, 3.0), False
    for value in values:
        now = band.update(value)
        assert now == (value >= 7.0 or (active and value > 3.0))
        active = now
    assert band.update(float("nan")) == active
