"""``edge-guard evaluate`` on a small network: the record, the report, and what it refuses."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tinymodel import LABELS, parts, write_model

from edge_guard.backends.preprocess import encode_png
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.calibrate import calibrate, silent
from edge_guard.calibration.references import Reference, find_references
from edge_guard.card import Card, InputCard, OutputCard
from edge_guard.cli.main import main
from edge_guard.evaluation.judge import judge
from edge_guard.evaluation.record import ablation
from edge_guard.guards.fusion import Fusion
from edge_guard.pipeline import Pipeline

CARD = Card(InputCard("rgb", "stretch", (0.0,), (255.0,)), OutputCard(labels=LABELS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, good images sorted by label, and two foreign sets; one file is broken."""
    root = tmp_path_factory.mktemp("evaluate")
    model = write_model(root / "tiny.onnx")
    references = [Reference(str(i), "", lambda p=p: p) for i, p in enumerate(parts(120, 0))]
    calibrate(model, references, root / "tiny.guard", card=CARD, labels=LABELS)
    rng = np.random.default_rng(5)
    noise = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(30)]
    _write(root / "good" / LABELS[0], parts(60, 1))
    _write(root / "good" / LABELS[1], parts(20, 2))
    _write(root / "noise", noise)
    _write(root / "upside", [p[::-1] for p in parts(30, 3)])
    (root / "noise" / "zz.png").write_bytes(b"no picture")
    return root


def _write(folder: Path, pictures: list[np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        (folder / f"{i:03d}.png").write_bytes(encode_png(np.ascontiguousarray(picture)))


def evaluate(folder: Path, *more: str) -> list[str]:
    return ["evaluate", str(folder / "tiny.guard"), "--id", str(folder / "good"), *more]


def recorded(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    assert main([*evaluate(folder, *more), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def sets(folder: Path) -> list[str]:
    return ["--ood", f"noise={folder / 'noise'}", "--ood", f"upside={folder / 'upside'}"]


def test_the_record_has_every_figure_with_its_interval(folder, capsys):
    record = recorded(folder, capsys, *sets(folder))
    inside = record["id"]
    assert inside["n"] == 80
    assert inside["coverage"] == pytest.approx(1.0 - inside["false_flag_rate"])
    for entry, names in (
        (inside, "false_flag_rate coverage accuracy accepted_accuracy ece aurc augrc"),
        (record["ood"]["noise"], "auroc fpr95 flag_rate"),
    ):
        for name in names.split():
            low, high = entry[f"{name}_interval"]
            assert 0.0 <= low <= high <= 1.0, name
    noise = record["ood"]["noise"]
    assert noise["n"] == 31
    assert noise["auroc"] == 1.0
    assert noise["flag_rate"] == 1.0
    # all of 31: (1 - 0.95) / 2 = low ** 31 (Clopper & Pearson)
    assert noise["flag_rate_interval"] == pytest.approx([0.025 ** (1 / 31), 1.0])
    assert sum(noise["leading"].values()) == 31


def test_a_file_that_is_no_picture_counts_as_invalid(folder):
    pipeline = Pipeline(read_bundle(folder / "tiny.guard"), live=False)
    judged = judge(pipeline, find_references(folder / "noise"), "", silent)
    assert judged.verdicts[-1] == "invalid"
    assert np.isinf(judged.fused[-1])
    assert np.isfinite(judged.scores[:-1]).all()


def test_images_kept_from_the_model_by_the_gate_are_scored_all_the_same(folder):
    pipeline = Pipeline(read_bundle(folder / "tiny.guard"), live=False)
    bright = np.clip(parts(1, 9)[0].astype(int) + 90, 0, 255).astype(np.uint8)
    judged = judge(pipeline, [Reference("bright", "", lambda: bright)], "", silent)
    assert judged.verdicts.tolist() == ["invalid"]
    assert judged.fused[0] == pytest.approx(pipeline.score(bright).fused)
    assert judged.label_index[0] == pipeline.score(bright).label_index


def test_ablation_leaves_one_guard_out(folder):
    bundle: Bundle = read_bundle(folder / "tiny.guard")
    pipeline = Pipeline(bundle, live=False)
    inside = judge(pipeline, find_references(folder / "good"), "", silent)
    outside = judge(pipeline, find_references(folder / "upside"), "", silent)
    found = ablation(bundle, inside, outside)
    guards, a = bundle.manifest.guards, bundle.arrays
    assert set(found) == set(guards.scores)
    k = 4
    less = [np.delete(a[f"fusion.{p}"], k) for p in ("center", "spread", "weight", "tail", "knee")]
    fusion = Fusion(*less, guards.top1, guards.top3)
    x, y = (fusion.fuse(np.delete(j.scores[:, :-1], k, axis=1)) for j in (inside, outside))
    wins = (y[:, None] > x).mean() + 0.5 * (y[:, None] == x).mean()
    assert found[guards.scores[k]] == pytest.approx(wins)


def test_the_report_stands_alone(folder, capsys):
    report = folder / "r.html"
    record = recorded(folder, capsys, *sets(folder), "--report", str(report))
    page = report.read_text("utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<link|src=\"(?!data:)", page)
    charts = re.findall(r"<svg.*?</svg>", page, re.S)
    titles = [ET.fromstring(c).find("{http://www.w3.org/2000/svg}title").text for c in charts]
    assert titles == [
        "Histogram of fused scores",
        "ROC curves",
        "Risk against coverage",
        "Reliability of the confidence",
    ]
    assert not any(word in "".join(charts) for word in ("nan", "inf"))
    assert page.count("data:image/jpeg;base64,") == 3 * 12
    assert f"{record['ood']['upside']['auroc']:.4f}" in page


def test_without_labels_there_is_no_accuracy_and_no_such_curve(folder, capsys):
    report = folder / "plain.html"
    record = recorded(folder, capsys, "--labels", "none", "--report", str(report))
    assert record["id"]["accuracy"] is None
    assert record["id"]["aurc"] is None
    assert report.read_text("utf-8").count("<svg") == 1


def test_people_read_the_same_figures(folder, capsys):
    assert main(evaluate(folder, *sets(folder))) == 0
    out = capsys.readouterr().out
    assert "80 images" in out
    assert "AURC" in out
    assert re.search(r"noise +31 +100\.0% +1\.0000", out)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--ood", "shoes"], 2, ["shoes", "NAME=DIR"]),
        (["--ood", "shoes=nowhere"], 4, ["nowhere"]),
        (["--report", "no/such/folder/r.html"], 2, ["no/such/folder/r.html"]),
    ],
)
def test_bad_arguments_are_one_line(folder, capsys, arguments, code, words):
    assert main(evaluate(folder, *arguments)) == code
    err = capsys.readouterr().err
    last = err.splitlines()[-1]
    assert last.startswith("edge-guard: ")
    assert all(word in last for word in words)


def test_a_folder_that_no_label_matches_is_refused(folder, capsys):
    code = main(["evaluate", str(folder / "tiny.guard"), "--id", str(folder)])
    assert code == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert "'good'" in last
    assert "--labels none" in last
