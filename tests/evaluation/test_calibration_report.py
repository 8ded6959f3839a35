"""``edge-guard calibrate --report``: one file that says what was measured, and from what."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import platform
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tinymodel import LABELS, parts, write_model

from edge_guard.backends.preprocess import decode_image, encode_png
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.calibrate import silent
from edge_guard.calibration.references import Reference, find_references, relative_name
from edge_guard.cli.main import main
from edge_guard.evaluation.calibration_pictures import Material
from edge_guard.evaluation.calibration_report import write_calibration_report
from edge_guard.evaluation.page import picture, write_page
from edge_guard.evaluation.trials import DEGREES, PICTURES, run_trials
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame

CARD = (
    f'[input]\ncolor = "rgb"\nmean = [0]\nstd = [255]\n[output]\nlabels = {list(LABELS)}\n'
).replace("'", '"')


def _write(folder: Path, pictures: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for i, one in enumerate(pictures):
        (folder / f"{i:03d}.png").write_bytes(encode_png(np.ascontiguousarray(one)))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its card, references of which one is foreign, pictures kept out, a report."""
    root = tmp_path_factory.mktemp("report")
    write_model(root / "tiny.onnx")
    (root / "tiny.toml").write_text(CARD)
    odd = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    _write(root / "good", [*parts(100, 0), odd])
    _write(root / "kept", parts(30, 7))
    assert calibrate(root, "r.html", "--held-out", str(root / "kept")) == 0
    return root


def calibrate(root: Path, report: str, *more: str) -> int:
    words = ["calibrate", str(root / "tiny.onnx"), "--reference", str(root / "good")]
    return main([*words, "-o", str(root / "x.guard"), "--report", str(root / report), *more])


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text("utf-8")))


def test_neither_report_nor_bundle_tells_folders_of_this_machine(folder: Path) -> None:
    bundle = read_bundle(folder / "x.guard")
    assert bundle.manifest.references.suspicious == ("100.png",)
    assert str(folder.parent) not in bundle.signed.decode()
    page = (folder / "r.html").read_text("utf-8")
    assert str(folder.parent) not in page
    assert "100.png</figcaption>" in page


def test_a_report_names_files_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_page(tmp_path / "r.html", name, f"<p>{name}</p>")
    assert "<p>caf?.png</p>" in (tmp_path / "r.html").read_text("utf-8")
    assert relative_name(f"/plant/good/{name}", "") == "caf?.png"
    assert relative_name("/a/good/a/b/1.png", "a") == "a/b/1.png"
    assert relative_name("1.png", "a") == "1.png"


def test_it_stands_alone_and_its_charts_are_sound(folder):
    page = (folder / "r.html").read_text("utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<link|src=\"(?!data:)", page)
    for chart in re.findall(r"<svg.*?</svg>", page, re.S):
        ET.fromstring(chart)
        assert not re.search(r"\b(nan|inf)\b", chart)
    assert page.count("<svg") == 1, "no labels: only the histogram"
    assert "@media print" in page


def test_it_names_what_it_is_about(folder):
    words = text_of(folder / "r.html")
    bundle = read_bundle(folder / "x.guard")
    for sha in (
        hashlib.sha256((folder / "x.guard").read_bytes()).hexdigest(),
        hashlib.sha256((folder / "tiny.onnx").read_bytes()).hexdigest(),
        bundle.id,
    ):
        assert sha in words
    files = [Path(r.name).read_bytes() for r in find_references(folder / "good")]
    digests = b"".join(hashlib.sha256(data).digest() for data in files)
    assert hashlib.sha256(digests).hexdigest() in words
    assert "--false-flag-rate 0.01" in words
    assert f"{bundle.manifest.promise.score_limit:.4g}" in words
    assert " 100.png " in words, "the foreign reference is shown"
    assert "references unlike the others: 1, shown below" in words


