"""Bundles and configuration taken over without a restart, or refused without harm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, TIMING, Pretender, device, write_pictures

from edge_guard import daemon as daemon_module
from edge_guard import reload
from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.config import DeviceConfig, StreamTable
from edge_guard.daemon import Daemon
from edge_guard.drift.model import DriftModel, read_model
from edge_guard.errors import BundleError, ConfigError, EdgeGuardError, ModelError
from edge_guard.intake import Item
from edge_guard.publish.messages import Alarm, Summary, decode
from edge_guard.sources import Source
from edge_guard.tightening import Tightened
from edge_guard.types import Frame, Result

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo_line.guard"


class Versioned(Pretender):
    """A guard whose bundle is a text file: its id, its model, what its self-test says."""

    def __init__(self, table: StreamTable, source: Source) -> None:
        super().__init__(table, source)
        try:
            words = Path(table.bundle).read_text().split(",")
        except OSError as error:
            raise BundleError(f"cannot read bundle {table.bundle}: {error.strerror}") from None
        if len(words) != 3:
            raise BundleError(f"{table.bundle} is damaged")
        self.bundle_id, self.model_id, self.failure = words
        self.closed = False

    def inspect(self, frame: Frame) -> Result:
        assert not self.closed
        result = super().inspect(frame)
        return replace(result, label=self.bundle_id)

    def trials(self) -> Iterator[str]:
        yield self.failure

    def close(self) -> None:
        self.closed = True


def bundle(folder: Path, name: str, model: str = "m", failure: str = "") -> Path:
    path = folder / f"{name}.txt"
    path.write_text(f"{name},{model},{failure}")
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends receipts in most of these tests."""
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 0.3)


@contextmanager
def running(config: DeviceConfig, **keywords: Any) -> Iterator[Daemon]:
    keywords = {"open_inspector": Versioned, "timing": TIMING, **keywords}
    daemon = Daemon(config, **keywords)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(30)
    assert not thread.is_alive()


def looping(tmp_path: Path, broker: Mosquitto, **stream: Any) -> DeviceConfig:
    folder = write_pictures(tmp_path / "in", *[ACCEPTED] * 50)
    settings = {"loop": True, "bundle": str(bundle(tmp_path, "old")), **stream}
    return device(tmp_path, broker.port, folder, **settings)


def in_use(daemon: Daemon, stream: str = "s") -> str:
    return daemon.streams[stream].inspector.bundle_id


def test_a_bundle_is_swapped_between_two_frames_without_losing_one(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 5.0)
    seen: list[tuple[int, str]] = []

    def note(item: Item, result: Result) -> None:
        seen.append((item.sequence, str(result.label)))

    config = looping(tmp_path, broker)
    with Counter(broker.port) as collector:
        with running(config, on_result=note) as daemon:
            wait_until(lambda: len(seen) > 20)
            for version in ("new", "newer", "newest"):
                assert daemon.reload_bundle("s", bundle(tmp_path, version)) == version
                at = len(seen)
                wait_until(lambda at=at: len(seen) > at + 20)
            assert daemon.describe().streams[0].bundle == "newest"
            wait_until(lambda: "passed" in daemon.describe().streams[0].self_test)
            (tmp_path / "newest.txt").unlink()  # the offer was copied
        produced, _ = daemon.final_counts
        collector.wait_for(daemon.outbox.spool.boot_id, produced)
        summaries = [decode(p, Summary) for p in dict.fromkeys(collector.listener.on("summary/"))]
    assert [sequence for sequence, _ in seen] == list(range(len(seen)))  # none lost, none twice
    assert list(dict.fromkeys(label for _, label in seen)) == ["old", "new", "newer", "newest"]
    counts = {s.bundle: s.frames for s in summaries}
    assert counts == {v: sum(label == v for _, label in seen) for v in counts}  # no window mixes
    assert len(counts) == 4
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 0.3)
    with running(config) as daemon:  # the offered one survives a restart
        assert in_use(daemon) == "newest"
    bundle(tmp_path, "old", "another model")  # until the configured one is another
    with running(config) as daemon:
        assert in_use(daemon) == "old"


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (("new", "another", ""), "another model"),
        (("new", "m", "a dark picture was accepted"), "dark picture"),
        (None, "cannot take over"),
    ],
)
def test_an_offer_that_cannot_be_used_is_refused_with_an_alarm(
    broker: Mosquitto, tmp_path: Path, offer: tuple[str, str, str] | None, words: str
) -> None:
    path = bundle(tmp_path, *offer) if offer else tmp_path / "nowhere.guard"
    with Counter(broker.port) as collector, running(looping(tmp_path, broker)) as daemon:
        with pytest.raises(EdgeGuardError, match=words):
            daemon.reload_bundle("s", path)
        assert in_use(daemon) == "old"
        before = daemon.verdicts().total()
        wait_until(lambda: daemon.verdicts().total() > before + 10)  # it goes on
        wait_until(lambda: collector.listener.on("alarm/s/bundle"))
        (payload,) = collector.listener.on("alarm/s/bundle")
        alarm = decode(payload, Alarm)
        assert (alarm.state, words in alarm.message) == ("raised", True)
        assert daemon.reload_bundle("s", bundle(tmp_path, "good")) == "good"
        wait_until(lambda: len(collector.listener.on("alarm/s/bundle")) >= 2)
        assert decode(collector.listener.on("alarm/s/bundle")[-1], Alarm).state == "cleared"


