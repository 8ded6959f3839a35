"""Labels from CSV, COCO JSON and YOLO text; what is wrong in them is named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_guard.calibration.annotations import annotated
from edge_guard.calibration.references import Reference, find_references
from edge_guard.errors import ReferencesError

LABELS = ("bolt", "nut")
BOX = (10.0, 20.0, 30.0, 50.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    (images / "left").mkdir(parents=True)
    for name in ("a.png", "b.png", "left/c.png"):
        cv2.imwrite(str(images / name), np.zeros((100, 100, 3), np.uint8))
    return images


def read(folder: Path, file: Path | None = None) -> dict[str, Reference]:
    found = annotated(find_references(folder), folder, file, LABELS)
    return {Path(reference.name).name: reference for reference in found}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder.parent / name
    path.write_text(text)
    return path


def test_a_csv_names_labels(folder: Path) -> None:
    file = write(folder, "l.csv", "\ufefffile,label,who\na.png,nut,me\nleft/c.png,bolt,me\n")
    found = read(folder, file)
    assert {name: one.label for name, one in found.items()} == {
        "a.png": "nut",
        "b.png": "",
        "c.png": "bolt",
    }
    assert found["b.png"].marks is None


def test_a_csv_draws_boxes_and_says_that_there_is_nothing(folder: Path) -> None:
    rows = "Filename,label,left,top,width,height\na.png,nut,10,20,20,30\na.png,bolt,1,2,3,4\n"
    found = read(folder, write(folder, "l.csv", rows + "b.png,,,,,\n"))
    assert [(m.label, m.corners, m.shares) for m in found["a.png"].marks] == [
        ("nut", BOX, False),
        ("bolt", (1.0, 2.0, 4.0, 6.0), False),
    ]
    assert found["b.png"].marks == ()
    assert found["c.png"].marks is None


def test_coco_draws_boxes(folder: Path) -> None:
    document = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "nut"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 20, 30]}],
    }
    found = read(folder, write(folder, "coco.json", json.dumps(document)))
    assert [(m.label, m.corners) for m in found["a.png"].marks] == [("nut", BOX)]
    assert found["b.png"].marks == ()


def test_a_bare_name_is_taken_where_it_is_one_image_s(folder: Path) -> None:
    found = read(folder, write(folder, "l.csv", "file,label\nc.png,nut\n"))
    assert {name for name, one in found.items() if one.marks is not None} == {"c.png"}


def test_a_bare_name_that_two_images_have_is_refused(folder: Path) -> None:
    (folder / "right").mkdir()
    (folder / "right" / "c.png").write_bytes((folder / "a.png").read_bytes())
    file = write(folder, "l.csv", "file,label\nc.png,nut\n")
    with pytest.raises(ReferencesError, match=r"c\.png may be left/c\.png or right/c\.png"):
        read(folder, file)
    file.write_text("file,label\nleft/c.png,nut\nright/c.png,bolt\n")
    told = {one.name: one.label for one in annotated(find_references(folder), folder, file, LABELS)}
    assert [told[str(folder / side / "c.png")] for side in ("left", "right")] == ["nut", "bolt"]


def test_a_name_of_the_folder_itself_says_nothing_of_the_same_below(folder: Path) -> None:
    (folder / "left" / "a.png").write_bytes((folder / "a.png").read_bytes())
    found = annotated(
        find_references(folder), folder, write(folder, "l.csv", "file,label\na.png,nut\n"), LABELS
    )
    assert [Path(one.name).parent for one in found if one.marks is not None] == [folder]


@pytest.mark.parametrize("part", ["train", "train/left"])
def test_yolo_text_of_parts_lies_below_labels(tmp_path: Path, part: str) -> None:
    top = tmp_path / "images" / "export"  # the last folder of that name counts
    (top / "images" / part).mkdir(parents=True)
    (top / "labels" / part).mkdir(parents=True)
    cv2.imwrite(str(top / "images" / part / "x.png"), np.zeros((100, 100, 3), np.uint8))
    (top / "labels" / part / "x.txt").write_text("1 0.2 0.35 0.2 0.3\n")
    (mark,) = read(top / "images" / part)["x.png"].marks
    assert mark.label == "nut"


@pytest.mark.parametrize("place", ["images", "labels"])
def test_yolo_text_lies_beside_or_apart(folder: Path, place: str) -> None:
    (folder.parent / place).mkdir(exist_ok=True)
    (folder.parent / place / "a.txt").write_text("1 0.2 0.35 0.2 0.3\n\n")
    (mark,) = read(folder)["a.png"].marks
    assert (mark.label, mark.shares) == ("nut", True)
    assert mark.corners == pytest.approx([share / 100 for share in BOX])
    assert read(folder)["b.png"].marks is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("l.csv", "picture,class\na.png,nut\n", "no columns file and label"),
        ("l.csv", "", "no columns file and label"),
        ("l.csv", "file,label\nz.png,nut\n", r"names none of the 3 images .*z\.png"),
        ("l.csv", "file,label,left,top,width,height\na.png,nut,1,2,x,4\n", r"l\.csv:2: .*no box"),
        ("l.csv", "file,label,left,top,width,height\na.png,nut,1,2,-3,4\n", "no box"),
        ("c.json", "[]", "no COCO JSON"),
        ("c.json", '{"images": []}', "lacks 'categories'"),
        ("c.json", "{", "no COCO JSON"),
        ("c.json", "[" * 100_000, "no COCO JSON"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(ReferencesError, match=words):
        read(folder, write(folder, name, text))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("5 0.2 0.3 0.2 0.3", "class 5, and the model has 2 labels"),
        ("0 0.2 0.3 0.2", "is no box"),
        ("0 12 30 4 5", "is no box"),
        ("0 nan 0.3 0.1 0.1", "is no box"),
        ("-1 0.2 0.3 0.1 0.1", "is no box"),
    ],
)
def test_a_bad_line_of_yolo_text_is_named(folder: Path, line: str, words: str) -> None:
    (folder / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n" + line + "\n")
    with pytest.raises(ReferencesError, match=rf"a\.txt:2: .*{words}"):
        read(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    for name in ("none.csv", "none.json"):
        with pytest.raises(ReferencesError, match=name):
            read(folder, folder / name)
