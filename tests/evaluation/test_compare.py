"""A float model beside its quantized export, a bundle beside another."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from realdata import images, linked_model, needs_data
from tinymodel import parts, write_model

from edge_guard.backends.infer import load_card
from edge_guard.calibration.references import Reference
from edge_guard.cli.main import main
from edge_guard.demo.assets import assets
from edge_guard.errors import ConfigError, SourceError
from edge_guard.evaluation.versions import Said, ask, compare, mcnemar


def test_what_changes_is_counted() -> None:
    known = [Reference(f"{i}", label, lambda: None) for i, label in enumerate(["a", "a", "b", ""])]
    old = [Said("a", 0.9, "accept"), Said("b", 0.6, "accept"), Said("b", 0.8, "review", "fused")]
    new = [Said("a", 0.8, "accept"), Said("a", 0.9, "review", "tone"), Said("b", 0.9, "accept")]
    last = Said("c", None, "invalid", "gate.focus")
    found = compare(known, [*old, last], [*new, last])
    assert [name for name, *_ in found.answers] == ["1"]
    assert (found.labelled, found.old_right, found.new_right, found.p_value) == (3, 2, 3, 1.0)
    assert found.verdicts[("accept", "review")] == 1
    assert found.newly_flagged == {"tone": 1}
    assert found.confidence_shift[0] == pytest.approx(0.1)


def test_mcnemar_against_the_binomial() -> None:
    from scipy.stats import binomtest

    for gained, lost in ((0, 0), (3, 9), (12, 1), (40, 70), (0, 8)):
        expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        assert mcnemar(gained, lost) == pytest.approx(expected)


@needs_data
def test_a_float_model_beside_its_quantized_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = []
    for kind in ("fp32", "int8"):
        (tmp_path / kind).mkdir()
        versions.append(linked_model(f"pcb_simplecnn_{kind}_onnx", tmp_path / kind))
    old, new = versions
    pictures = images("deeppcb_patches_test")
    labels = load_card(new, None).labels
    for i in range(300):
        folder = tmp_path / "sorted" / labels[pictures.labels[i]]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{i}.png"), pictures.images[i])
    arguments = [str(old), str(new), "--reference", str(tmp_path / "sorted")]
    assert main(["compare", *arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (record["images"], record["labelled"]) == (300, 300)
    assert record["old_right"] > 255
    assert abs(record["old_right"] - record["new_right"]) < 15
    assert 0 < len(record["answers"]) < 30
    assert record["verdicts"] == []
    assert main(["compare", *arguments]) == 0
    said = capsys.readouterr().out
    assert f"{len(record['answers'])} of 300 images are answered differently" in said
    assert f"{record['new_right']} after" in said


def test_a_bundle_beside_itself_changes_nothing_and_beside_its_model_only_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = assets().bundle
    for i, picture in enumerate(parts(3, 0)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.resize(picture, (96, 72)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert main(["compare", str(bundle), str(bundle), "--reference", str(tmp_path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["answers"] == []
    assert all(one["old"] == one["new"] for one in record["verdicts"])
    assert sum(one["images"] for one in record["verdicts"]) == 4


def test_what_cannot_be_compared_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path / "m.onnx")
    model.with_suffix(".toml").write_text('[output]\ntask = "embed"\n')
    (tmp_path / "i").mkdir()
    cv2.imwrite(str(tmp_path / "i" / "a.png"), np.zeros((64, 64, 3), np.uint8))
    code = main(["compare", str(model), str(model), "--reference", str(tmp_path / "i")])
    assert code == ConfigError.exit_code
    assert "no classifier" in capsys.readouterr().err


def test_an_image_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    model.with_suffix(".toml").write_text('[output]\nlabels = ["a", "b", "c"]\n')

    def broken() -> np.ndarray:
        raise SourceError("no picture")

    pictures = [Reference("a", "", lambda: parts(1, 0)[0]), Reference("b", "", broken)]
    said = ask(model, pictures, 1, lambda *_: None)
    assert said[0].answer in ("a", "b", "c")
    assert said[1] == Said("")
