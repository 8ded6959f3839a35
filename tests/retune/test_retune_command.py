"""``edge-guard retune`` from a file of labels to a bundle that a device runs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lines import errors_at

from edge_guard.bundle import read_bundle, write_bundle
from edge_guard.cli.main import main
from edge_guard.collector.review.label_file import write_labels
from edge_guard.difference import differences
from edge_guard.pipeline import Pipeline
from edge_guard.retune.frames import COLUMNS
from edge_guard.signing import check_signature, generate_keys

PARENT = Path(__file__).parents[2] / "models" / "demo_line.guard"


def labels(path: Path, n: int, *, floor: float = 0.0, **changes: str) -> Path:
    """N drawn and judged frames of a made-up line."""
    rng = np.random.default_rng(n)
    confidence = rng.beta(6.0, 0.8, n)
    wrong = rng.random(n) < errors_at(confidence, floor)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for i in range(n):
            row = {
                "event_id": f"b-{i}",
                "occurred_ms": str(1_700_000_000_000 + i),
                "verdict": "accept",
                "reason": "",
                "confidence": repr(float(confidence[i])),
                "sampled": "0.02",
                "answer": "wrong" if wrong[i] else "right",
            }
            writer.writerow(row | changes)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    code = main(["retune", *map(str, arguments), "--json"])
    out = capsys.readouterr().out
    return code, [json.loads(line) for line in out.splitlines()]


def test_a_retuned_bundle_is_a_new_version_with_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = PARENT.read_bytes()
    file, out = labels(tmp_path / "l.csv", 3000), tmp_path / "new.guard"
    code, (told, made) = run(capsys, PARENT, "--labels", file, "-o", out, "--who", "Ada")
    assert code == 0
    assert PARENT.read_bytes() == before
    old, new = read_bundle(PARENT), read_bundle(out)
    assert made["bundle"] == new.id != old.id
    origin = new.manifest.retuned
    assert (origin.parent, origin.parent_sha256) == (old.id, sha256(before).hexdigest())
    assert (origin.who, origin.labels, origin.audited) == ("Ada", 3000, 3000)
    assert origin.first.startswith("2023-11-14")
    certificate = new.manifest.certificate
    assert (certificate.max_error, certificate.delta) == pytest.approx((0.01, 0.05))
    assert certificate.upper_bound <= 0.01
    assert certificate.accepted < certificate.labelled <= 3000
    assert told["then"]["coverage"]["share"] < told["now"]["coverage"]["share"] == 1.0
    same = ("model_kind", "guards", "golden", "promise", "gate", "drift", "plan")
    assert all(getattr(old.manifest, n) == getattr(new.manifest, n) for n in same)
    assert new.model == old.model
    parts = [d.part for d in differences(old, new)]
    assert {"certificate", "retuned"} <= set(parts)
    assert not {"model", "guards", "promise", "threshold"} & set(parts)


def test_the_device_accepts_by_the_new_threshold_and_passes_its_self_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = labels(tmp_path / "l.csv", 3000), tmp_path / "new.guard"
    assert run(capsys, PARENT, "--labels", file, "-o", out)[0] == 0
    pipeline = Pipeline(read_bundle(out), live=False)
    assert (
        pipeline.own_limits.min_confidence == read_bundle(out).manifest.certificate.min_confidence
    )
    assert not [trouble for trouble in pipeline.trials() if trouble]
    pipeline.close()


def test_confidence_follows_the_labels_and_keeps_the_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = labels(tmp_path / "l.csv", 6000, floor=0.004), tmp_path / "new.guard"
    costs = ("--cost-escape", "50", "--cost-look", "1")
    arguments = (PARENT, "--labels", file, "-o", out, "--target", "0.97", *costs)
    code, (told, _) = run(capsys, *arguments)
    assert code == 0
    new = read_bundle(out).manifest
    assert new.dials.cost_confidence == pytest.approx(0.98)
    knots = np.array(new.confidence.knots)
    assert (np.diff(knots, axis=0) > 0).all()
    assert "confidence fitted to the labels" in new.retuned.method
    rng = np.random.default_rng(1)
    old = rng.beta(6.0, 0.8, 200_000)
    y = np.log(old) - np.log1p(-old)
    parent = np.array(read_bundle(PARENT).manifest.confidence.knots)
    x = np.interp(y, parent[:, 1], parent[:, 0])
    fresh = 1.0 / (1.0 + np.exp(-np.interp(x, *knots.T)))
    true = 1.0 - errors_at(old, 0.004)
    assert np.abs(fresh - true).mean() < 0.5 * np.abs(old - true).mean()
    least = max(new.certificate.min_confidence, new.dials.cost_confidence)
    assert ((fresh >= least) == (old >= told["threshold"])).mean() > 0.9999


def test_signed_bundles_are_signed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate_keys(tmp_path / "a.key", tmp_path / "a.pub")
    signed, file, out = tmp_path / "p.guard", labels(tmp_path / "l.csv", 3000), tmp_path / "n.guard"
    signed.write_bytes(PARENT.read_bytes())
    assert main(["bundle", "sign", str(signed), "--key", str(tmp_path / "a.key")]) == 0
    arguments = (signed, "--labels", file, "-o", out)
    assert main(["retune", *map(str, arguments)]) == 2
    assert "is signed" in capsys.readouterr().err
    assert main(["retune", *map(str, arguments), "--key", str(tmp_path / "a.key")]) == 0
    assert check_signature(read_bundle(out), [tmp_path / "a.pub"])
    assert [path.name for path in tmp_path.glob(".*")] == []
    capsys.readouterr()
    assert main(["bundle", "show", str(out)]) == 0
    assert "retuned      from demo_line@" in capsys.readouterr().out


def test_what_is_missing_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = labels(tmp_path / "l.csv", 100), tmp_path / "n.guard"
    assert main(["retune", str(PARENT), "--labels", str(file)]) == 0
    assert "more labelled audited frames are needed" in capsys.readouterr().out
    assert main(["retune", str(PARENT), "--labels", str(file), "-o", str(out)]) == 7
    assert "cannot be certified" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "words"),
    [
        (("--target", "1"), {}, 2, "target 1 is out of range"),
        (("--cost-look", "1"), {}, 2, "one cost says nothing"),
        (("--cost-look", "3", "--cost-escape", "2"), {}, 2, "nothing to weigh"),
        (("--review-budget", "0.0001"), {}, 7, "contradicts the promise"),
        ((), {"answer": "yes"}, 4, "l.csv:2: answer 'yes' is none"),
        ((), {"sampled": "1.5"}, 4, "l.csv:2: sampled 1.5 is no probability"),
        ((), {"confidence": "high"}, 4, "l.csv:2: confidence 'high' is no number"),
        ((), {"verdict": "reject"}, 4, "l.csv:2: verdict 'reject' is none"),
    ],
)
def test_bad_input_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    changes: dict[str, str],
    code: int,
    words: str,
) -> None:
    out, file = tmp_path / "n.guard", labels(tmp_path / "l.csv", 3000, **changes)
    given = ["retune", str(PARENT), "--labels", str(file), "-o", str(out), *arguments]
    assert main(given) == code
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_an_output_that_is_there_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.guard"
    out.write_bytes(PARENT.read_bytes())
    given = ["retune", str(out), "--labels", str(labels(tmp_path / "l.csv", 3000)), "-o", str(out)]
    assert main(given) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_bytes() == PARENT.read_bytes()


def test_a_bundle_of_earlier_versions_has_no_references_to_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_bundle(PARENT)
    kept = {name: array for name, array in old.arrays.items() if not name.startswith("evidence.")}
    parent = tmp_path / "p.guard"
    write_bundle(replace(old, arrays=kept), parent)
    few = labels(tmp_path / "l.csv", 600)
    assert main(["retune", str(parent), "--labels", str(few), "--references"]) == 4
    assert "holds no labelled references" in capsys.readouterr().err


def test_labelled_references_count_where_production_is_like_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_bundle(PARENT)
    rng = np.random.default_rng(3)
    confidence = rng.beta(6.0, 0.8, 1500)
    right = rng.random(1500) >= errors_at(confidence, 0.0)
    evidence = {"evidence.confidence": confidence, "evidence.right": right.astype(np.uint8)}
    parent = tmp_path / "p.guard"
    write_bundle(replace(old, arrays=old.arrays | evidence), parent)
    few = labels(tmp_path / "few.csv", 600)
    plain = run(capsys, parent, "--labels", few)[1][0]
    joined = run(capsys, parent, "--labels", few, "--references")[1][0]
    assert not plain["certified"] or plain["then"]["coverage"]["share"] < 0.7
    assert joined["certified"]
    assert joined["references"] == 1500
    bad = labels(tmp_path / "bad.csv", 600, floor=0.2)
    assert main(["retune", str(parent), "--labels", str(bad), "--references"]) == 7
    assert "errs more often than the references" in capsys.readouterr().err


def test_an_export_of_the_collector_is_refused_with_where_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "export.csv").open("w") as file:
        write_labels([], file)
    assert main(["retune", str(PARENT), "--labels", str(tmp_path / "export.csv")]) == 4
    said = capsys.readouterr().err
    assert "labels export" in said
    assert "--collector" in said
