"""Why a frame was flagged: how rare, by which statistics, and like which references."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tinybundle import fit, look, references
from tinymodel import parts

from edge_guard.backends.preprocess import decode_image, encode_png
from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.calibration.pictures import MOST_BYTES, MOST_TOTAL_BYTES, show
from edge_guard.calibration.references import Reference
from edge_guard.decision import p_value, rarity_in_words
from edge_guard.explain import contributions, most, statistic_in_words
from edge_guard.gate.gate import STATISTICS
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Verdict


def strange_part() -> np.ndarray:
    picture = parts(1, 3)[0]
    picture[4:12, 50:58] = 150  # as bright as a part, where none belongs
    return picture


@pytest.mark.parametrize("seed", [1, 2])
def test_parts_sum_to_the_kernels_score(bundle: Bundle, seed: int) -> None:
    """The oracle inverts nothing cleverly: it writes the precision matrix out in float64."""
    pipeline = Pipeline(bundle, live=False)
    views = {view.name: view for view in bundle.manifest.guards.views}
    names = bundle.manifest.guards.scores
    picture = strange_part() if seed == 1 else parts(1, seed)[0]
    scored = pipeline.score(picture)
    assert pipeline.inspect(Frame("s", 0, picture)).verdict is not Verdict.INVALID
    seen = np.array(list(pipeline.statistics.values()))
    rows = dict(zip(names[3:], pipeline._indices[1:].tolist(), strict=True))
    told = 0
    for name, score in zip(names, scored.scores, strict=True):
        view = views.get(name.partition(".")[0])
        if view is None or view.source >= 0:
            continue
        parts_, offsets = contributions(view, name, bundle.arrays, seen, rows[name])
        assert parts_.sum() == pytest.approx(score, rel=1e-4, abs=1e-5)
        assert np.all(parts_[[j for j in range(len(seen)) if j not in view.columns]] == 0.0)
        told += 1
        if name.endswith("mahalanobis"):
            basis, gain = (bundle.arrays[f"{view.name}.{p}"] for p in ("basis", "gain"))
            basis = basis.astype(np.float64)
            precision = view.perp * np.eye(len(seen))
            precision += basis.T @ np.diag(gain.astype(np.float64) - view.perp) @ basis
            assert np.allclose(parts_, offsets * (precision @ offsets), rtol=1e-6, atol=1e-9)
    assert told == 11  # five kinds of statistics with two guards, and the contrast


def test_the_loudest_statistics_are_named_with_their_side() -> None:
    parts_, offsets = np.zeros(len(STATISTICS)), np.zeros(len(STATISTICS))
    for name, part, offset in (("noise", 9.0, 1.0), ("focus", 5.0, -2.0), ("mean", -7.0, 3.0)):
        parts_[STATISTICS.index(name)], offsets[STATISTICS.index(name)] = part, offset
    assert most(parts_, offsets) == "noise (high) and sharpness (low)"
    assert most(np.zeros_like(parts_), offsets) == ""


def test_every_statistic_has_words() -> None:
    words = {name: statistic_in_words(name) for name in STATISTICS}
    assert [name for name, said in words.items() if said == name] == ["noise"]
    assert not [said for said in words.values() if "_" in said]


def test_p_values_are_conformal() -> None:
    scores = np.arange(10, dtype=np.float32)
    assert p_value(scores, 9.5) == 1 / 11
    assert p_value(scores, 9.0) == 2 / 11  # equal counts as as far
    assert p_value(scores, -1.0) == 1.0
    assert p_value(scores, np.inf) == 1 / 11
    assert rarity_in_words(1 / 11, 10) == "rarer than 1 in 10 references"
    assert rarity_in_words(2 / 11, 10) == "only 1 of 10 references goes as far"
    assert rarity_in_words(4 / 11, 10) == "only 3 of 10 references go as far"


def test_reasons_say_how_rare_each_guards_score_is(bundle: Bundle) -> None:
    result = look(bundle, strange_part())
    limit = bundle.manifest.promise.p_limit
    guards = set(bundle.manifest.guards.scores) - {"patches"}
    loud = [reason for reason in result.reasons if reason.guard in guards]
    assert loud
    assert len({reason.guard.partition(".")[0] for reason in loud}) == len(loud)
    for reason in loud:
        k = bundle.manifest.guards.scores.index(reason.guard)
        column = bundle.arrays["fusion.references"][:, k]
        as_far = int((column >= np.float32(result.scores[reason.guard])).sum())
        assert reason.value == (1 + as_far) / 121
        assert reason.expected == (limit, None)
        assert "references" in reason.message
    assert [r.value for r in loud] == sorted(r.value for r in loud)
    fused = next(reason for reason in result.reasons if reason.guard == "fused")
    assert fused.value == result.p_value
    assert fused.value is not None and fused.value <= limit
    assert "most of all" in next(r.message for r in loud if r.guard.startswith("levels"))


def test_the_nearest_references_are_those_of_the_banks(bundle: Bundle) -> None:
    """A reference with a small mark resembles itself."""
    picture = parts(120, 0)[17]
    picture[50:56, 54:60] = 120
    result = look(bundle, picture)
    assert result.verdict is Verdict.REVIEW
    first = result.nearest[0]
    assert (first.view, first.name, first.entry) == (
        "features",
        "part 17",
        "references/00017.jpg",
    )
    assert first.words == "the model's features"
    assert 1 <= len(result.nearest) <= 3
    assert len({like.name for like in result.nearest}) == len(result.nearest)
    for like in result.nearest:
        shown = decode_image(like.picture).astype(float)
        original = references(parts(120, 0))[int(like.name.split()[1])].load()
        assert like.picture == bundle.pictures[like.entry]
        assert np.abs(shown - original).mean() < 6.0  # JPEG
    assert look(bundle, parts(1, 8)[0]).nearest == ()


def test_bundles_of_earlier_versions_still_explain(bundle: Bundle, tmp_path: Path) -> None:
    """They hold neither the references' scores nor their names and pictures."""
    arrays = {n: a for n, a in bundle.arrays.items() if n != "fusion.references"}
    pictures = {n: p for n, p in bundle.pictures.items() if n.startswith("golden/")}
    told = msgspec.structs.replace(bundle.manifest.references, names=())
    manifest = msgspec.structs.replace(bundle.manifest, references=told)
    old = replace(bundle, manifest=manifest, arrays=arrays, pictures=pictures)
    write_bundle(old, tmp_path / "old.guard")
    result = look(read_bundle(tmp_path / "old.guard"), strange_part())
    assert result.verdict is Verdict.REVIEW
    assert result.nearest == ()
    assert any(reason.guard == "levels.mahalanobis" for reason in result.reasons)


