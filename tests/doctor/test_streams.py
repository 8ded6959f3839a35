"""The doctor on bundles and sources: the shipped bundle and footage, and spoilt ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.advice.sight import Eye
from edge_guard.config import StreamTable, TriggerTable
from edge_guard.doctor import streams
from edge_guard.doctor.findings import Finding
from edge_guard.doctor.light import check_light
from edge_guard.doctor.streams import Sighting, check_cost, check_stream, read_bundles
from edge_guard.gate.spec import GateSpec, RepeatSpec
from edge_guard.pipeline import Pipeline
from edge_guard.signing import generate_keys, sign_bundle
from edge_guard.sources import open as opening
from edge_guard.sources.address import Kind
from edge_guard.sources.contract import NoFrameError
from edge_guard.types import Exposure, Frame
from edge_guard.view import View

ROOT = Path(__file__).resolve().parents[2]
DEMO, FOOTAGE = ROOT / "models" / "demo_line.guard", ROOT / "models" / "footage.avi"

sys.path.insert(0, str(ROOT / "tests" / "sources"))
from footage import MjpegCamera  # noqa: E402


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(DEMO)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """The first frames of the footage: normal production."""
    video = cv2.VideoCapture(str(FOOTAGE))
    return [video.read()[1] for _ in range(24)]


def table(source: object, **more: object) -> StreamTable:
    return StreamTable(name="s", source=str(source), bundle=str(DEMO), **more)


def write(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{i:03d}.png"), picture)
    return folder


def wrong(found: list[Finding]) -> dict[str, Finding]:
    return {f.message: f for f in found if f.level != "ok"}


def test_good_footage_and_its_bundle_are_fine(bundle):
    found = list(check_stream(table(FOOTAGE, frames_per_second=10.0), bundle))
    assert wrong(found) == {}
    said = " ".join(f.message for f in found)
    assert "3 golden frames" in said
    assert "320×240" in said and "10.0 frames a second" in said
    assert "every 100.0 ms" in said


def test_a_damaged_bundle_is_a_problem_and_no_other_check_is_tried(tmp_path):
    spoilt = tmp_path / "x.guard"
    data = bytearray(DEMO.read_bytes())
    data[len(data) // 2] ^= 1
    spoilt.write_bytes(data)
    stream = StreamTable(name="s", source=str(FOOTAGE), bundle=str(spoilt))
    read = read_bundles((stream,))
    (found,) = check_stream(stream, read[str(spoilt)])
    assert (found.area, found.level) == ("bundle", "problem")
    assert "damaged" in found.message


def test_a_bundle_that_nobody_trusted_has_signed_is_a_problem(tmp_path):
    generate_keys(tmp_path / "k.key", tmp_path / "k.pub")
    trusted = (str(tmp_path / "k.pub"),)
    (found,) = check_stream(table(FOOTAGE), read_bundles((table(FOOTAGE),), trusted)[str(DEMO)])
    assert (found.area, found.level) == ("bundle", "problem")
    assert "is not signed" in found.message
    signed = tmp_path / "s.guard"
    sign_bundle(DEMO, signed, tmp_path / "k.key")
    stream = StreamTable(name="s", source=str(FOOTAGE), bundle=str(signed))
    found, *_ = check_stream(stream, read_bundles((stream,), trusted)[str(signed)])
    assert found.level == "ok"
    assert "signed" in found.message


def test_the_guard_is_tried_on_spoilt_pictures_and_the_model_is_named(bundle, frames, tmp_path):
    folder = write(tmp_path / "f", frames[:2])
    said = [f for f in check_stream(table(folder), bundle) if f.area == "bundle"]
    assert any(
        "model demo_line.onnx (classify, 128×96 px, rgb, 4 labels)" in f.message for f in said
    )
    assert any("catches all" in f.message and f.level == "ok" for f in said)
    lax = msgspec.structs.replace(bundle.manifest.promise, score_limit=1e9, p_limit=-1.0)
    gate = msgspec.structs.replace(bundle.manifest.gate, limits=(), cells=None, alignment=None)
    manifest = msgspec.structs.replace(bundle.manifest, promise=lax, gate=gate)
    blind = Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, "x")
    told = wrong(list(check_stream(table(folder), blind)))
    assert any("the self-test fails" in message for message in told)


def test_a_view_unlike_the_references_is_a_problem(bundle, frames, tmp_path):
    folder = write(tmp_path / "f", frames[:2])
    manifest = msgspec.structs.replace(bundle.manifest, view=View(flip="vertical"))
    other = Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, "x")
    found = list(check_stream(table(folder), other))
    (told,) = [f for f in found if "upside down" in f.message]
    assert (told.area, told.level) == ("camera", "problem")
    same = check_stream(table(folder, flip="vertical"), other)
    assert not [f for f in same if "upside down" in f.message]


def test_a_bundle_of_another_runtime_is_a_problem(bundle):
    runtime = msgspec.structs.replace(bundle.manifest.runtime, kernels="xnnpack")
    manifest = msgspec.structs.replace(bundle.manifest, runtime=runtime)
    other = Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, "x")
    (found,) = check_stream(table(FOOTAGE), other)
    assert (found.area, found.level) == ("bundle", "problem")
    assert "xnnpack" in found.message


@pytest.mark.parametrize("source", ["77", "http://127.0.0.1:9/x.mjpg", "/nowhere/at/all"])
def test_a_source_that_is_not_there(bundle, source):
    *_, last = check_stream(table(source), bundle)
    assert (last.area, last.level) == ("camera", "problem")
    assert last.remedy


def test_a_live_camera_of_another_scene_is_seen_through(bundle):
    with MjpegCamera() as camera:
        found = list(check_stream(table(camera.address), bundle))
    said = wrong(found)
    assert any("the references were 320×240" in message for message in said)
    assert any("flagged" in message for message in said)
    opened = next(f.message for f in found if "gives" in f.message)
    assert float(opened.rsplit(" frames a second", 1)[0].rsplit(" ", 1)[1]) > 0
    assert any("the light changes by" in f.message for f in found), "only live sources are asked"


def test_frames_that_cannot_be_decoded_are_counted(bundle, frames, tmp_path):
    folder = write(tmp_path / "f", frames[:8])
    (folder / "003.png").write_bytes(b"no picture")
    opened = next(f for f in check_stream(table(folder), bundle) if "gives" in f.message)
    assert opened.level == "warning"
    assert "1 of 8 frames could not be decoded" in opened.message


def test_a_lens_out_of_focus_is_named(bundle, frames, tmp_path):
    folder = write(tmp_path / "f", [cv2.GaussianBlur(f, (0, 0), 3) for f in frames])
    said = wrong(list(check_stream(table(folder), bundle)))
    focus = next(f for message, f in said.items() if "sharpness" in message)
    assert focus.level == "problem"
    assert "focus the lens" in focus.remedy
    assert any("24 of 24 frames are flagged" in message for message in said)


@pytest.mark.parametrize(("share", "level"), [(0.2, "ok"), (0.85, "warning"), (4.0, "problem")])
def test_cost_is_held_against_the_frame_rate(bundle, monkeypatch, share, level):
    pipeline = Pipeline(bundle, live=False)
    (unpaced,) = check_cost(table(FOOTAGE), bundle, pipeline, 0.0)
    assert unpaced.level == "ok"
    monkeypatch.setattr("edge_guard.doctor.streams.cost_ms", lambda *_: 5.0)
    (found,) = check_cost(table(FOOTAGE), bundle, pipeline, share * 1000.0 / 5.0)
    assert found.level == level
    if level == "problem":
        assert "75% of them will be dropped" in found.message


def test_the_rate_counts_frames_that_were_dropped_for_newer_ones():
    seen = Sighting(seconds=[100.0, 100.5, 102.0], sequences=[0, 12, 50])
    assert seen.rate == 25.0
    assert Sighting(seconds=[1.0], sequences=[3]).rate == 0.0


def shown(number: int, level: float) -> tuple[Frame, np.ndarray]:
    """A still scene under light of a mean level, taken by a camera of 11 frames a second."""
    scene = np.random.default_rng(1).normal(1.0, 0.2, (48, 64))
    image = np.clip(scene * level + 0.5, 0, 255).astype(np.uint8)
    return Frame("s", number, image, 0, int(number / 11.0 * 1e9)), image


class Seen:
    """Image statistics as an array each."""

    def __init__(self, light: np.ndarray, exposures: Sequence[Exposure] = ()) -> None:
        self._light, self.exposures = light, exposures
        eye = Eye()
        self.sights = [eye.see(*shown(i, level)) for i, level in enumerate(light)]

    def column(self, name: str) -> np.ndarray:
        return self._light if name == "mean" else np.array([])


NAN = float("nan")
TOLD = {
    "exposure 156 and gain 4, in": [Exposure(156.0, 4.0)] * 3,
    "gain 4, in": [Exposure(NAN, 4.0)] * 3,
    "exposure 100 to 200 and gain 4, in": [Exposure(v, 4.0) for v in (100.0, 200.0, 150.0)],
    "exposure 9 and gain 1 to 2, in": [Exposure(9.0, v) for v in (1.0, 2.0)],
}


@pytest.mark.parametrize("words", TOLD)
def test_a_camera_that_tells_its_settings_is_heard(words):
    gate = GateSpec(None, (), RepeatSpec(8, 0.1, 1.0))
    (found,) = check_light("s", gate, Seen(np.array([]), TOLD[words]), live=True)
    assert f"the camera tells {words}" in found.message
    assert found.level == ("warning" if " to " in words else "ok")


NOISE = np.random.default_rng(0).normal(size=60) * 0.3
LIGHTS = {
    "still": (100 + NOISE, []),
    "parts pass": (100 + 8 * np.sin(np.arange(60) / 4) + NOISE, []),
    "warms up": (100 + 0.2 * np.arange(60) + NOISE, ["brightness moved by +1"]),
    "flickers a little": (100 + 0.3 * (-1.0) ** np.arange(60) + NOISE, []),
    "too few": (100 + 3 * (-1.0) ** np.arange(30), []),
    "flickers": (
        100 + 3 * (-1.0) ** np.arange(60) + NOISE,
        ["light flickers (all over the picture"],
    ),
}


@pytest.mark.parametrize("kind", LIGHTS)
def test_light_that_moves_or_flickers(kind):
    light, expected = LIGHTS[kind]
    gate = GateSpec(None, (), RepeatSpec(8, 0.1, 1.0))
    said = [f.message for f in check_light("s", gate, Seen(light), live=True) if f.level != "ok"]
    assert len(said) == len(expected)
    assert all(part in message for part, message in zip(expected, said, strict=True))
    assert list(check_light("s", gate, Seen(light), live=False)) == []


class Pulsed:
    """A camera in trigger mode: a frame for each pulse."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self._pictures = iter(pictures)

    def read(self) -> np.ndarray:
        for picture in self._pictures:
            return picture
        time.sleep(0.01)
        raise NoFrameError("camera 0 has stopped giving frames")

    def exposure(self) -> None:
        return None

    def close(self) -> None:
        pass