def test_it_names_every_setting_and_who_made_it_on_what(folder):
    words = text_of(folder / "r.html")
    manifest = read_bundle(folder / "x.guard").manifest
    assert f"by {getpass.getuser()} at {platform.node()} " in words
    assert "of the camera’s picture the whole picture" in words
    assert "mean, std 0; 255" in words
    settings = words.split("Limits of the input gate")[1]
    for limit in manifest.gate.limits:
        assert f"{limit.check} {limit.statistic} " in settings
    for score in manifest.guards.scores:
        assert f" {score} " in settings
    assert "the dearest guards" in words
    assert "Read and released name date signature" in words


def test_each_printed_page_names_the_bundle_and_dark_screens_get_dark_pages(folder):
    page = (folder / "r.html").read_text("utf-8")
    bundle = read_bundle(folder / "x.guard")
    assert f'content: "Calibration report: tiny.onnx – {bundle.id}"' in page
    assert "prefers-color-scheme: dark" in page


def test_what_stands_in_the_style_sheet_cannot_end_it(tmp_path):
    write_page(tmp_path / "r.html", "t", "", 'x"</style><script>')
    page = (tmp_path / "r.html").read_text("utf-8")
    assert 'content: "x___style__script_"' in page
    assert page.count("</style>") == 1


def test_flagged_pictures_are_counted_by_reason(folder, tmp_path):
    kept = [*find_references(folder / "kept")[:5]]
    dark = Reference("dark.png", "", lambda: np.zeros((64, 64, 3), np.uint8))
    report = tmp_path / "r.html"
    material = Material(find_references(folder / "good"), [*kept, dark], False, {})
    write_calibration_report(
        report, folder / "x.guard", read_bundle(folder / "x.guard"), material, silent
    )
    words = text_of(report)
    pipeline = Pipeline(read_bundle(folder / "x.guard"), live=False)
    flagged = [pipeline.inspect(Frame("s", 0, one.load())) for one in [*kept, dark]]
    flagged = [result for result in flagged if result.reasons]
    assert f"Of 6 judged for this page, {len(flagged)} are flagged: " in words
    assert f"1 because {flagged[-1].reasons[0].message.split(':')[0]}" in words


def test_frames_are_drawn_round_what_was_found() -> None:
    image = np.zeros((100, 320, 3), np.uint8)
    data = re.search(r"base64,(.*?)\"", picture(image, [(100, 20, 60, 40)])).group(1)
    shown = decode_image(base64.b64decode(data)).astype(int)
    assert shown.shape == (50, 160, 3)
    bright = shown.sum(2) > 200
    assert bright[10, 52:78].all() and bright[12:28, 50].all(), "its edges"
    assert not bright[14:26, 55:75].any() and not bright[:, 90:].any(), "not its inside"


@pytest.mark.parametrize(
    ("box", "row", "column"),
    [
        ((100, 99, 60, 40), 49, 55),  # from the last row down
        ((100, 120, 60, 40), 49, 55),
        ((400, 20, 60, 40), 12, 159),
        ((-90, 20, 60, 40), 12, 0),
        ((100, -60, 60, 40), 0, 55),
    ],
)
def test_frames_beyond_the_edge_are_drawn_at_it(box, row, column) -> None:
    for image in (np.zeros((100, 320, 3), np.uint8), np.zeros((100, 320), np.uint8)):
        data = re.search(r"base64,(.*?)\"", picture(image, [box])).group(1)
        shown = decode_image(base64.b64decode(data)).astype(int)
        assert shown.shape[:2] == (50, 160)
        assert shown[row, column].sum() > 100
        assert shown[25:45, 70:150].max() < 60


def test_a_frame_at_the_edge_of_a_narrow_picture_is_drawn() -> None:
    thin = np.zeros((9, 1000, 3), np.uint8)  # 1.44 rows of the small one, which has 1
    assert picture(thin, [(0, 8, 1000, 1)]).startswith("<img")


def test_pictures_kept_out_are_used_and_named_so(folder):
    words = text_of(folder / "r.html")
    assert "The 30 pictures were kept out of the calibration" in words
    assert "which the guard was fitted on" not in words
    assert read_bundle(folder / "x.guard").manifest.references.n == 101


