"""Rollouts in the database, with devices that report and obey through it; on each database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from offers import DEMO, Made, made_of, stored, variant
from reports import Reporter
from sqlalchemy import select, update

from edge_guard.collector.commands import Commands
from edge_guard.collector.parse import parse
from edge_guard.collector.people import Person
from edge_guard.collector.rollouts import (
    ConflictError,
    NotNowError,
    Order,
    Plan,
    Rollout,
    Rollouts,
    Rule,
    Stage,
    StreamName,
    UnknownRolloutError,
)
from edge_guard.collector.schema import commands, rollout_targets, rollouts
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.collector.webhooks.deliveries import Deliveries
from edge_guard.collector.webhooks.outbox import Outbox
from edge_guard.config import WebhookTable
from edge_guard.errors import BundleError, ConfigError
from edge_guard.publish.messages import PREFIX, Command, OfferBundle, decode

ADA, BOB = Person("Ada", "engineer"), Person("Bob", "engineer")
QUICK = Plan(
    stages=(
        Stage(name="canary", share=0.0, soak_s=0.0, frames=100),
        Stage(name="all", share=1.0, soak_s=0.0, frames=100),
    ),
    rule=Rule(alarms=("illumination",)),
)


class Device:
    """A device that reports to, and obeys from, a database."""

    def __init__(self, store: Store, name: str, bundle: str) -> None:
        self._store = store
        self._reporter = Reporter(name, boot=f"boot-{name}")
        self._answered: set[str] = set()
        self.bundle = bundle
        self.window = 0
        self.tell()

    def put(self, *sent: tuple[str, bytes]) -> None:
        self._store.apply([message for one in sent if (message := parse(*one, PREFIX)) is not None])

    def tell(self, state: str = "online") -> None:
        stream = self._reporter.stream_state(bundle=self.bundle)
        self.put(self._reporter.state(state, streams=(stream,)))

    def see(self, frames: int, flagged: int = 0) -> None:
        verdicts = {"accept": frames - flagged, "review": flagged}
        self.window += 1
        self.put(
            self._reporter.summary(
                window=self.window, frames=frames, verdicts=verdicts, bundle=self.bundle
            )
        )

    def alarm(self, state: str = "raised") -> None:
        self.put(self._reporter.alarm(state))

    def obey(self, refusal: str = "") -> list[str]:
        """Do what is commanded, or refuse it; return the ids of the bundles fetched."""
        with self._store.engine.connect() as connection:
            bodies = connection.scalars(select(commands.c.body).order_by(commands.c.id)).all()
        done = []
        for command in (decode(body.encode(), Command) for body in bodies):
            if command.device != self._reporter.device or command.id in self._answered:
                continue
            self._answered.add(command.id)
            assert isinstance(command.action, OfferBundle)
            if refusal:
                self.put(self._reporter.reply(command.id, refusal, outcome="failed"))
                continue
            self.bundle = BY_DIGEST[command.action.sha256]
            self.put(self._reporter.reply(command.id))
            self.tell()
            done.append(self.bundle)
        return done


BY_DIGEST: dict[str, str] = {}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("made")
    made = {"old": made_of(DEMO), "new": variant(folder, "new")}
    made["other"] = variant(folder, "other", model="f")
    BY_DIGEST.update({one.sha256: one.bundle for one in made.values()})
    return made


@pytest.fixture
def book(store: Store, made: dict[str, Made], tmp_path: Path) -> Iterator[Rollouts]:
    send = Commands(store, PREFIX, lambda topic, payload: True)
    yield Rollouts(store, Trail(store), send, stored(tmp_path / "bundles", *made.values()))


def fleet(store: Store, made: dict[str, Made], n: int = 3) -> list[Device]:
    devices = [Device(store, f"cam-{i}", made["old"].bundle) for i in range(n)]
    for device in devices:
        for _ in range(20):
            device.see(100, 1)
    return devices


def order(made: dict[str, Made], name: str = "first", **changes: object) -> Order:
    return Order(id=name, sha256=made["new"].sha256, plan=QUICK, **changes)  # type: ignore[arg-type]


def progress(rollout: Rollout) -> list[str]:
    return [target.progress for target in rollout.targets]


def test_a_good_bundle_reaches_all_and_is_taken_back_by_people(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    devices = fleet(store, made)
    rollout = book.start(order(made), ADA, "http://collector/")
    assert book.start(order(made), ADA, "http://collector/") == rollout  # the same request again
    with pytest.raises(ConflictError, match="used for another"):
        book.start(order(made, device="cam-1"), ADA, "http://collector/")
    book.advance()
    assert [device.obey() for device in devices] == [[made["new"].bundle], [], []]
    book.advance()
    first = book.get(rollout.id)
    assert progress(first) == ["soaking", "waiting", "waiting"]
    assert (first.targets[0].before.frames, first.targets[0].before.flagged) == (2000, 20)
    devices[0].see(60, 1)
    book.advance()
    assert progress(book.get(rollout.id))[1] == "waiting"  # 40 frames are missing
    devices[0].see(60, 1)
    book.advance()
    book.advance()
    for device in devices[1:]:
        assert device.obey() == [made["new"].bundle]
        device.see(100)
    for _ in range(3):
        book.advance()
    done = book.get(rollout.id)
    assert (done.status, progress(done)) == ("done", ["passed"] * 3)
    assert done.targets[0].flagged == 2
    with pytest.raises(NotNowError, match="rollout 1 is done"):
        book.act(rollout.id, "pause", BOB)

    back = book.act(rollout.id, "return", BOB)
    assert (back.status, back.why) == ("returning", "Bob wanted it")
    assert [device.obey() for device in devices] == [[made["old"].bundle]] * 3
    book.advance()
    assert book.get(rollout.id).status == "returned"
    noted = [(entry.who, entry.action) for entry in reversed(Trail(store).entries(100))]
    assert noted[0] == ("Ada", "rollout.start")
    assert ("Bob", "rollout.return") in noted
    for action in ("offered", "soaking", "passed", "stage", "done", "back", "returned"):
        assert ("rollout 1", f"rollout.{action}") in noted


@pytest.mark.parametrize("way", ["refused", "flags", "alarm"])
def test_a_bad_bundle_stops_at_the_canary(
    store: Store, book: Rollouts, made: dict[str, Made], way: str
) -> None:
    devices = fleet(store, made)
    rollout = book.start(order(made), ADA, "http://collector/")
    book.advance()
    if way == "refused":
        devices[0].obey("its self-test failed 1 of 8 trials: a blurred picture was accepted")
    else:
        devices[0].obey()
        devices[0].see(50, 30 if way == "flags" else 0)
        if way == "alarm":
            devices[0].alarm()
    for _ in range(2):
        book.advance()
        for device in devices:
            device.obey()
    book.advance()
    after = book.get(rollout.id)
    assert after.status == "returned"
    assert {device.bundle for device in devices} == {made["old"].bundle}
    assert progress(after) == ["refused" if way == "refused" else "back", "waiting", "waiting"]
    words = {"refused": "a blurred picture", "flags": "30 of 50 frames", "alarm": "illumination"}
    assert words[way] in after.why
    assert [device.obey() for device in devices] == [[], [], []]


def test_an_alarm_that_stood_before_is_no_news(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    (device,) = fleet(store, made, 1)
    device.alarm()
    rollout = book.start(order(made), ADA, "http://collector/")
    book.advance()
    device.obey()
    device.alarm("cleared")
    device.alarm()
    device.see(100)
    for _ in range(3):
        book.advance()
    assert book.get(rollout.id).status == "done"


def test_what_cannot_be_rolled_out_is_refused_in_words(
    store: Store, book: Rollouts, made: dict[str, Made], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="no stream fits"):
        book.start(order(made), ADA, "http://collector/")
    devices = fleet(store, made, 2)
    other = Order(id="other", sha256=made["other"].sha256, plan=QUICK)
    with pytest.raises(BundleError, match="another model than cam-0/top, cam-1/top"):
        book.start(other, ADA, "http://collector/")
    with pytest.raises(BundleError, match="does not hold a bundle with sha-256 0000"):
        book.start(Order(id="x", sha256="0" * 64), ADA, "http://collector/")
    stages = (Stage(name="all", share=1.0), Stage(name="half", share=0.5))
    with pytest.raises(ConfigError, match="do not grow"):
        shrinking = Order(id="x", sha256=made["new"].sha256, plan=Plan(stages=stages))
        book.start(shrinking, ADA, "http://collector/")
    devices[1].bundle = "theirs@000000000000"
    devices[1].tell()
    with pytest.raises(BundleError, match=r"no way back.*theirs@0.*guards cam-1/top"):
        book.start(order(made), ADA, "http://collector/")
    with pytest.raises(UnknownRolloutError):
        book.get(1)

    only = order(made, streams=(StreamName(1, "top"),))
    assert len(book.start(only, ADA, "http://collector/").targets) == 1
    with pytest.raises(ConflictError, match="cam-0/top is part of rollout 1, started by Ada"):
        book.start(order(made, "second", device="cam-0"), BOB, "http://collector/")


def test_no_stream_is_taken_twice_even_at_once(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    fleet(store, made, 2)
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def start(name: str) -> None:
        together.wait()
        try:
            book.start(order(made, name), ADA, "http://collector/")
            outcomes.append("started")
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start, args=(f"r{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 3 + ["started"]
    with store.engine.connect() as connection:
        assert len(connection.execute(select(rollout_targets)).all()) == 2


def test_several_collectors_take_each_step_once(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    devices = fleet(store, made)
    rollout = book.start(order(made), ADA, "http://collector/")
    ended = threading.Event()

    def conduct() -> None:
        while not ended.is_set():
            book.advance()

    threads = [threading.Thread(target=conduct) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(400):
            for device in devices:
                if device.obey():
                    device.see(100)
            if book.get(rollout.id).status == "done":
                break
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert book.get(rollout.id).status == "done"
    actions = [entry.action for entry in Trail(store).entries(500)]
    assert actions.count("rollout.offered") == actions.count("rollout.passed") == 3
    assert actions.count("rollout.done") == actions.count("rollout.stage") == 1


def test_a_device_that_is_away_is_waited_for_and_then_left_behind(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    devices = fleet(store, made)
    devices[0].tell("offline")
    rollout = book.start(order(made), ADA, "http://collector/")
    assert rollout.targets[-1].device == "cam-0"  # its turn comes last
    book.advance()
    devices[1].obey()
    devices[1].see(100)
    book.advance()
    book.advance()
    devices[2].obey()
    devices[2].see(100)
    book.advance()
    book.advance()
    waiting = book.get(rollout.id)
    assert progress(waiting) == ["passed", "passed", "offered"]
    assert waiting.targets[2].why == "the device is silent: waiting for it"
    with store.writing() as connection:  # an hour passes
        connection.execute(
            update(rollout_targets)
            .where(rollout_targets.c.id == waiting.targets[2].id)
            .values(since_ms=rollout_targets.c.since_ms - 3_601_000)
        )
        connection.execute(update(rollouts).values(version=rollouts.c.version + 1))
    book.advance()
    done = book.get(rollout.id)
    assert (done.status, progress(done)) == ("done", ["passed", "passed", "absent"])
    assert done.why == "2 of 3 streams run it"


def test_webhooks_are_told_once_that_a_rollout_has_ended(
    store: Store, book: Rollouts, made: dict[str, Made]
) -> None:
    url = "http://mes.example/"
    store.outbox = Outbox([WebhookTable(url=url, events=("rollout.finished",), secret_file="k")])
    fleet(store, made, 1)
    rollout = book.start(order(made), ADA, "http://collector/")
    told = Deliveries(store, "one")
    assert told.claim(url) is None
    book.act(rollout.id, "abort", BOB)
    book.act(rollout.id, "abort", BOB)
    notice = told.claim(url)
    assert notice is not None
    assert '"state":"aborted"' in notice.body
    assert '"by":"Ada"' in notice.body
    assert told.claim(url) is None


def test_people_pause_resume_and_abort(store: Store, book: Rollouts, made: dict[str, Made]) -> None:
    devices = fleet(store, made)
    rollout = book.start(order(made), ADA, "http://collector/")
    book.act(rollout.id, "pause", BOB)
    book.advance()
    assert book.get(rollout.id).status == "paused"
    assert progress(book.get(rollout.id)) == ["waiting"] * 3
    book.act(rollout.id, "resume", BOB)
    assert book.act(rollout.id, "resume", BOB).status == "running"
    book.advance()
    devices[0].obey()
    book.advance()
    aborted = book.act(rollout.id, "abort", BOB)
    assert (aborted.status, progress(aborted)) == ("aborted", ["kept", "waiting", "waiting"])
    again = book.start(order(made, "again"), ADA, "http://collector/")
    assert [target.device for target in again.targets] == ["cam-1", "cam-2"]
    devices[0].obey()
    older = Order(id="older", sha256=made["old"].sha256, plan=QUICK, device="cam-0")
    book.start(older, ADA, "http://collector/")
    with pytest.raises(ConflictError, match="cam-0/top has been part of rollout 3 since"):
        book.act(rollout.id, "return", BOB)
    book.act(3, "abort", BOB)
    book.act(again.id, "abort", BOB)
    assert book.get(1).targets[0].progress == "kept"
