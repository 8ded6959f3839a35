"""Bad input at the command line: the documented exit code, and one line naming the file and the
remedy. The models are the shipped ones.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Done, edge_guard_here, write_images

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from line_simulator.recording import write_folders

SHIPPED = Path(__file__).resolve().parents[2] / "models"
USAGE, ARTIFACT, REFERENCES, SOURCE, GUARANTEE = 2, 3, 4, 5, 7

Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 pictures of coloured noise on a bright part."""
    rng = np.random.default_rng(0)
    part = np.zeros((64, 64, 3))
    part[16:48, 16:48] = [150, 140, 120]
    images = [np.clip(part + rng.normal(60, 12, part.shape), 0, 255) for _ in range(40)]
    return write_images(tmp_path_factory.mktemp("pictures"), [x.astype(np.uint8) for x in images])


TAPS = """
[taps]
maps = ["stage2_down_QuantizeLinear_Output"]
features = ["features_pooled_QuantizeLinear_Output"]
"""
"""Named, so that no time goes into choosing them."""


def shipped(folder: Path, kind: str) -> Path:
    """Return a copy of the shipped model with its card."""
    card = (SHIPPED / "demo_line.toml").read_text("utf-8")
    (folder / "demo_line.toml").write_text(card + TAPS * (kind == "onnx"), "utf-8")
    return Path(shutil.copy(SHIPPED / f"demo_line.{kind}", folder / f"demo_line.{kind}"))


def calibrate(model: Path, references: Path, *more: str | Path) -> tuple[int, str]:
    out = model.parent / "made.guard"
    done = edge_guard_here("calibrate", model, "--reference", references, "-o", out, *more)
    assert out.exists() == (done.code == 0)
    return done.code, done.error


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(20_000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def turn_into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


MODELS_SPOILT: list[Spoil] = [Path.unlink, truncate, overwrite, empty, turn_into_folder]


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
@pytest.mark.parametrize("spoil", MODELS_SPOILT, ids=lambda f: f.__name__)
def test_a_model_that_cannot_be_read(tmp_path, pictures, kind, spoil):
    model = shipped(tmp_path, kind)
    spoil(model)
    code, error = calibrate(model, pictures)
    assert code == ARTIFACT
    assert str(model) in error
    assert has_remedy(error)


def test_a_file_of_another_kind(tmp_path, pictures):
    model = shipped(tmp_path, "onnx").rename(tmp_path / "demo_line.pt")
    code, error = calibrate(model, pictures)
    assert code == ARTIFACT
    assert "demo_line.pt" in error
    assert "onnx" in error.lower()
    assert has_remedy(error)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[input\n", "demo_line.toml"),
        ('[input]\ncolour = "rgb"\n', "color"),
        ('[input]\ncolor = "cmyk"\n', "cmyk"),
        ("[input]\nmean = [1, 2]\nstd = [1, 1]\n", "mean"),
        ("[input]\nstd = [0, 1, 1]\n", "std"),
        ('[output]\nlabels = ["ok", "scratch"]\n', "labels"),
        ('[output]\nlabels = "no-such.txt"\n', "no-such.txt"),
        ('[taps]\nfeatures = ["no_such_tensor"]\n', "no_such_tensor"),
    ],
)
def test_a_card_that_is_wrong(tmp_path, pictures, text, word):
    model = shipped(tmp_path, "onnx")
    model.with_suffix(".toml").write_text(text, "utf-8")
    code, error = calibrate(model, pictures)
    assert code == ARTIFACT
    assert word in error
    assert has_remedy(error)


def test_a_card_that_is_missing(tmp_path, pictures):
    card = tmp_path / "none.toml"
    code, error = calibrate(shipped(tmp_path, "onnx"), pictures, "--card", card)
    assert code == ARTIFACT
    assert str(card) in error
    assert has_remedy(error)


def with_text_only(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing to see", "utf-8")


def with_unknown_labels(folder: Path) -> None:
    rng = np.random.default_rng(3)
    write_images(folder / "okay", [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(60)])


def with_broken_images(folder: Path) -> None:
    folder.mkdir()
    for i in range(60):
        (folder / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")


def with_one_image(folder: Path) -> None:
    rng = np.random.default_rng(3)
    write_images(folder, [rng.integers(0, 255, (64, 64, 3), np.uint8)])


def with_copies(folder: Path) -> None:
    rng = np.random.default_rng(3)
    write_images(folder, [rng.integers(0, 255, (64, 64, 3), np.uint8)] * 60)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda folder: None, "references"),
        (with_text_only, "references"),
        (with_unknown_labels, "'okay'"),
        (with_broken_images, ""),
        (with_one_image, ""),
        (with_copies, ""),
    ],
)
def test_references_that_do_not_do(tmp_path, make, word):
    folder = tmp_path / "references"
    make(folder)
    code, error = calibrate(shipped(tmp_path, "onnx"), folder)
    assert code == REFERENCES
    assert word in error
    assert has_remedy(error)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--false-flag-rate", "1.5"], USAGE, "--false-flag-rate"),
        (["--max-error", "0"], USAGE, "--max-error"),
        (["--threads", "0"], USAGE, "--threads"),
        (["--falseflag", "0.1"], USAGE, "--falseflag"),
        (["--max-error", "0.01"], REFERENCES, "--max-error"),
    ],
)
def test_arguments_that_do_not_do(tmp_path, pictures, arguments, code, word):
    found, error = calibrate(shipped(tmp_path, "onnx"), pictures, *arguments)
    assert found == code
    assert word in error
    assert has_remedy(error)


