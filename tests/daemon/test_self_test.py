"""The self-test: golden and spoilt frames through the guard of a stream, leaving no trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import TIMING, Pretender, device, write_pictures

from edge_guard import selftest
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.daemon import Daemon
from edge_guard.pipeline import Pipeline
from edge_guard.publish.messages import Alarm, decode
from edge_guard.selftest import SelfTest, run_all
from edge_guard.sources import open_source
from edge_guard.trials import spoilt
from edge_guard.types import Frame, Verdict

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo_line.guard"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(DEMO)


def footage(n: int) -> list[Frame]:
    source = open_source(str(ROOT / "models" / "footage.avi"), stream="s")
    frames = [frame for _ in range(n) if isinstance(frame := source.read(5.0), Frame)]
    source.close()
    return frames


def test_a_good_guard_passes(bundle: Bundle) -> None:
    report = run_all(Pipeline(bundle))
    assert report.passed, report.words
    assert report.trials == len(bundle.manifest.golden) + len(bundle.manifest.trials) + 1
    assert "passed" in report.words


def test_it_leaves_no_trace(bundle: Bundle) -> None:
    """Verdicts of a recording are the same with test frames in between, frozen state included."""
    frames = footage(12)
    plain, tried = Pipeline(bundle), Pipeline(bundle)
    trials: Iterator[str] = iter(())
    for frame in [*frames, *[replace(frames[-1]) for _ in range(8)]]:
        expected, found = plain.inspect(frame), tried.inspect(frame)
        assert found.verdict == expected.verdict
        assert found.scores == expected.scores
        assert [r.guard for r in found.reasons] == [r.guard for r in expected.reasons]
        if next(trials, None) is None:
            trials = tried.trials()
    assert any(r.guard == "gate.frozen" for r in found.reasons)


def test_a_gate_that_no_longer_fires_fails(bundle: Bundle) -> None:
    blind = msgspec.structs.replace(
        bundle.manifest,
        gate=msgspec.structs.replace(
            bundle.manifest.gate,
            limits=(),
            cells=None,
            causes=None,
            repeats=msgspec.structs.replace(bundle.manifest.gate.repeats, frozen_after=10**6),
        ),
        promise=msgspec.structs.replace(
            bundle.manifest.promise, score_limit=float("inf"), p_limit=-1.0
        ),
        certificate=None,
        trials=("dead", "dark", "blurred", "foreign"),
    )
    guard = Pipeline(replace(bundle, manifest=blind))
    # its gate counts to a million before it calls a picture frozen: count less here
    guard.manifest = msgspec.structs.replace(
        blind, gate=msgspec.structs.replace(blind.gate, repeats=bundle.manifest.gate.repeats)
    )
    report = run_all(guard)
    assert not report.passed
    assert any("was accepted" in words for words in report.failures), report.words


def test_a_model_that_computes_something_else_fails(bundle: Bundle) -> None:
    guard = Pipeline(bundle)
    golden = tuple(
        msgspec.structs.replace(one, scores=tuple(score + 1.0 for score in one.scores))
        for one in bundle.manifest.golden
    )
    guard.manifest = msgspec.structs.replace(bundle.manifest, golden=golden)
    report = run_all(guard)
    assert len(report.failures) == len(golden)
    assert "scores differently" in report.words


def test_what_breaks_is_a_failure(bundle: Bundle) -> None:
    class Broken:
        def trials(self) -> Iterator[str]:
            yield ""
            raise RuntimeError("the accelerator fell off")

    report = run_all(Broken())
    assert (report.trials, report.passed) == (2, False)
    assert "fell off" in report.words


def test_spoilt_pictures_are_spoilt() -> None:
    rng = np.random.default_rng(1)
    good = rng.integers(60, 200, (48, 64, 3), np.uint8)
    made = {trial.name: trial.image for trial in spoilt(good)}
    assert set(made) == {"dead", "dark", "blurred", "foreign"}
    assert all(image.shape == good.shape and image.dtype == np.uint8 for image in made.values())
    assert made["blurred"].std() < good.std() / 4
    assert abs(float(made["blurred"].mean()) - float(good.mean())) < 5
    flat = np.full((48, 64), 100, np.uint8)
    assert "blurred" not in {trial.name for trial in spoilt(flat)}  # nothing to be seen of it


def test_steps_are_taken_in_idle_time_and_seldom_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        def trials(self) -> Iterator[str]:
            yield from ("", "")

    now = 1000.0
    monkeypatch.setattr(selftest.time, "monotonic", lambda: now)
    test = SelfTest(hours=1.0)
    assert test.wants_a_step(idle=False)
    assert test.step(Two()) is None
    assert test.wants_a_step(idle=True)
    assert not test.wants_a_step(idle=False)  # a live frame waits: not yet
    now += selftest.STEP_SECONDS
    assert test.wants_a_step(idle=False)
    assert test.step(Two()) is None
    assert test.step(Two()) is not None
    assert not test.wants_a_step(idle=True)
    now += 3600.0
    assert test.wants_a_step(idle=True)


def test_a_failure_raises_an_alarm_and_shows_in_the_state(
    broker: Mosquitto, tmp_path: Path
) -> None:
    class Worn(Pretender):
        def trials(self) -> Iterator[str]:
            yield ""
            yield "a dark picture was accepted"

    folder = write_pictures(tmp_path / "in", 0)
    with Counter(broker.port) as collector:
        daemon = Daemon(
            device(tmp_path, broker.port, folder, watch=True), open_inspector=Worn, timing=TIMING
        )
        import threading

        thread = threading.Thread(target=daemon.run)
        thread.start()
        wait_until(lambda: "failed 1 of 2" in daemon.describe().streams[0].self_test)
        wait_until(lambda: any("dark picture" in cause for cause in daemon.describe().causes))
        daemon.stop()
        thread.join(30)
        payloads = collector.listener.on("alarm/s")
        (summary,) = collector.listener.on("summary/s")
    assert [decode(p, Alarm).alarm for p in payloads] == ["self-test"]
    assert msgspec.json.decode(summary)["frames"] == 1
    assert daemon.verdicts() == {Verdict.ACCEPT.value: 1}
