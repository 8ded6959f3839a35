"""Rollouts against devices that answer late, refuse, vanish and obey twice: what always holds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_guard.collector.rollouts.machine import NotNowError, act, advance, wanted
from edge_guard.collector.rollouts.plan import Plan, Rule, Stage
from edge_guard.collector.rollouts.state import Offer, Rollout, Seen, Target

OLD, NEW = Offer("old@1", "0" * 64, 1), Offer("new@2", "1" * 64, 1)
PLAN = Plan(
    stages=(
        Stage(name="canary", share=0.0, soak_s=10, frames=20),
        Stage(name="half", share=0.5, soak_s=10, frames=20),
        Stage(name="all", share=1.0, soak_s=10, frames=20),
    ),
    rule=Rule(silence_s=1000.0),
    answer_s=100.0,
)


WORDS = {
    "done": "",
    "failed": "its self-test failed",
    "late": "the frame at hand does not end",
    "unfetched": "http://x/ cannot be fetched (refused)",
}


class Device:
    """A device as it is, whatever the collector believes."""

    def __init__(self) -> None:
        self.bundle = OLD.bundle
        self.told = OLD.bundle  # what the collector has heard
        self.offline = False
        self.heard: dict[int, tuple[str, int]] = {}  # commands with the broker; when they expire
        self.answers: dict[int, tuple[str, str]] = {}
        self.frames = self.flagged = 0
        self.alarm: tuple[tuple[str, str], ...] = ()
        self.self_test = ""


class Fleet(RuleBasedStateMachine):
    """Devices, their rollout, and everything that may happen to either."""

    @initialize(n=st.integers(1, 6))
    def begin(self, n: int) -> None:
        self.now = 1_000_000
        self.devices = [Device() for _ in range(n)]
        targets = tuple(Target(i, i, i + 1, f"cam-{i}", "s", OLD) for i in range(n))
        self.rollout = Rollout(
            1, "r", NEW, "", False, "Ada", 0, self.now, PLAN, "running", 0, "", 1, "", targets
        )
        self.stopped = False
        self.advance(1)

    def step(self, rollout: Rollout) -> None:
        """Take a new state over; commands of it reach the broker."""
        for before, after in zip(self.rollout.targets, rollout.targets, strict=True):
            if (before.progress, before.attempt) == (after.progress, after.attempt):
                continue
            if after.progress == "offered":
                assert not self.stopped, "offered after the rollout was stopped"
                self.devices[after.id].heard[after.attempt] = NEW.bundle, self.now + 100_000
            elif after.progress == "returning":
                heard = self.devices[after.id].heard
                heard[after.attempt] = OLD.bundle, self.now + 86_400_000
        self.rollout = rollout
        self.stopped |= rollout.status in ("returning", "returned", "aborted", "done")

    def seen(self, target: Target) -> Seen:
        device = self.devices[target.id]
        outcome, message = device.answers.get(target.attempt, (None, ""))
        return Seen(
            outcome,
            message,
            self.now,
            device.offline,
            device.told,
            device.self_test,
            device.alarm,
            device.frames,
            device.flagged,
        )

    @rule(seconds=st.sampled_from([1, 15, 40, 130]))
    def advance(self, seconds: int) -> None:
        self.now += seconds * 1000
        seen = {target.id: self.seen(target) for target in self.rollout.targets}
        self.step(advance(self.rollout, seen, self.now))

    @rule(wanted=st.sampled_from(["pause", "resume", "resume", "abort", "return"]))
    def people(self, wanted: str) -> None:
        try:
            self.step(act(self.rollout, wanted, "Ada", self.now))  # type: ignore[arg-type]
        except NotNowError:
            assert self.rollout.status in (
                "paused",
                "returning",
                "returned",
                "done",
                "aborted",
            ) or (wanted == "resume")

    @rule(outcomes=st.lists(st.sampled_from([*["done"] * 4, *WORDS]), min_size=6))
    def obey_all(self, outcomes: list[str]) -> None:
        """Every device does the oldest thing that it was told."""
        for i, outcome in enumerate(outcomes[: len(self.devices)]):
            self.obey(i, outcome)
        self.advance(1)

    @rule(i=st.integers(0, 5), outcome=st.sampled_from(["done", *WORDS]))
    def obey(self, i: int, outcome: str) -> None:
        device = self.devices[i % len(self.devices)]
        if device.offline:
            return
        due = [number for number in device.heard if number not in device.answers]
        for number in due[:1]:
            bundle, expires = device.heard[number]
            if self.now > expires:
                device.answers[number] = ("refused", "the command has expired")
                continue
            said = outcome if outcome == "done" else "failed"
            device.answers[number] = (said, WORDS[outcome])
            if outcome in ("done", "late"):  # late: the bundle is taken over after all
                device.bundle = device.told = bundle
                device.frames = device.flagged = 0

    @rule(i=st.integers(0, 5), flagged=st.sampled_from([0, 0, 0, 30]))
    def see_frames(self, i: int, flagged: int) -> None:
        device = self.devices[i % len(self.devices)]
        if device.bundle == NEW.bundle and not device.offline:
            device.frames, device.flagged = device.frames + 30, device.flagged + flagged

    @rule(i=st.integers(0, 5), offline=st.booleans())
    def come_and_go(self, i: int, offline: bool) -> None:
        self.devices[i % len(self.devices)].offline = offline

    @rule(i=st.integers(0, 5))
    def fail_self_test(self, i: int) -> None:
        device = self.devices[i % len(self.devices)]
        if device.bundle == NEW.bundle:
            device.self_test = "failed 1 of 5 trials"

    @invariant()
    def reaches_no_further_than_its_stage(self) -> None:
        if not hasattr(self, "rollout") or self.rollout.status != "running":
            return
        on = sum(one.progress in ("offered", "soaking", "passed") for one in self.rollout.targets)
        late = sum("after all" in one.why for one in self.rollout.targets)
        assert on - late <= wanted(self.rollout)

    @invariant()
    def done_means_proved(self) -> None:
        if hasattr(self, "rollout") and self.rollout.status == "done":
            left = {one.progress for one in self.rollout.targets}
            assert left <= {"passed", "absent", "overtaken"}
            assert "passed" in left

    def teardown(self) -> None:
        """Once devices are there and obey, nothing runs a bundle that was returned."""
        if not hasattr(self, "rollout"):
            return
        self.people("resume")
        self.people("return")
        for device in self.devices:
            device.offline = False
        for _ in range(3):
            self.advance(1)  # the devices are slow: what was offered is still with the broker
        for _ in range(12):
            for i in range(len(self.devices)):
                self.obey(i, "done")
                self.obey(i, "done")
            self.advance(40)
        assert not self.rollout.active
        if self.rollout.status == "returned":
            assert {device.bundle for device in self.devices} == {OLD.bundle}


Fleet.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestFleet = Fleet.TestCase


def rollout(n: int = 4) -> Rollout:
    targets = tuple(Target(i, i, i + 1, f"cam-{i}", "s", OLD) for i in range(n))
    return Rollout(1, "r", NEW, "", False, "Ada", 0, 0, PLAN, "running", 0, "", 1, "", targets)


def known(one: Rollout, **changes: object) -> dict[int, Seen]:
    usual = Seen(bundle=OLD.bundle, last_seen_ms=10**9)
    return {target.id: replace(usual, **changes) for target in one.targets}  # type: ignore[arg-type]


def progress(one: Rollout) -> list[str]:
    return [target.progress for target in one.targets]


def test_a_good_bundle_goes_from_one_to_half_to_all() -> None:
    one = advance(rollout(), known(rollout()), 0)
    assert progress(one) == ["offered", "waiting", "waiting", "waiting"]
    good = {"outcome": "done", "bundle": NEW.bundle, "frames": 100}
    reached = []
    for second in range(0, 200, 5):
        seen = known(one) | {
            target.id: replace(known(one)[0], **good)  # type: ignore[arg-type]
            for target in one.targets
            if target.progress != "waiting"
        }
        one = advance(one, seen, second * 1000)
        reached.append((one.status, 4 - progress(one).count("waiting")))
    assert list(dict.fromkeys(reached)) == [
        ("running", 1),
        ("running", 2),
        ("running", 4),
        ("done", 4),
    ]


def test_a_canary_that_is_away_holds_up_nobody_for_ever() -> None:
    one = rollout()
    seen = known(one)
    seen[0] = replace(seen[0], offline=True)
    one = advance(one, seen, 0)
    assert progress(one)[:2] == ["waiting", "offered"]  # one that is there goes first
    everybody = {target.id: replace(seen[0], last_seen_ms=0) for target in one.targets}
    one = advance(one, everybody, 1000)
    assert one.targets[1].why == "the device is silent: waiting for it"
    one = advance(one, everybody, 102_000)
    assert progress(one) == ["offered", "absent", "waiting", "waiting"]
    assert "did not answer in time" in one.targets[1].why


def test_a_bundle_of_somebody_else_is_left_alone() -> None:
    one = rollout(2)
    seen = known(one)
    seen[0] = replace(seen[0], bundle="third@3")
    one = advance(one, seen, 0)
    assert progress(one) == ["overtaken", "waiting"]
    assert advance(one, seen, 1).targets[1].progress == "offered"


def test_silence_after_the_bundle_came_sends_it_back() -> None:
    one = advance(rollout(2), known(rollout(2)), 0)
    one = advance(one, known(one, outcome="done", bundle=NEW.bundle), 1000)
    assert progress(one) == ["soaking", "waiting"]
    one = advance(one, known(one, outcome="done", bundle=NEW.bundle, last_seen_ms=0), 1_100_000)
    assert (one.status, progress(one)) == ("returning", ["returning", "waiting"])
    assert "silent for 1099 s" in one.why


def test_a_bundle_that_cannot_be_fetched_is_offered_again_ever_more_rarely() -> None:
    one = advance(rollout(1), known(rollout(1)), 0)
    unfetched = known(one, outcome="failed", message="http://c/ cannot be fetched (refused)")
    attempts = []
    for second in range(101):
        one = advance(one, unfetched, second * 1000)
        attempts.append(one.targets[0].attempt)
    assert (attempts[1], attempts[2], attempts[4], attempts[8], attempts[100]) == (1, 2, 3, 4, 7)
    assert "could not fetch it" in one.targets[0].why
    one = advance(one, unfetched, 101_000)
    assert progress(one) == ["absent"]
    assert one.status == "aborted"