def test_without_them_it_says_that_the_guard_knows_its_pictures(folder):
    file, report = folder / "x.guard", folder / "own.html"
    material = Material(find_references(folder / "good"), (), False, {})
    write_calibration_report(report, file, read_bundle(file), material, silent)
    assert "which the guard was fitted on" in text_of(report)
    assert "kept out" not in text_of(report)


def test_labels_add_reliability_and_risk(folder, tmp_path):
    """The share of wrong answers is counted here again, by the model's own word."""
    pictures = parts(24, 21)
    for i, label in enumerate(LABELS):
        _write(tmp_path / "kept" / label, pictures[i::3])
    file, report = folder / "x.guard", tmp_path / "r.html"
    bundle, kept = read_bundle(file), find_references(tmp_path / "kept")
    material = Material(find_references(folder / "good"), kept, True, {})
    write_calibration_report(report, file, bundle, material, silent)
    pipeline = Pipeline(bundle, live=False)
    wrong = sum(LABELS[int(pipeline.score(r.load()).label_index or 0)] != r.label for r in kept)
    assert f"Of 24 labelled pictures the model is wrong on {wrong}." in text_of(report)
    titles = re.findall(r"<title>(.*?)</title>", report.read_text("utf-8"))
    assert titles[2:] == ["Reliability of the confidence", "Risk against coverage"]


def test_a_guard_that_sees_nothing_is_told_first(folder):
    file, report = folder / "x.guard", folder / "blind.html"
    bundle = read_bundle(file)
    replace = msgspec.structs.replace
    manifest = replace(
        bundle.manifest,
        promise=replace(bundle.manifest.promise, score_limit=1e9, p_limit=-1.0),
        gate=replace(bundle.manifest.gate, limits=(), cells=None, alignment=None),
    )
    blind = Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, "blind")
    kept = find_references(folder / "kept")[:5]
    material = Material(find_references(folder / "good"), kept, False, {})
    write_calibration_report(report, file, blind, material, silent)
    words = text_of(report).split("What each verdict looks like")[0]
    assert "a foreign part lies there: even 50 % of the picture’s side was noticed only in" in words
    assert "the lens loses its focus: even blur of 3 % of the picture was noticed only in" in words


def test_each_degree_counts_what_the_bundle_says(folder):
    pipeline = Pipeline(read_bundle(folder / "x.guard"), live=False)
    images = parts(40, 11)
    pictures = [Reference(str(i), "", lambda p=p: p) for i, p in enumerate(images)]
    trials = {
        trial.degree.words: trial
        for trial in run_trials(pipeline, pictures, np.random.default_rng(0), silent)
    }
    assert len(trials) == len(DEGREES)
    assert all(t.verdicts.total() == PICTURES for t in trials.values())
    dark = trials["lamp off: 4 % of the light"]
    assert (dark.noticed, dark.typical.result.verdict) == (PICTURES, "invalid")
    assert dark.typical.image.mean() < 10
    for trial in trials.values():
        for verdict, example in trial.examples.items():
            assert pipeline.inspect(Frame("again", 0, example.image)).verdict == verdict


def test_pictures_that_a_mishap_leaves_as_they_are_do_not_count(folder):
    pipeline = Pipeline(read_bundle(folder / "x.guard"), live=False)
    white = [np.full((64, 64, 3), 255, np.uint8)] * 3
    pictures = [Reference(str(i), "", lambda p=p: p) for i, p in enumerate(white)]
    trials = run_trials(pipeline, pictures, np.random.default_rng(0), silent)
    said = {trial.degree.words for trial in trials}
    assert "half the light" in said
    assert not said & {"50 % more light", "blur of 3 % of the picture", "by 25°"}


def test_what_could_not_be_written_is_refused_before_the_work(folder, capsys):
    assert calibrate(folder, "no/r.html") == 2
    assert "its folder is missing" in capsys.readouterr().err
    words = ["calibrate", str(folder / "tiny.onnx"), "--reference", str(folder / "good")]
    assert main([*words, "-o", "x", "--held-out", str(folder / "kept")]) == 2
    assert "--report" in capsys.readouterr().err