def test_a_guarantee_that_cannot_be_given(tmp_path):
    """60 labelled parts, where 299 without a mistake are the least for 1 %."""
    write_folders(tmp_path / "references", {"ok": 30, "stain": 30}, 5)
    model = shipped(tmp_path, "onnx")
    code, error = calibrate(model, tmp_path / "references", "--max-error", "0.01")
    assert code == GUARANTEE
    assert "1.0%" in error
    assert has_remedy(error)


def test_labels_that_the_model_contradicts(tmp_path, pictures):
    """Half of the pictures of one and the same thing lie in the wrong folder."""
    for i, path in enumerate(sorted(pictures.iterdir())):
        folder = tmp_path / "references" / ("ok" if i % 2 else "stain")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    code, error = calibrate(shipped(tmp_path, "onnx"), tmp_path / "references")
    assert code in (ARTIFACT, REFERENCES)
    assert has_remedy(error)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> tuple[Path, Done]:
    """A bundle from good pictures with a broken one among them, and how that went."""
    folder = tmp_path_factory.mktemp("made")
    references = Path(shutil.copytree(pictures, folder / "references"))
    spoilt_picture(references / "broken.png")
    bundle = folder / "made.guard"
    model = shipped(folder, "onnx")
    return bundle, edge_guard_here("calibrate", model, "--reference", references, "-o", bundle)


def test_broken_files_among_good_ones_are_named(made):
    _, done = made
    assert done.code == 0
    assert "broken.png" in " ".join(done.records[-1]["references"]["warnings"])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def add_a_path_trick(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped", "x")


def add_a_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(50_000_000))


BUNDLES_SPOILT: list[Spoil] = [
    Path.unlink,
    truncate,
    overwrite,
    empty,
    turn_into_folder,
    flip_a_bit,
    add_a_path_trick,
    add_a_bomb,
]


@pytest.mark.parametrize("spoil", BUNDLES_SPOILT, ids=lambda f: f.__name__)
def test_a_bundle_that_cannot_be_trusted(tmp_path, pictures, made, spoil):
    bundle = Path(shutil.copy(made[0], tmp_path / "x.guard"))
    spoil(bundle)
    for command in (
        ["inspect", bundle, pictures],
        ["evaluate", bundle, "--id", pictures],
        ["bundle", "show", bundle],
        ["bundle", "verify", bundle],
    ):
        done = edge_guard_here(*command)
        assert done.code == ARTIFACT, command
        assert str(bundle) in done.error
        assert has_remedy(done.error)


def spoilt_picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n broken")


@pytest.mark.parametrize(
    "make", [lambda path: None, with_text_only, spoilt_picture], ids=["missing", "none", "broken"]
)
def test_a_source_without_pictures(tmp_path, made, make):
    source = tmp_path / "source.png"
    make(source)
    done = edge_guard_here("inspect", made[0], source)
    assert done.code == SOURCE
    assert str(source) in done.error
    assert has_remedy(done.error)


def test_a_broken_picture_among_good_ones_is_a_verdict(tmp_path, pictures, made):
    folder = Path(shutil.copytree(pictures, tmp_path / "source"))
    spoilt_picture(folder / "0030.png")
    done = edge_guard_here("inspect", made[0], folder)
    results = [record for record in done.records if record["type"] == "result"]
    assert done.code == 0
    assert len(results) == 40
    assert results[30]["verdict"] == "invalid"
    assert "0030.png" in str(results[30])


@pytest.mark.parametrize("make", [lambda folder: None, with_text_only], ids=["missing", "none"])
@pytest.mark.parametrize("option", ["--id", "--ood"])
def test_a_set_without_pictures(tmp_path, pictures, made, option, make):
    folder = tmp_path / "set"
    make(folder)
    sets = ["--id", folder] if option == "--id" else ["--id", pictures, "--ood", f"x={folder}"]
    done = edge_guard_here("evaluate", made[0], *sets)
    assert done.code == REFERENCES
    assert str(folder) in done.error
    assert has_remedy(done.error)


def has_remedy(error: str) -> bool:
    """An error reads ``edge-guard: problem: remedy``."""
    return len(error.removeprefix("edge-guard: ").split(": ")) >= 2