def test_another_model_may_be_wanted_and_a_stream_must_be_known(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with running(looping(tmp_path, broker)) as daemon:
        other = bundle(tmp_path, "other", "another")
        assert daemon.reload_bundle("s", other, other_model=True) == "other"
        with pytest.raises(ConfigError, match="no stream 'x'"):
            daemon.reload_bundle("x", other)


def test_a_damaged_offer_at_the_start_gives_way_to_the_configured_bundle(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = looping(tmp_path, broker)
    with running(config) as daemon:
        daemon.reload_bundle("s", bundle(tmp_path, "new"))
    (kept,) = (tmp_path / "spool" / "bundles").glob("s-*.guard")
    kept.write_text("torn")
    with running(config) as daemon:
        assert in_use(daemon) == "old"
    (tmp_path / "spool" / "bundles" / "active.json").write_bytes(b"\x00{")
    with running(config) as daemon:
        assert in_use(daemon) == "old"


def test_the_configuration_is_read_again(broker: Mosquitto, tmp_path: Path) -> None:
    first = looping(tmp_path, broker)
    current = [first]
    (stream,) = first.stream
    with running(first, reread=lambda: current[0]) as daemon:
        wait_until(lambda: daemon.verdicts().total() > 5)
        worker = daemon.streams["s"]
        # other settings and another bundle: the stream goes on
        current[0] = msgspec.structs.replace(
            first,
            stream=(
                msgspec.structs.replace(
                    stream, bundle=str(bundle(tmp_path, "new", "other")), summary_seconds=7.0
                ),
            ),
        )
        daemon.reload()
        wait_until(lambda: in_use(daemon) == "new")
        assert daemon.streams["s"] is worker
        assert worker.table.summary_seconds == 7.0
        # another source, and one more stream
        other = write_pictures(tmp_path / "other", FLAGGED)
        current[0] = msgspec.structs.replace(
            first,
            stream=(
                msgspec.structs.replace(stream, source=str(other), loop=False, watch=True),
                msgspec.structs.replace(stream, name="more"),
            ),
        )
        daemon.reload()
        wait_until(lambda: set(daemon.streams) == {"s", "more"})
        assert daemon.streams["s"] is not worker
        wait_until(lambda: daemon.streams["s"].verdicts["review"] == 1)
        wait_until(lambda: daemon.streams["more"].verdicts["accept"] > 5)
        # one stream less, and what needs a restart is said
        current[0] = msgspec.structs.replace(
            first, spool=msgspec.structs.replace(first.spool, path=str(tmp_path / "elsewhere"))
        )
        daemon.reload()
        wait_until(lambda: set(daemon.streams) == {"s"})
        wait_until(lambda: any("[spool]" in cause for cause in daemon.describe().causes))
        assert not (tmp_path / "elsewhere").exists()


def test_a_broken_configuration_changes_nothing_and_says_why(
    broker: Mosquitto, tmp_path: Path
) -> None:
    first = looping(tmp_path, broker)
    (stream,) = first.stream
    current: list[DeviceConfig | ConfigError] = [ConfigError("device.toml, line 3: no such key")]

    def reread() -> DeviceConfig:
        if isinstance(current[0], ConfigError):
            raise current[0]
        return current[0]

    with running(first, reread=reread) as daemon:
        worker = daemon.streams["s"]
        daemon.reload()
        wait_until(lambda: any("line 3" in cause for cause in daemon.describe().causes))
        bad = msgspec.structs.replace(stream, bundle=str(bundle(tmp_path, "bad", "m", "too dark")))
        current[0] = msgspec.structs.replace(
            first, stream=(bad, msgspec.structs.replace(stream, name="more"))
        )
        daemon.reload()
        wait_until(lambda: any("too dark" in cause for cause in daemon.describe().causes))
        assert daemon.streams == {"s": worker}
        assert in_use(daemon) == "old"
        before = daemon.verdicts().total()
        wait_until(lambda: daemon.verdicts().total() > before + 10)
        current[0] = first
        daemon.reload()
        wait_until(lambda: daemon.describe().causes == ())


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return read_bundle(DEMO)


def test_a_real_bundle_is_taken_over_and_a_flipped_one_is_not(
    broker: Mosquitto, tmp_path: Path, demo: Bundle
) -> None:
    renamed = tmp_path / "second.guard"
    write_bundle(
        replace(demo, manifest=msgspec.structs.replace(demo.manifest, name="second")), renamed
    )
    content = bytearray(renamed.read_bytes())
    content[len(content) // 2] ^= 1
    flipped = tmp_path / "flipped.guard"
    flipped.write_bytes(content)
    config = device(
        tmp_path,
        broker.port,
        ROOT / "models" / "footage.avi",
        bundle=str(DEMO),
        loop=True,
        frames_per_second=30.0,
    )
    with Counter(broker.port):
        daemon = Daemon(config, timing=TIMING)
        thread = threading.Thread(target=daemon.run)
        thread.start()
        wait_until(lambda: "passed" in daemon.describe().streams[0].self_test)
        with pytest.raises(BundleError, match=r"flipped\.guard: the file is damaged"):
            daemon.reload_bundle("s", flipped)
        assert daemon.reload_bundle("s", renamed).startswith("second@")
        wait_until(lambda: "passed" in daemon.describe().streams[0].self_test)
        before = daemon.verdicts().total()
        wait_until(lambda: daemon.verdicts().total() > before + 5)
        state = daemon.describe()
        daemon.stop()
        thread.join(30)
    assert state.streams[0].bundle.startswith("second@")
    assert state.streams[0].dropped == {}
    assert not any("not used" in cause for cause in state.causes)


def test_a_refusal_is_old_news_after_a_restart(broker: Mosquitto, tmp_path: Path) -> None:
    config = looping(tmp_path, broker)
    with running(config) as daemon:
        with pytest.raises(EdgeGuardError, match="cannot take over"):
            daemon.reload_bundle("s", tmp_path / "nowhere.guard")
        assert any("nowhere" in cause for cause in daemon.describe().causes)
    with running(config) as daemon:
        assert not any("nowhere" in cause for cause in daemon.describe().causes)


class Watched(Versioned):
    """A guard with limits that were made stricter after it was opened, or monitors to build."""

    meanwhile: Callable[[], None] | None = None
    model: DriftModel | None = None

    def __init__(self, table: StreamTable, source: Source) -> None:
        super().__init__(table, source)
        if self.bundle_id != "old":
            self.drift = self.model

    def trials(self) -> Iterator[str]:
        if self.bundle_id != "old" and self.meanwhile:
            self.meanwhile()
        yield ""


def test_what_is_made_stricter_during_a_reload_holds_for_the_new_bundle(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Tightened(min_confidence=0.9)
    with running(looping(tmp_path, broker), open_inspector=Watched) as daemon:
        settings = daemon._commands._settings
        monkeypatch.setattr(Watched, "meanwhile", lambda _: settings.keep("s", wanted))
        daemon.reload_bundle("s", bundle(tmp_path, "new"))
        assert daemon.streams["s"].inspector.tightened == wanted


def test_a_bundle_whose_monitors_cannot_be_built_is_refused(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Bundle
) -> None:
    model = read_model(demo.manifest.drift, demo.arrays, demo.id)
    assert model is not None
    channels = model.spec.channels
    odd = msgspec.structs.replace(channels[-1], name="smell")
    spec = msgspec.structs.replace(model.spec, channels=(*channels[:-1], odd))
    monkeypatch.setattr(Watched, "model", replace(model, spec=spec))
    with running(looping(tmp_path, broker), open_inspector=Watched) as daemon:
        with pytest.raises(BundleError, match=r"cannot be used.*smell"):
            daemon.reload_bundle("s", bundle(tmp_path, "new"))
        assert in_use(daemon) == "old"


def test_a_change_does_not_wait_for_ever_for_the_one_before(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "BUSY_SECONDS", 0.01)
    begun, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        let_go.wait(30)

    monkeypatch.setattr(Watched, "meanwhile", staticmethod(hang))
    with running(looping(tmp_path, broker), open_inspector=Watched) as daemon:
        first = threading.Thread(target=daemon.reload_bundle, args=("s", bundle(tmp_path, "new")))
        first.start()
        assert begun.wait(30)
        with pytest.raises(EdgeGuardError, match="a reload is under way"):
            daemon.reload_bundle("s", bundle(tmp_path, "newer"))
        let_go.set()
        first.join(30)
        assert in_use(daemon) == "new"


def test_a_stream_that_takes_nothing_over_holds_no_other_up(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "TAKE_OVER_SECONDS", 0.01)
    busy, let_go = threading.Event(), threading.Event()

    def occupy() -> None:
        busy.set()
        let_go.wait(30)

    config = looping(tmp_path, broker)
    (stream,) = config.stream
    changed = msgspec.structs.replace(stream, summary_seconds=7.0)
    more = msgspec.structs.replace(stream, name="more")
    with running(config) as daemon:
        daemon._reloader.workers["s"].inspection.between_frames(occupy)
        assert busy.wait(30)
        with pytest.raises(ModelError, match="frame at hand does not end"):
            daemon._reloader.take_config(msgspec.structs.replace(config, stream=(changed, more)))
        wait_until(lambda: daemon.streams["more"].verdicts["accept"] > 5)
        let_go.set()
        wait_until(lambda: daemon.streams["s"].table.summary_seconds == 7.0)