def test_small_pictures_are_bounded_and_what_is_left_out_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    calm = np.full((200, 300, 3), 90, np.uint8)
    pair = [Reference("a/x.png", "a", lambda: calm), Reference("y.png", "", lambda: noise)]
    shown = show(pair)
    assert shown.names == ("a/x.png", "y.png")
    assert all(len(jpeg) <= MOST_BYTES for jpeg in shown.pictures.values())
    assert max(decode_image(shown.pictures["references/00000.jpg"]).shape) == 96
    crowd = show(pair * 1000)
    assert sum(map(len, crowd.pictures.values())) <= MOST_TOTAL_BYTES
    assert not crowd.said
    monkeypatch.setattr("edge_guard.calibration.pictures.MOST_BYTES", 700)
    strict = show(pair)
    assert set(strict.pictures) == {"references/00000.jpg"}
    assert "1 references have too much detail" in strict.said[0]


def test_a_drawn_bank_keeps_names_and_rows_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_guard.calibration.fit.BANK_ROWS", 40)
    pictures = parts(60, 0)
    drawn = fit(tmp_path, pictures)
    names = drawn.manifest.references.names
    assert len(names) == len(drawn.arrays["fusion.references"]) == 40
    assert names != tuple(f"part {i}" for i in range(40))
    row = 25
    picture = pictures[int(names[row].split()[1])].copy()
    picture[4:12, 50:58] = 150
    first = look(drawn, picture).nearest[0]
    assert (first.name, first.entry) == (names[row], f"references/{row:05d}.jpg")


def test_inspect_shows_the_nearest_references(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_guard.cli.main import main

    (tmp_path / "strange.png").write_bytes(encode_png(strange_part()))
    assert main(["inspect", str(path), str(tmp_path / "strange.png")]) == 0
    assert "in the model's features" in capsys.readouterr().out
    assert main(["inspect", str(path), str(tmp_path / "strange.png"), "--json"]) == 0
    (nearest, *_) = json.loads(capsys.readouterr().out)["nearest"]
    assert set(nearest) == {"name", "entry", "view"}
    assert nearest["entry"].startswith("references/")
