"""From references to verdicts: good parts pass, faults are named, doubt never passes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tinybundle import CARD, fit, look
from tinymodel import LABELS, parts, write_model

from edge_guard.backends.preprocess import decode_image, encode_png
from edge_guard.bundle import Bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.calibration.references import Reference
from edge_guard.calibration.settings import Settings
from edge_guard.errors import BundleError, ModelError, ReferencesError
from edge_guard.gate.gate import Findings
from edge_guard.guard import load
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Verdict


def test_good_parts_pass(bundle: Bundle) -> None:
    pipeline = Pipeline(bundle, live=False)
    results = [pipeline.inspect(Frame("s", i, p)) for i, p in enumerate(parts(200, 1))]
    accepted = sum(r.verdict is Verdict.ACCEPT for r in results)
    assert accepted >= 190
    assert all(r.label in LABELS and not r.reasons for r in results if r.verdict == "accept")
    assert all(0 < r.p_value <= 1 and 0 < r.confidence <= 1 for r in results)
    assert all(min(msgspec.structs.astuple(r.timing_us)) > 0 for r in results)


@pytest.mark.parametrize(
    ("spoil", "guard"),
    [
        (np.zeros_like, "gate.dead"),
        (lambda p: np.clip(p.astype(int) + 60, 0, 255), "gate.exposure"),
        (lambda p: np.clip(p * [0.4, 1.0, 1.0], 0, 255), "gate.color"),
        (lambda p: gaussian_blur(p.astype(np.float32), 3.0), "gate.focus"),
        (lambda p: np.kron(p[::8, ::8], np.ones((8, 8, 1))), "gate.stuck"),
        (lambda p: p[:40], "gate.format"),
        (lambda p: p[..., 0], "gate.format"),
    ],
)
def test_faults_are_named_and_the_model_is_not_asked(
    bundle: Bundle, spoil: object, guard: str
) -> None:
    picture = spoil(parts(1, 2)[0]).astype(np.uint8)  # type: ignore[operator]
    result = look(bundle, picture)
    assert result.verdict is Verdict.INVALID
    assert guard in [r.guard for r in result.reasons]
    assert result.label is None
    assert result.timing_us.model == 0.0


def test_a_foreign_object_goes_to_a_person_with_its_place(bundle: Bundle) -> None:
    picture = parts(1, 3)[0].copy()
    picture[2:20, 2:20] = (30, 220, 40)
    result = look(bundle, picture)
    assert result.verdict is not Verdict.ACCEPT
    box = next(r.box for r in result.reasons if r.box)
    assert box[0] < 20 and box[1] < 20


def test_the_same_frame_again_and_again_is_frozen(bundle: Bundle) -> None:
    pipeline = Pipeline(bundle, live=True)
    picture = parts(1, 4)[0]
    verdicts = [pipeline.inspect(Frame("s", i, picture)) for i in range(5)]
    assert verdicts[0].verdict is Verdict.ACCEPT
    assert verdicts[-1].verdict is Verdict.INVALID
    assert verdicts[-1].reasons[0].guard == "gate.frozen"
    assert pipeline.inspect(Frame("s", 9, parts(1, 5)[0])).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_too_large_to_measure_is_no_picture(bundle: Bundle, turned: bool) -> None:
    pipeline = Pipeline(bundle, live=False)
    pipeline.inspect(Frame("s", 0, parts(1, 2)[0]))
    assert pipeline.seen is not None
    large = np.zeros((32769, 16, 3) if turned else (16, 32769, 3), np.uint8)
    result = pipeline.inspect(Frame("s", 1, large))
    assert (result.verdict, result.reasons[0].guard) == (Verdict.INVALID, "gate.format")
    assert pipeline.seen is None


def test_a_frame_that_cannot_be_measured_has_not_the_last_ones_measurement(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(image: np.ndarray) -> None:
        raise MemoryError

    pipeline = Pipeline(bundle, live=False)
    pipeline.inspect(Frame("s", 0, parts(1, 2)[0]))
    monkeypatch.setattr(pipeline._meter, "measure", fall_over)
    assert pipeline.inspect(Frame("s", 1, parts(1, 2)[0])).verdict is Verdict.REVIEW
    assert pipeline.seen is None
    assert pipeline.statistics == {}


def test_a_score_that_is_not_a_number_goes_to_a_person(tmp_path: Path) -> None:
    bundle = fit(tmp_path, parts(120, 0), poison_above=130.0)
    pipeline = Pipeline(bundle, live=False)
    bright = np.clip(parts(1, 6)[0].astype(int) + 50, 0, 255).astype(np.uint8)
    pipeline._gate = type("Open", (), {"check": lambda *_: Findings()})()  # type: ignore[assignment]
    result = pipeline.inspect(Frame("s", 0, bright))
    assert bright.mean() > 130
    assert result.verdict is Verdict.REVIEW
    assert result.reasons[0].guard == "score"
    assert result.p_value is None


def test_a_model_that_fails_goes_to_a_person(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(bundle, live=False)

    def broken() -> None:
        raise ModelError("the runtime failed", "restart")

    monkeypatch.setattr(pipeline._backend, "run", broken)
    result = pipeline.inspect(Frame("s", 0, parts(1, 7)[0]))
    assert result.verdict is Verdict.REVIEW
    assert "the runtime failed" in result.reasons[0].message


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 0), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64,), np.uint8),
    ],
)
def test_what_is_no_picture_is_invalid(bundle: Bundle, array: np.ndarray) -> None:
    result = look(bundle, array)
    assert result.verdict is Verdict.INVALID
    assert result.reasons[0].guard == "gate.format"


def test_three_lines_of_python(path: Path) -> None:
    guard = load(path)
    result = guard.inspect(parts(1, 8)[0])
    assert result.verdict is Verdict.ACCEPT
    assert result.prediction in LABELS


def test_golden_frames_that_score_differently_are_refused(bundle: Bundle) -> None:
    first = bundle.manifest.golden[0]
    changed = msgspec.structs.replace(first, scores=tuple(s * 1.5 + 1 for s in first.scores))
    manifest = msgspec.structs.replace(bundle.manifest, golden=(changed,))
    with pytest.raises(BundleError, match="scores differently on this device"):
        Pipeline(Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, bundle.id))


def test_another_runtime_is_refused(bundle: Bundle) -> None:
    runtime = msgspec.structs.replace(bundle.manifest.runtime, kernels="xnnpack")
    manifest = msgspec.structs.replace(bundle.manifest, runtime=runtime)
    with pytest.raises(BundleError, match="calibrate on this kind of device"):
        Pipeline(Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, bundle.id))


def test_a_bundle_of_other_measures_is_refused(bundle: Bundle) -> None:
    """Its thresholds are those of statistics that this version does not compute."""
    manifest = msgspec.structs.replace(bundle.manifest, measures=1)
    with pytest.raises(BundleError, match="measured pictures differently: calibrate again"):
        Pipeline(Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, bundle.id))


def test_calibration_is_repeatable(tmp_path: Path, bundle: Bundle) -> None:
    again = fit(tmp_path, parts(120, 0))
    for name, array in bundle.arrays.items():
        np.testing.assert_allclose(again.arrays[name], array, rtol=1e-5, atol=1e-7)


def test_too_few_references_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferencesError, match="20 are the least"):
        fit(tmp_path, parts(12, 0))
    assert not (tmp_path / "tiny.guard").exists()


def test_copies_of_one_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferencesError, match="only 1 differ"):
        fit(tmp_path, parts(1, 0) * 50)


def test_a_model_that_always_says_the_same_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferencesError, match="same output for every reference"):
        fit(tmp_path, parts(60, 0), constant=True)


def test_a_model_that_gives_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ReferencesError, ModelError), match=r"finite|NaN"):
        fit(tmp_path, parts(60, 0), poison_above=20.0)


def test_labelled_folders_calibrate_the_confidence(tmp_path: Path) -> None:
    pictures = parts(120, 0)
    rng = np.random.default_rng(9)
    labelled = [
        Reference(f"{i}", LABELS[rng.integers(3)], lambda p=p: p) for i, p in enumerate(pictures)
    ]
    model = write_model(tmp_path / "tiny.onnx")
    out = calibrate(model, labelled, tmp_path / "t.guard", card=CARD, labels=LABELS)
    assert out.manifest.guards.calibrated
    assert out.manifest.references.labelled == 120
    wrong = [Reference("x", "rund", lambda: pictures[0]), *labelled]
    with pytest.raises(ReferencesError, match="did you mean 'round'"):
        calibrate(model, wrong, tmp_path / "t.guard", card=CARD, labels=LABELS)


def test_unreadable_files_are_counted_not_hidden(tmp_path: Path) -> None:
    from edge_guard.calibration.references import find_references

    folder = tmp_path / "refs"
    folder.mkdir()
    for i, picture in enumerate(parts(60, 0)):
        (folder / f"{i:03}.png").write_bytes(encode_png(picture))
    (folder / "broken.png").write_bytes(b"\x89PNG not really")
    model = write_model(tmp_path / "tiny.onnx")
    out = calibrate(
        model, find_references(folder), tmp_path / "t.guard", card=CARD, settings=Settings(seed=1)
    )
    assert out.manifest.references.n == 60
    assert any("broken.png" in w for w in out.manifest.references.warnings)


def test_a_strange_place_is_shown_where_it_is(bundle: Bundle) -> None:
    picture = parts(1, 3)[0]
    top, left, side = 4, 50, 8
    picture[top : top + side, left : left + side] = 150  # as bright as a part, where none belongs
    result = look(bundle, picture)
    assert result.verdict is Verdict.REVIEW
    reason = next(r for r in result.reasons if r.guard == "patches")
    assert reason.box is not None
    x, y, w, h = reason.box
    assert max(x, left) < min(x + w, left + side)  # they overlap
    assert max(y, top) < min(y + h, top + side)
    heatmap = result.heatmap()
    assert heatmap is not None
    assert heatmap.shape == picture.shape[:2]
    assert heatmap[y : y + h, x : x + w].max() > 1.0


def test_accepted_parts_carry_no_heat(bundle: Bundle) -> None:
    accepted = next(
        r for r in (look(bundle, p) for p in parts(10, 1)) if r.verdict is Verdict.ACCEPT
    )
    assert accepted.heatmap() is None


def test_heatmaps_are_written_for_flagged_frames(path: Path, tmp_path: Path) -> None:
    from edge_guard.cli.main import main

    good, strange = parts(2, 1)
    strange[4:12, 50:58] = 150
    for name, picture in (("good", good), ("strange", strange)):
        (tmp_path / f"{name}.png").write_bytes(encode_png(picture))
    out = tmp_path / "heat"
    pictures = [str(tmp_path / "good.png"), str(tmp_path / "strange.png")]
    assert main(["inspect", str(path), *pictures, "--heatmaps", str(out)]) == 0
    (written,) = out.iterdir()
    assert written.name == "00000-strange-0.png"
    painted = decode_image(written.read_bytes())
    frame, overlay = painted[28:476, 10:458], painted[28:476, 468:916]  # enlarged sevenfold
    assert (frame[::7, ::7] == strange).all()
    assert (frame != overlay).any()
    assert (painted[:, 926:] > 100).any()  # the nearest references
    (tmp_path / "file").write_text("")
    assert main(["inspect", str(path), *pictures, "--heatmaps", str(tmp_path / "file")]) == 2
