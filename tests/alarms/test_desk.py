"""All alarms of a device, and the incidents that they make."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_guard.alarms.burst import GAP, WINDOW, Burst
from edge_guard.alarms.condition import Condition, Standing
from edge_guard.alarms.desk import Change, Desk
from edge_guard.alarms.incidents import AGAIN_S, AMID_S, TOGETHER_S, Key
from edge_guard.alarms.rules import Rules

LAMP, CAMERA, OTHER = Key("top", "drift"), Key("top", "source"), Key("side", "source")


def desk(rules: Rules | None = None) -> Desk:
    numbers = itertools.count(1)
    return Desk(lambda _: rules or Rules(), lambda: f"i{next(numbers)}")


def told(changes: list[Change]) -> list[tuple[str, str, str, str | None]]:
    return [(c.key.alarm, c.standing.isa, c.incident, c.incident_state) for c in changes]


def test_an_alarm_opens_an_incident_and_closes_it() -> None:
    one = desk()
    assert one.report(LAMP, False, 0.0) == []
    assert told(one.report(LAMP, True, 1.0)) == [("drift", "unacknowledged", "i1", "opened")]
    assert one.report(LAMP, True, 2.0) == []
    assert told(one.acknowledge(LAMP, "Ada", 3.0)) == [("drift", "acknowledged", "i1", None)]
    assert one.acknowledge(LAMP, "Bob", 3.5) == []
    assert told(one.report(LAMP, False, 4.0)) == [("drift", "normal", "i1", "closed")]


def test_alarms_at_once_are_one_incident() -> None:
    one = desk()
    one.report(LAMP, True, 0.0)
    assert told(one.report(CAMERA, True, TOGETHER_S))[0][2:] == ("i1", "updated")
    assert told(one.report(OTHER, True, 2 * TOGETHER_S))[0][2:] == ("i1", "updated")
    late = Key("side", "drift")
    assert told(one.report(late, True, 3 * TOGETHER_S + 0.1))[0][2:] == ("i2", "opened")
    for key in (LAMP, CAMERA):
        assert told(one.report(key, False, 50.0))[0][2:] == ("i1", "updated")
    assert told(one.report(OTHER, False, 50.0))[0][2:] == ("i1", "closed")


def test_what_comes_back_soon_is_the_same_trouble() -> None:
    one = desk()
    one.report(LAMP, True, 0.0)
    one.report(LAMP, False, 5.0)
    assert told(one.report(LAMP, True, 5.0 + AGAIN_S))[0][2:] == ("i1", "opened")
    one.report(LAMP, False, 70.0)
    assert told(one.report(LAMP, True, 70.1 + AGAIN_S))[0][2:] == ("i2", "opened")


def test_the_same_alarm_for_another_cause_is_another_trouble() -> None:
    one = desk()
    for moment, cause, expected in (
        (0.0, "illumination", "i1"),
        (20.0, "focus", "i2"),
        (40.0, "illumination", "i1"),
    ):
        assert told(one.report(LAMP, True, moment, cause))[0][2:] == (expected, "opened")
        assert told(one.report(LAMP, False, moment + 5.0, "whatever"))[0][2:] == (
            expected,
            "closed",
        )


def test_delays_and_shelves_end_by_the_clock() -> None:
    one = desk(Rules(on_delay_s=2.0, off_delay_s=3.0))
    assert one.report(LAMP, True, 0.0) == []
    assert one.tick(1.9) == []
    assert told(one.tick(2.0)) == [("drift", "unacknowledged", "i1", "opened")]
    assert told(one.shelve(LAMP, 100.0, "Ada", 3.0))[0][1] == "shelved"
    assert one.report(LAMP, False, 4.0) == []
    assert told(one.tick(7.0)) == [("drift", "shelved", "i1", "closed")]
    assert told(one.tick(500.0)) == [("drift", "returned", "i1", None)]


def test_an_alarm_that_never_was_cannot_be_acknowledged_but_taken_out_of_service() -> None:
    one = desk()
    with pytest.raises(KeyError):
        one.acknowledge(LAMP, "Ada", 0.0)
    assert told(one.serve(LAMP, "Ada", 0.0)) == [("drift", "out-of-service", "", None)]
    one.report(LAMP, True, 1.0)
    assert one.now(LAMP).standing.isa == "out-of-service"
    assert told(one.serve(LAMP, "", 2.0))[0][1] == "unacknowledged"


def test_a_restart_keeps_alarms_and_their_incident() -> None:
    one = desk()
    one.restore(LAMP, Standing(active=True, acknowledged=False), "old", "", 0.0)
    assert told(one.report(CAMERA, True, 1.0))[0][2:] == ("i1", "opened")  # long after the lamp
    assert told(one.report(LAMP, False, 2.0)) == [("drift", "returned", "old", "closed")]
    assert told(one.report(LAMP, True, 3.0))[0][2:] == ("old", "opened")


FLAGGED = Key("top", "flagged")


def test_a_lamp_that_fails_is_one_incident() -> None:
    """Frames are flagged, the monitors see why, and at last there are many flagged frames."""
    one = desk()
    run = one.incidents.of_frame(FLAGGED, 0.0)
    assert one.incidents.of_frame(FLAGGED, 8.0, name=run) == run
    assert told(one.report(LAMP, True, 9.0))[0][2:] == (run, "opened")
    assert told(one.report(FLAGGED, True, 16.0, incident=run))[0][2:] == (run, "updated")
    for key in (FLAGGED, LAMP):
        one.report(key, False, 20.0)
    assert one.incidents.of_frame(FLAGGED, 50.0) == run


def test_frames_belong_to_the_alarms_of_their_stream() -> None:
    one = desk()
    one.report(LAMP, True, 0.0)
    assert one.incidents.of_frame(FLAGGED, 900.0) == "i1"
    assert one.incidents.of_frame(Key("side", "flagged"), 900.0) == "i2"
    assert told(one.report(OTHER, True, 901.0))[0][2:] == ("i2", "opened")


def test_single_flagged_frames_are_no_endless_incident() -> None:
    one = desk()
    names = [one.incidents.of_frame(FLAGGED, 5.0 * n) for n in range(500)]
    assert len(set(names)) == 500
    assert len(one.incidents._incidents) < 20, "what is over is forgotten"
    assert told(one.report(OTHER, True, 5.0 * 499))[0][2] not in names, "another stream's"
    assert told(one.report(CAMERA, True, 5.0 * 499 + AMID_S))[0][2] == names[-1]


STEPS = st.lists(
    st.tuples(st.sampled_from([LAMP, CAMERA, OTHER]), st.booleans(), st.integers(0, 40)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_incidents_open_and_close_in_turn(steps: list[tuple[Key, bool, int]]) -> None:
    """Whatever happens: opened, updated any number of times, closed; open while one is active."""
    one, now = desk(), 0.0
    active: dict[Key, str] = {}
    opened: Counter[str] = Counter()
    for key, holds, wait in steps:
        now += wait
        for change in one.report(key, holds, now):
            name, state = change.incident, change.incident_state
            if change.standing.active and key not in active:
                assert state == ("updated" if name in active.values() else "opened")
                active[key] = name
            elif not change.standing.active and key in active:
                assert active.pop(key) == name
                assert state == ("updated" if name in active.values() else "closed")
            opened[name] += {"opened": 1, "closed": -1}.get(state or "", 0)
        assert opened == Counter(dict.fromkeys(active.values(), 1)) or all(
            opened[name] == (name in active.values()) for name in opened
        )


def test_a_run_of_flagged_frames() -> None:
    burst = Burst()
    assert [burst.update(flagged) for flagged in (False, True, True, False)] == [
        False, True, False, False,
    ]  # fmt: skip
    for _ in range(GAP):
        burst.update(False)
    assert not burst.running
    for n in range(WINDOW // 2):
        assert not burst.active
        assert burst.update(True) == (n == 0)
    assert burst.active
    for _ in range(GAP + 1):
        burst.update(False)
    assert burst.active and burst.running  # still half of the window
    for _ in range(WINDOW - GAP):
        burst.update(False)
    assert not burst.active and not burst.running


def test_few_flags_are_no_burst() -> None:
    burst = Burst()
    for n in range(2000):
        burst.update(n % 3 == 0)
        assert not burst.active


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(0, 30), st.integers(0, 30))
def test_a_desk_is_no_other_than_its_alarms_one_by_one(
    steps: list[tuple[Key, bool, int]], on: int, off: int
) -> None:
    """It looks only when something is due, and misses nothing."""
    rules = Rules(on_delay_s=on, off_delay_s=off, chatter_count=2, chatter_s=50)
    one, now = desk(rules), 0.0
    alone = {key: Condition(rules, 0.0) for key in (LAMP, CAMERA, OTHER)}
    for key, holds, wait in steps:
        now += wait
        one.report(key, holds, now)
        alone[key].report(holds, now)
        one.tick(now)
        for other, condition in alone.items():
            condition.settle(now)
            assert one.active(other) == condition.standing.active
            if other in one:
                assert one.now(other).standing == condition.standing
