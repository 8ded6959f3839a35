"""A region, a turn, a reflection: of arrays, in sources, in configurations, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.calibration.references import Mark, Reference, viewed
from edge_guard.cli.main import main
from edge_guard.demo.assets import assets
from edge_guard.errors import ConfigError, ReferencesError
from edge_guard.pipeline import Pipeline
from edge_guard.selftest import run_all
from edge_guard.sources import Damaged, View, open_source
from edge_guard.view import unlike

PICTURE = np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)


@pytest.mark.parametrize("image", [PICTURE, PICTURE[..., 0]])
def test_the_order_is_region_turn_reflection(image: np.ndarray) -> None:
    cut = image[10:40, 20:70]
    assert np.array_equal(View((20, 10, 50, 30)).of(image), cut)
    turned = np.stack(list(np.swapaxes(cut[::-1], 0, 1)))  # a quarter clockwise
    assert np.array_equal(View((20, 10, 50, 30), 90).of(image), turned)
    assert np.array_equal(View((20, 10, 50, 30), 90, "vertical").of(image), turned[::-1])
    assert np.array_equal(View(rotate=180).of(image), image[::-1, ::-1])
    assert np.array_equal(View(flip="horizontal").of(image), image[:, ::-1])
    assert View(rotate=270).of(image).flags.c_contiguous


def test_a_source_shows_the_view_and_says_where_it_does_not_fit(tmp_path: Path) -> None:
    for name, size in (("a.png", (80, 60)), ("b.png", (40, 30))):
        cv2.imwrite(str(tmp_path / name), np.zeros((size[1], size[0], 3), np.uint8))
    source = open_source(str(tmp_path), stream="s", view=View((20, 10, 50, 30), 90))
    good, bad = source.read(5), source.read(5)
    source.close()
    assert good.image.shape == (50, 30, 3)
    assert isinstance(bad, Damaged)
    assert "region [20, 10, 50, 30] lies outside the picture of 40×30 px" in bad.cause
    assert source.finished


def test_references_are_seen_the_same_way() -> None:
    one = Reference("a", "", lambda: PICTURE)
    (seen,) = viewed([one], View((0, 0, 16, 20)))
    assert seen.load().shape == (20, 16, 3)
    (outside,) = viewed([one], View((70, 0, 16, 20)))
    with pytest.raises(ReferencesError, match="a: region"):
        outside.load()
    marked = Reference("a", "", lambda: PICTURE, "", (Mark("x", (1.0, 2.0, 3.0, 4.0)),))
    with pytest.raises(ReferencesError, match="boxes are drawn in whole pictures"):
        viewed([marked], View(rotate=90))


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    bundle = str(assets().bundle)
    picture = str(tmp_path / "a.png")
    assert main(["inspect", bundle, picture, "--json", "--region", "9,9,99,20"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert record["verdict"] == "invalid"
    assert "lies outside" in record["reasons"][0]["message"]
    assert main(["inspect", bundle, picture, "--region", "9,9,9,9"]) == ConfigError.exit_code
    assert "at least 16 px a side" in capsys.readouterr().err


REGION = (20, 10, 50, 30)


@pytest.mark.parametrize(
    ("made", "here", "fits"),
    [
        (None, View(REGION), True),  # bundles of earlier versions do not tell
        (View(REGION, 90), View(REGION, 90), True),
        (View(REGION, 90), View(REGION), False),
        (View(REGION), View(), False),
        (View(), View(REGION), True),  # the files were as large as the region
        (View(), View(REGION, 90), False),
        (View(), View(flip="vertical"), False),
    ],
)
def test_a_view_is_compared_with_that_of_the_references(
    made: View | None, here: View, fits: bool
) -> None:
    assert (unlike(made, here, (50, 30)) == "") == fits


def of_view(view: View) -> Bundle:
    """The shipped bundle, as if its references had shown a view of the camera's picture."""
    bundle = read_bundle(assets().bundle)
    manifest = msgspec.structs.replace(bundle.manifest, view=view)
    return Bundle(manifest, bundle.model, bundle.arrays, bundle.pictures, bundle.id)


def test_the_self_test_of_a_stream_with_another_view_fails() -> None:
    bundle = of_view(View(flip="horizontal"))
    same = Pipeline(bundle, live=False, view=View(flip="horizontal"))
    other = Pipeline(bundle, live=False, view=View(rotate=180))
    assert run_all(same).passed
    report = run_all(other)
    assert len(report.failures) == 1
    assert "turned by 180°, the bundle's references showed the whole picture, left" in report.words
    assert run_all(Pipeline(bundle, live=False)).passed, "nobody said what is shown"


def test_a_written_bundle_keeps_its_view_and_commands_name_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.guard"
    write_bundle(of_view(View(REGION, 90, "vertical")), path)
    assert read_bundle(path).manifest.view == View(REGION, 90, "vertical")
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    options = "--region 20,10,50,30 --rotate 90 --flip vertical"
    assert main(["inspect", str(path), str(tmp_path / "a.png")]) == 0
    assert options in capsys.readouterr().out
    assert main(["inspect", str(path), str(tmp_path / "a.png"), *options.split()]) == 0
    assert "note:" not in capsys.readouterr().out
    assert main(["parity", str(path), "--production", str(tmp_path)]) == 0
    assert options in capsys.readouterr().out
    asked = ["parity", str(path), "--production", str(tmp_path), "--json"]
    assert main([*asked, *options.split()]) == 0
    (record,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert record["n"] == 1
    assert main(["bundle", "diff", str(assets().bundle), str(path)]) == 0
    assert "is the region 20, 10, 50, 30 of the picture, turned by 90°" in capsys.readouterr().out
