"""A camera whose scene changes: noticed, named, measured, updated, cleared, remembered."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from fixed_camera import Camera, fitted, judged, picture, pictures

from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.drift.evidence import sentence
from edge_guard.drift.intake import BLIND_AFTER
from edge_guard.drift.model import DriftModel, read_model
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.sensitivity import sentences
from edge_guard.drift.settling import FRAMES
from edge_guard.types import Frame, Image, Result, Verdict


@pytest.fixture(scope="module")
def model() -> DriftModel:
    return fitted(pictures(200, 0))


def brighter(images: list[Image], levels: float) -> list[Image]:
    return [np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8) for image in images]


def test_an_untouched_stream_raises_nothing(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    assert not camera.play(pictures(FRAMES + 20, 1))
    assert camera.monitor.status == "watching"
    assert not camera.monitor.skipped


def test_the_light_bulb(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(50, 2))
    said = camera.play(brighter(pictures(40, 3), 2))
    number, report = said[0]
    assert number < 50 + 6
    evidence = report.evidence
    assert (report.state, evidence.family, evidence.words) == (
        "raised",
        "illumination",
        "more light",
    )
    assert evidence.size is not None and evidence.error is not None
    assert abs(evidence.size - 2.0) <= max(evidence.error, 0.5)
    assert abs(evidence.since_frame - 50) <= 3
    assert report.since_wall_ns == 1_700_000_000_000_000_000 + (evidence.since_frame + 1) * 10**8
    assert evidence.unit == "grey levels"
    assert abs(np.mean(evidence.cells) - 2.0) < 0.7
    assert {moved.name for moved in evidence.statistics} >= {"light"}
    assert report.before is not None and report.after is not None
    assert "illumination: more light, +" in sentence(evidence, "noon")
    assert all(later.state == "updated" for _, later in said[1:])


def test_a_trouble_that_passes_is_cleared_once_and_may_come_again(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(30, 4))
    for seed in (5, 7):
        assert camera.play(brighter(pictures(20, seed), -3))[0][1].state == "raised"
        assert camera.monitor.raised
        said = camera.play(pictures(80, seed + 1))
        assert [report.state for _, report in said if report.state != "updated"] == ["cleared"]
        assert not camera.monitor.raised


def test_a_trouble_that_lasts_is_one_alarm(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(30, 4))
    said = camera.play(brighter(pictures(250, 9), 2))
    assert [report.state for _, report in said].count("raised") == 1
    assert "cleared" not in {report.state for _, report in said}
    assert len(said) < 8


def test_a_slow_ramp_is_noticed(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    rng = np.random.default_rng(3)
    for t in range(300):
        report = camera.show(picture(rng, light=0.01 * t))
        if report:
            break
    assert report is not None and report.evidence.family == "illumination"
    assert 0.01 * t < 2.0


CHANGES = {
    "focus": lambda x: gaussian_blur(x.astype(np.float32), 1.5),
    "noise": lambda x: x + np.random.default_rng(int(x.sum())).normal(0, 6, x.shape),
    "translation": lambda x: np.roll(x, 3, axis=1),
    "illumination": lambda x: x * 0.93,
}


@pytest.mark.parametrize("family", CHANGES)
def test_causes_are_named(model: DriftModel, family: str) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(20, 11))
    changed = [
        np.clip(np.rint(CHANGES[family](image)), 0, 255).astype(np.uint8)
        for image in pictures(30, 12)
    ]
    said = camera.play(changed)
    assert said and said[-1][1].evidence.family == family
    if family == "translation":
        size = said[-1][1].evidence.size
        assert size is not None and 1.5 < size < 4.5


def test_more_of_one_product_is_the_product_mix() -> None:
    rng = np.random.default_rng(0)
    products = ["square" if rng.random() < 0.3 else "round" for _ in range(200)]
    references = [picture(rng, product=product) for product in products]
    camera = Camera(Monitor(fitted(references, labels=products)))
    usual = ["square" if rng.random() < 0.3 else "round" for _ in range(100)]
    assert not camera.play([picture(rng, product=product) for product in usual])
    said = camera.play([picture(rng, product="square") for _ in range(80)])
    evidence = said[-1][1].evidence
    assert (evidence.family, evidence.words) == ("product mix", "more of “square”")


def test_what_has_no_name_is_other(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    camera.play(pictures(20, 13))
    said = camera.play([255 - image for image in pictures(30, 14)])
    assert said[-1][1].evidence.family == "other"
    assert "has no name" in sentence(said[-1][1].evidence, "noon")


def test_one_strange_frame_is_no_drift(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    for seed in range(5):
        camera.play(pictures(30, 20 + seed))
        assert camera.show(np.full_like(pictures(1, 0)[0], 255)) is None
        assert not camera.play(pictures(30, 40 + seed))


@pytest.mark.parametrize(
    ("says", "family", "channel"),
    [({"p": 0.004}, "other", "unlike"), ({"gen": 2.55}, "model", "doubt")],
)
def test_pictures_as_ever_that_model_or_guards_find_stranger(
    model: DriftModel, says: dict[str, float], family: str, channel: str
) -> None:
    camera = Camera(Monitor(model))
    rng = np.random.default_rng(15)
    for number, image in enumerate(pictures(70, 15)):
        seen = camera._meter.measure(image)
        result = judged(rng, **(says if number >= 20 else {}))
        report = camera.monitor.update(
            Frame("s", number, image), result, seen.statistics, seen.cells
        )
        if report:
            break
    assert report is not None and report.evidence.family == family
    assert report.evidence.statistics[0].name == channel
    assert report.evidence.size is None
    assert ("the model is less sure" in sentence(report.evidence, "noon")) == (family == "model")


def test_the_state_survives_a_restart(model: DriftModel, tmp_path: Path) -> None:
    path = tmp_path / "drift.npz"
    whole, before = Camera(Monitor(model)), Camera(Monitor(model))
    first, second = pictures(30, 16), brighter(pictures(12, 17), 1)
    whole.play(first)
    before.play(first)
    before.monitor.save(path)
    after = Camera(Monitor(model))
    assert after.monitor.restore(path) == ""
    after.sequence = before.sequence
    after._rng, whole._rng = np.random.default_rng(1), np.random.default_rng(1)
    said, expected = after.play(second), whole.play(second)
    assert expected
    assert [(n, r.state, r.evidence.family) for n, r in said] == [
        (n, r.state, r.evidence.family) for n, r in expected
    ]
    after.monitor.save(path)
    third = Camera(Monitor(model))
    assert third.monitor.restore(path) == "" and third.monitor.raised


def test_a_state_that_does_not_fit_is_refused_with_its_cause(
    model: DriftModel, tmp_path: Path
) -> None:
    path = tmp_path / "drift.npz"
    monitor = Monitor(model)
    assert monitor.restore(path) == "there is no earlier state"
    Monitor(_of_bundle(model, "other@1")).save(path)
    assert monitor.restore(path) == "the earlier state is of bundle other@1"
    Monitor(model).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged[: int(rng.integers(1, len(whole) + 1))])
        said = monitor.restore(path)
        assert said == "" or "cannot be used" in said or "is of bundle" in said
        assert monitor.status


def _of_bundle(model: DriftModel, name: str) -> DriftModel:
    read = read_model(model.spec, model.arrays(), name)
    assert read is not None
    return read


def test_the_specification_travels_as_json(model: DriftModel) -> None:
    spec = msgspec.json.decode(msgspec.json.encode(model.spec), type=type(model.spec))
    assert spec == model.spec
    assert read_model(None, {}, "x") is None


def test_frames_out_of_order_and_repeated_are_left_out(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    images = pictures(30, 18)
    camera.play(images)
    for sequence in (5, 3, 29):
        camera.show(brighter(images[:1], 90)[0], sequence)
    assert camera.monitor.skipped == {"came out of order": 3}
    assert camera.show(images[-1], 30) is None
    assert camera.show(images[-1], 31) is None
    assert camera.monitor.skipped["came out of order"] == 3


def test_a_stream_that_stands_still_makes_the_monitors_say_that_they_are_blind(
    model: DriftModel,
) -> None:
    monitor = Monitor(model)
    camera = Camera(monitor)
    image, result = pictures(1, 19)[0], Result(Verdict.ACCEPT, p_value=0.5)
    seen = camera._meter.measure(image)
    for number in range(BLIND_AFTER + 1):
        monitor.update(Frame("s", number, image), result, seen.statistics, seen.cells)
    assert monitor.blind == f"{BLIND_AFTER} frames in a row were repetitions of the one before"
    assert monitor.status.startswith("blind")
    camera.sequence = BLIND_AFTER + 1
    camera.play(pictures(1, 21))
    assert monitor.blind == ""


def test_frames_without_a_picture_make_them_blind_too(model: DriftModel) -> None:
    monitor = Monitor(model)
    result = Result(Verdict.INVALID)
    for number in range(BLIND_AFTER):
        monitor.update(Frame("s", number, np.zeros((1, 1), np.uint8)), result, None, None)
    assert "were no usable pictures" in monitor.blind


def test_statistics_that_are_not_a_number_are_told(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    for number, image in enumerate(pictures(BLIND_AFTER, 22)):
        seen = camera._meter.measure(image)
        broken = np.full_like(seen.statistics, np.nan)
        frame = Frame("s", number, image)
        report = camera.monitor.update(
            frame, Result(Verdict.ACCEPT, p_value=0.5), broken, seen.cells
        )
        assert report is None
    assert "no value of contrast, focus, noise" in camera.monitor.blind


def test_a_pause_and_a_jump_of_the_clock_are_no_drift(model: DriftModel) -> None:
    camera = Camera(Monitor(model))
    images = pictures(90, 23)
    assert not camera.play(images[:30])
    for i, image in enumerate(images[30:60]):
        assert camera.show(image, at_ns=10**13 + i * 10**8) is None
    for i, image in enumerate(images[60:]):
        assert camera.show(image, at_ns=10**10 + i * 10**8) is None


def test_neighbours_that_are_alike_are_noticed_while_settling_in(model: DriftModel) -> None:
    monitor = Monitor(model)
    camera = Camera(monitor)
    rng, light, rise = np.random.default_rng(0), 0.0, 0.95
    scene = np.mean(pictures(50, 24), axis=0)
    for _ in range(FRAMES):
        light = rise * light + np.sqrt(1 - rise**2) * rng.normal(0, 0.5)
        lit = scene + light + rng.normal(0, 2, scene.shape)
        camera.show(np.clip(np.rint(lit), 0, 255).astype(np.uint8))
    rho = monitor._charts.rho[[c.name for c in model.spec.channels].index("light")]
    assert monitor.status in ("watching", "a change lasts")
    assert monitor.raised or 0.8 < rho < 0.999


def test_what_can_be_seen_is_said(model: DriftModel) -> None:
    said = list(sentences(model.spec))
    assert said[0].startswith("detects a brightness shift of 2 grey levels within ")
    assert "one false alarm in 26,000,000 frames: 30 days at 10 frames a second" in said[-1]