def test_a_camera_that_waits_for_pulses_is_not_dead(bundle, frames, monkeypatch):
    pictures: list[np.ndarray] = []
    connect = {Kind.CAMERA: lambda *_: Pulsed(pictures)}
    monkeypatch.setattr(opening, "_OPENERS", connect)
    monkeypatch.setattr(streams, "FIRST_FRAME_SECONDS", 0.5)
    monkeypatch.setattr(streams, "SECONDS", 0.2)
    waiting = table("0", trigger=TriggerTable(kind="hardware"))
    (found,) = wrong(list(check_stream(waiting, bundle))).values()
    assert (found.area, found.level) == ("camera", "warning")
    assert "answers, but no pulse came in 0.5 s" in found.message
    assert found.remedy == "let parts run past it and ask again"
    pictures += frames[:6]
    said = [f.message for f in check_stream(waiting, bundle) if f.level == "ok"]
    assert any("gives 320×240 px" in one for one in said)
    assert not any("frames come every" in one for one in said)


def test_the_rate_of_a_camera_is_not_the_rate_of_parts(bundle):
    due = "ms with 1 thread(s), frames come every"
    for trigger in (None, TriggerTable(kind="mqtt", topic="t")):
        stream = table(FOOTAGE, frames_per_second=10.0, trigger=trigger)
        found = list(check_stream(stream, bundle))
        assert wrong(found) == {}
        assert any(due in one.message for one in found) == (trigger is None)
