"""What must not fool, break or silently blind the monitors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from fixed_camera import Camera, fitted, judged, pictures

from edge_guard.drift.histogram import BINS_VERSION
from edge_guard.drift.incident import Report
from edge_guard.drift.intake import BLIND_AFTER
from edge_guard.drift.merge import Merged
from edge_guard.drift.model import DriftModel
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.summary import Window
from edge_guard.publish.messages import Summary, decode, encode
from edge_guard.types import Frame, Image, Result, Verdict


@pytest.fixture(scope="module")
def model() -> DriftModel:
    return fitted(pictures(200, 0))


def brighter(images: list[Image], levels: int) -> list[Image]:
    return [np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8) for image in images]


def show_broken(camera: Camera, image: Image, broken: float) -> Report | None:
    seen = camera._meter.measure(image)
    statistics, cells = seen.statistics.copy(), seen.cells.copy()
    statistics[::3] = broken
    cells[0, 2, 2] = broken
    number, camera.sequence = camera.sequence, camera.sequence + 1
    return camera.monitor.update(
        Frame("s", number, image), judged(camera._rng, gen=broken), statistics, cells
    )


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_few_numbers_that_are_none_leave_no_trace(
    model: DriftModel, broken: float, tmp_path: Path
) -> None:
    camera = Camera(Monitor(model))
    assert not camera.play(pictures(20, 1))
    for image in pictures(5, 2):
        assert show_broken(camera, image, broken) is None
    assert camera.monitor.blind == ""
    said = camera.play(brighter(pictures(30, 3), 3))
    evidence = said[-1][1].evidence
    assert evidence.family == "illumination" and evidence.size is not None
    assert abs(evidence.size - 3.0) < 0.6 and np.isfinite(evidence.cells).all()
    camera.monitor.save(tmp_path / "drift.npz")
    assert Monitor(model).restore(tmp_path / "drift.npz") == ""


def test_numbers_that_stay_none_are_told(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    for image in pictures(BLIND_AFTER, 4):
        assert show_broken(camera, image, np.nan) is None
    assert camera.monitor.blind.startswith("no value of light")
    assert f"for {BLIND_AFTER} frames" in camera.monitor.blind


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_pictures_are_a_change_and_then_no_sight(model: DriftModel, level: int) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(20, 5))
    rng = np.random.default_rng(0)
    flat = np.full((96, 96), level, np.uint8)
    states = []
    for number in range(20, 20 + 3 * BLIND_AFTER):
        seen = camera._meter.measure(flat)
        # the guards score each a little otherwise at first; then the camera has died
        result = judged(rng) if number < 60 else Result(Verdict.INVALID, p_value=0.5)
        report = camera.monitor.update(
            Frame("s", number, flat), result, seen.statistics, seen.cells
        )
        states += [report.state] if report else []
    assert states[0] == "raised" and "cleared" not in states
    assert "were repetitions of the one before" in camera.monitor.blind
    assert camera.monitor.skipped["were repetitions of the one before"] >= 2 * BLIND_AFTER


def test_a_source_that_counts_anew_is_followed(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    images = pictures(50 + 2 * BLIND_AFTER, 6)
    camera.sequence = 10 * BLIND_AFTER
    camera.play(images[:50])
    camera.sequence = 0
    camera.play(images[50 : 49 + BLIND_AFTER])
    assert camera.monitor.skipped == {"came out of order": BLIND_AFTER - 1}
    assert not camera.play(images[49 + BLIND_AFTER :])
    assert camera.monitor.skipped == {"came out of order": BLIND_AFTER - 1}
    said = camera.play(brighter(pictures(15, 7), 3))
    assert said and said[0][1].state == "raised"


def test_a_frame_between_the_same_two_over_and_over_does_not_count(model: DriftModel) -> None:
    """A driver that hands the last buffer out again must not fake calm, or a change."""
    camera = Camera(Monitor(model))
    seen, result = camera._meter.measure(pictures(1, 8)[0]), judged(np.random.default_rng(1))
    bright = brighter(pictures(1, 8), 4)[0]
    strange = camera._meter.measure(bright)
    for number in range(200):
        frame = Frame("s", number, bright)
        assert camera.monitor.update(frame, result, strange.statistics, strange.cells) is None
    assert seen is not strange and camera.monitor.skipped == {
        "were repetitions of the one before": 199
    }


def empty(bundle: str, **changes: object) -> Summary:
    window = Window()
    summary = Summary(
        device="d", boot_id="b", wall_time="2026-01-01T00:00:00Z", monotonic_ns=0,
        clock_synchronised=True, sequence=1, stream="top", bundle=bundle, window=0,
        frames=window.frames, verdicts={}, labels={}, reasons={},
        statistics=window.statistics(), dropped_at_capture={}, dropped_from_spool={},
        histograms=window.histograms(), bins=BINS_VERSION,
    )  # fmt: skip
    return msgspec.structs.replace(decode(encode(summary), Summary), **changes)


def test_a_window_without_frames_merges_to_nothing() -> None:
    merged = Merged("line@1")
    assert merged.add(empty("line@1"))
    assert (len(merged), merged.frames, merged.histograms(), merged.moments()) == (1, 0, {}, {})


def test_windows_of_another_bundle_or_version_are_isolated() -> None:
    merged = Merged("line@1")
    counts = {"drift.light": (1,) + (0,) * 21}
    assert not merged.add(empty("line@2"))
    assert not merged.add(empty("line@1", histograms=counts, bins=BINS_VERSION + 1))
    assert not merged.add(empty("line@1", histograms=counts, bins=0))
    assert merged.add(empty("line@1", histograms=counts))
    assert dict(merged.refused) == {"another bundle": 1, "other bins": 2}
    assert merged.histograms() == counts
