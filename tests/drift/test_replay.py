"""``inspect --monitor`` on a real bundle: a recording is replayed, alarms and summaries printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from tinymodel import LABELS, parts, write_model

from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.references import Reference
from edge_guard.card import Card, InputCard, OutputCard
from edge_guard.cli.main import main
from edge_guard.drift.channels import UNITS
from edge_guard.evaluation.parity import _difference
from edge_guard.evaluation.parity_words import in_words, rounds_to_nothing

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sources"))

from footage import MjpegCamera


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    model = write_model(folder / "tiny.onnx")
    references = [
        Reference(f"r{i}", "", lambda image=image: image) for i, image in enumerate(parts(120, 0))
    ]
    card = Card(InputCard("rgb", "stretch", (0.0,), (255.0,)), OutputCard(labels=LABELS))
    out = folder / "tiny.guard"
    calibrate(model, references, out, card=card, labels=LABELS)
    return out


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recording"
    folder.mkdir()
    for number, image in enumerate(parts(100, 1)):
        shown = np.clip(image.astype(int) + 5 * (number >= 60), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:04d}.png"), shown)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict]:
    assert main(list(arguments)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_recording_is_replayed(
    bundle: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run(capsys, "inspect", str(bundle), str(recording), "--monitor", "--json")
    kinds = [line["type"] for line in lines]
    assert kinds.count("result") == 100 and kinds[-1] == "summary"
    alarms = [line for line in lines if line["type"] == "alarm"]
    assert alarms[0]["state"] == "raised" and 60 <= alarms[0]["frame"] < 75
    last = alarms[-1]["evidence"]
    assert last["family"] == "illumination" and abs(last["size"] - 5) < 2.5
    assert kinds.index("alarm") < 80
    assert sum(lines[-1]["histograms"]["drift.light"]) == 100


def test_people_read_sentences(
    bundle: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(bundle), str(recording), "--monitor"]) == 0
    told = capsys.readouterr().out
    assert "illumination: more light, +" in told
    assert "monitors: 1 alarm(s) in 100 frames, a change lasts" in told


def test_what_the_monitors_see_stands_in_the_bundle(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "show", str(bundle)]) == 0
    told = capsys.readouterr().out
    assert "detects a brightness shift of" in told and "one false alarm in 26,000,000" in told


def test_a_bundle_without_monitors_is_refused_with_the_remedy(
    bundle: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = read_bundle(bundle)
    arrays = {name: a for name, a in read.arrays.items() if not name.startswith("drift.")}
    manifest = msgspec.structs.replace(read.manifest, drift=None)
    old = tmp_path / "old.guard"
    write_bundle(Bundle(manifest, read.model, arrays, read.pictures), old)
    assert main(["inspect", str(old), str(recording)]) == 0
    capsys.readouterr()
    assert main(["inspect", str(old), str(recording), "--monitor"]) == 3
    assert "has no drift monitors: calibrate again" in capsys.readouterr().err


def test_production_that_differs_is_told_in_plain_words_with_plots(
    bundle: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(recording.iterdir()):
        image = cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 1.0).astype(int) - 17
        jpeg = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [1, 20])[1]
        path.with_suffix(".jpg").write_bytes(jpeg.tobytes())
        path.unlink()
    report = tmp_path / "parity.html"
    command = ("parity", str(bundle), "--production", str(recording), "--report", str(report))
    (line,) = run(capsys, *command, "--json")
    words = {d["name"]: d["words"] for d in line["differences"] if d["differs"]}
    assert 10 < float(words["light"].removesuffix(" grey levels darker")) < 24
    assert "less sharp" in words["focus"]
    assert any(remark.startswith("JPEG blocks") for remark in line["remarks"])
    assert line["at_stake"] and line["n"] == 100
    page = report.read_text()
    assert "grey levels darker" in page and page.count("<svg") == len(line["differences"])
    assert page.count("data:image/") >= 8 and "http" not in page.replace("http://www.w3.org", "")
    assert main(list(command)) == 0
    assert "the model's accuracy is at stake" in capsys.readouterr().out


def test_production_like_the_references_is_told_as_such(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, image in enumerate(parts(120, 2)):
        cv2.imwrite(str(tmp_path / f"{number:04d}.png"), image)
    (line,) = run(capsys, "parity", str(bundle), "--production", str(tmp_path), "--json")
    assert not line["at_stake"] and line["remarks"] == []
    assert sum(d["differs"] for d in line["differences"]) <= 1


def write_video(path: Path, images: list[np.ndarray]) -> Path:
    size = images[0].shape[1], images[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, size)
    for image in images:
        writer.write(image)
    writer.release()
    return path


def test_training_images_take_the_place_of_the_references(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    darker = [np.clip(x.astype(int) - 20, 0, 255).astype(np.uint8) for x in parts(80, 5)]
    trained = write_video(tmp_path / "trained.avi", darker)
    production = write_video(tmp_path / "production.avi", parts(80, 6))
    command = ("parity", str(bundle), "--production", str(production))
    (line,) = run(capsys, *command, "--training", str(trained), "--json")
    words = {d["name"]: d["words"] for d in line["differences"] if d["differs"]}
    assert 17 < float(words["light"].removesuffix(" grey levels brighter")) < 23
    assert (line["n"], line["training"]) == (80, 80)
    (line,) = run(capsys, *command, "--json")
    assert "light" not in {d["name"] for d in line["differences"] if d["differs"]}
    assert main([*command, "--training", str(trained)]) == 0
    assert "compared with 80 training images, of which" in capsys.readouterr().out
    few = write_video(tmp_path / "few.avi", darker[:5])
    assert main([*command, "--training", str(few)]) != 0
    assert "5 training images are too few: give at least 20" in capsys.readouterr().err


def test_a_live_camera_is_looked_at_for_as_many_frames_as_asked(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with MjpegCamera() as camera:
        (line,) = run(
            capsys,
            "parity",
            str(bundle),
            "--production",
            camera.address,
            "--frames",
            "12",
            "--json",
        )
    assert line["n"] == 12 and any("px with 3 channel(s)" in remark for remark in line["remarks"])


@pytest.mark.parametrize(
    ("channel", "moved", "words", "nothing"),
    [
        ("light", -17.0, "17.0 grey levels darker", False),
        ("light", 0.04, "0.0 grey levels brighter", True),
        ("turn", -0.04, "turned by 0.0° anticlockwise", True),
        ("scale", 0.06, "0.1 % larger", False),
        ("focus", -0.4, "0 % less sharp", True),
        ("focus", -45.0, "36 % less sharp", False),
        ("unlike", 1.0, "stranger to the guards by 0.5 σ", False),
        ("doubt", 0.05, "the model doubts more, by 0.0 σ", True),
    ],
)
def test_a_difference_that_prints_as_nothing_is_none(
    channel: str, moved: float, words: str, nothing: bool
) -> None:
    assert in_words(channel, moved, sd=2.0) == words
    assert rounds_to_nothing(words) == nothing


def test_every_channel_has_its_words() -> None:
    for channel in UNITS:
        assert not rounds_to_nothing(in_words(channel, 5.0, sd=1.0))
        assert in_words(channel, 5.0, sd=1.0) != in_words(channel, -5.0, sd=1.0)


def test_many_images_make_no_difference_of_what_rounds_to_nothing(bundle: Path) -> None:
    """With enough images anything is significant; nobody needs "0.0 grey levels brighter"."""
    channel = read_bundle(bundle).manifest.drift.channels[0]
    assert channel.name == "light"
    moved = np.random.default_rng(0).normal(channel.mean + channel.dead_band + 0.02, 0.01, 5000)
    certain = msgspec.structs.replace(channel, dead_band=0.001, mean=moved.mean() - 0.03)
    found = _difference(certain, moved)
    assert found.words == "0.0 grey levels brighter" and not found.differs
    assert _difference(msgspec.structs.replace(certain, mean=moved.mean() - 0.3), moved).differs


def test_production_without_a_picture_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", str(bundle), "--production", str(tmp_path / "none")]) == 5
    assert main(["parity", str(bundle), "--production", str(tmp_path), "--frames", "0"]) == 2
    assert "--frames" in capsys.readouterr().err
