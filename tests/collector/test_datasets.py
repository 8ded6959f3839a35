"""Datasets: what they hold, how they are divided in time, the same bytes each time, and back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from reports import FUSED, Reporter, picture
from tinymodel import parts, write_model

from edge_guard.calibration.annotations import annotated
from edge_guard.calibration.references import find_references
from edge_guard.cli.main import main
from edge_guard.collector.datasets import Datasets, Wish
from edge_guard.collector.datasets.layout import folder_name
from edge_guard.collector.datasets.selection import Picked, select_frames
from edge_guard.collector.datasets.split import split
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.parse import parse
from edge_guard.collector.queries import Queries
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import StoreError
from edge_guard.publish.messages import Event, decode
from edge_guard.types import Detection, Verdict

EVIL = '../../<b>=1+1"'
USUAL: dict[str, Any] = {"verdict": Verdict.ACCEPT, "reasons": ()}


class Line:
    """A store that a device has reported to."""

    def __init__(self, store: Store) -> None:
        self.store, self.device, self.at = store, Reporter(), 1_700_000_000.0
        self.judgements, trail = Judgements(store, second_share=0.0), Trail(store)
        self.datasets = Datasets(store, store.pictures, trail, "here")

    def saw(self, jpeg: bytes, answer: str = "", label: str | None = None, **event: Any) -> int:
        """Return the event of a frame that was sent and perhaps judged, a minute after the last."""
        self.at += 60.0
        sent = self.device.event(jpeg, at=self.at, **event)
        self.store.apply([parse(*one, "edge-guard/v1") for one in sent if one])  # type: ignore[misc]
        number = Queries(self.store.engine).events(1, kind="all")[0].id
        if answer:
            assert self.judgements.add(number, answer, "Ada", label)  # type: ignore[arg-type]
        return number

    def zip(self, wish: Wish, name: str = "first") -> tuple[zipfile.ZipFile, bytes]:
        made = self.datasets.make(wish, name, "Ada")
        content = b"".join(self.datasets.written(made))
        return zipfile.ZipFile(io.BytesIO(content)), content


def rows(file: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read("frames.csv").decode())))


def test_a_dataset_is_the_same_bytes_whatever_comes_later(store: Store) -> None:
    line = Line(store)
    first = line.saw(picture(1), "right")
    line.saw(picture(2), "wrong", "scratch", sampled=0.01, **USUAL)
    line.saw(picture(3), diverse=2.5, **USUAL)
    line.saw(picture(4), "unsure")
    wish = Wish(parts=("labelled", "random", "diverse"), validation=0.0, test=0.0)
    assert line.datasets.preview(wish).labels == {"ok": 1, "scratch": 1}
    made = line.datasets.make(wish, "first", "Ada")
    before = b"".join(line.datasets.written(made))
    assert line.judgements.add(first, "wrong", "Bob", "dent")
    line.saw(picture(5), "right")
    assert b"".join(line.datasets.written(made)) == before
    file = zipfile.ZipFile(io.BytesIO(before))
    assert file.testzip() is None
    about = json.loads(file.read("provenance.json"))
    assert (about["made_by"], about["changed_since_made"]) == ("Ada", False)
    assert about["counts"]["frames"] == 3
    assert about["bundles"] == {"a3f1c09be27d": 3}
    table = rows(file)
    assert [(row["label"], row["why"]) for row in table] == [
        ("ok", "flagged"),
        ("scratch", "random"),
        ("", "diverse"),
    ]
    assert [row["weight"] for row in table] == ["", "100.0", ""]
    assert file.read(table[1]["file"]) == picture(2)
    assert table[1]["file"].startswith("train/scratch/")
    assert table[2]["file"].startswith("unlabelled/train/")
    assert [one.id for one in line.datasets.listed()] == [made.id]
    assert "dataset.make" in [entry.action for entry in Trail(store).entries(9)]
    line.store.pictures.remove([table[1]["sha256"]])
    lacking = zipfile.ZipFile(io.BytesIO(b"".join(line.datasets.written(made))))
    assert lacking.read("missing.txt").decode() == f"{table[1]['file']}\n"


def test_who_reports_need_not_wait_until_a_dataset_is_chosen(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(store)
    line.saw(picture(1), "right")

    def meanwhile(*args: Any) -> Any:
        writer = threading.Thread(target=line.saw, args=(picture(2), "right"), daemon=True)
        writer.start()
        writer.join(20.0)
        assert not writer.is_alive()
        return select_frames(*args)

    monkeypatch.setattr("edge_guard.collector.datasets.datasets.select_frames", meanwhile)
    made = line.datasets.make(Wish(), "first", "Ada")
    assert made.counts.frames == 1
    monkeypatch.undo()
    assert line.datasets.preview(Wish()).frames == 2
    table = zipfile.ZipFile(io.BytesIO(b"".join(line.datasets.written(made)))).read("frames.csv")
    assert hashlib.sha256(table).hexdigest() == made.digest


def test_nothing_and_too_much_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(store)
    with pytest.raises(StoreError, match="no frame is what was asked for"):
        line.datasets.make(Wish(), "none", "Ada")
    for n in range(3):
        line.saw(picture(n), "right")
    monkeypatch.setattr("edge_guard.collector.datasets.selection.MOST_FRAMES", 2)
    with pytest.raises(StoreError, match="more than 2 frames"):
        line.datasets.preview(Wish())
    assert line.datasets.preview(Wish(from_ms=int(line.at * 1000))).frames == 1
    assert line.datasets.preview(Wish(stream="other")).frames == 0


def test_what_was_taken_back_is_no_label(store: Store) -> None:
    line = Line(store)
    number = line.saw(picture(1), "wrong", "dent")
    (word,) = line.judgements.of(number)
    assert line.datasets.preview(Wish()).labels == {"dent": 1}
    assert line.judgements.withdraw(word.id, "Ada")
    assert line.datasets.preview(Wish()).frames == 0


def test_boxes_are_only_where_somebody_says_that_they_mean_something(store: Store) -> None:
    line = Line(store)
    line.saw(picture(1), "wrong", "scratch")
    line.saw(picture(2), "right")
    plain = json.loads(line.zip(Wish(validation=0.0, test=0.0))[0].read("coco/train.json"))
    assert [one["name"] for one in plain["categories"]] == ["ok", "scratch"]
    assert [one.get("bbox") for one in plain["annotations"]] == [None, None]
    assert plain["images"][0]["places"] == [{"guard": "fused", "box": list(FUSED.box or ())}]
    wish = Wish(validation=0.0, test=0.0, boxed=("scratch",))
    boxed = json.loads(line.zip(wish)[0].read("coco/train.json"))["annotations"]
    assert [one.get("bbox") for one in boxed] == [list(FUSED.box or ()), None]


def test_a_detector_s_boxes_are_taken_where_people_call_them_right(store: Store) -> None:
    line = Line(store)
    found = (
        Detection("dent", 1, 0.9, 0.8, (4, 4, 10, 10)),
        Detection("scratch", 2, 0.7, None, (30, 6, 20, 8)),
    )
    line.saw(picture(1), "right", detections=found)
    line.saw(picture(2), "wrong", "scratch", detections=found)  # its boxes are not known
    line.saw(picture(3), detections=found)
    line.saw(picture(4), "right", detections=())
    line.saw(picture(5), "wrong", "scratch", detections=())  # missed: where it is is not known
    wish = Wish(parts=("labelled", "flagged"), validation=0.0, test=0.0)
    file, content = line.zip(wish)
    told = json.loads(file.read("coco/train.json"))
    assert [one["bbox"] for one in told["annotations"]] == [[4, 4, 10, 10], [30, 6, 20, 8]]
    assert len(told["images"]) == 2
    assert [one["name"] for one in told["categories"]] == ["dent", "scratch"]
    folder = store.pictures.path("0" * 64).parents[1] / "unpacked"
    zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
    references = find_references(folder / "train")
    marked = annotated(references, folder / "train", folder / "coco" / "train.json", ("ok",))
    marks = [mark for one in marked for mark in one.marks or ()]
    assert [(mark.label, mark.corners) for mark in marks] == [
        ("dent", (4, 4, 14, 14)),
        ("scratch", (30, 6, 50, 14)),
    ]
    assert [one.marks for one in marked].count(()) == 1  # rightly found nothing
    assert len([one for one in marked if one.marks is None]) == 2  # those that were wrong


def test_hostile_labels_stay_within_their_folder(store: Store) -> None:
    line = Line(store)
    line.saw(picture(1), "wrong", EVIL)
    file, _ = line.zip(Wish(validation=0.0, test=0.0))
    (row,) = rows(file)
    assert row["file"].count("/") == 2
    assert ".." not in row["file"].split("/")
    folders = json.loads(file.read("provenance.json"))["folders"]
    assert folders == {row["file"].split("/")[1]: EVIL}


@pytest.mark.parametrize(
    ("label", "expected"),
    [("Kratzer ü 3", "Kratzer ü 3"), ("a/b", "a%2Fb"), ("..", "%.."), ("con", "%con"), ("", "%"),
     ("a.", "a%2E"), ("50%", "50%25"), ("\x1b[0m", "%1B[0m"), (" x", "%20x")],
)  # fmt: skip
def test_folders_are_called_like_their_labels(label: str, expected: str) -> None:
    assert folder_name(label) == expected


def frame(at_s: float, stream: str = "top", incident: str = "") -> Picked:
    event = decode(Reporter(stream=stream).event(incident=incident)[0][1], Event)
    return Picked(1, "s", "l", "d", int(at_s * 1000), True, event)


def test_parts_are_cut_in_time_and_neighbours_are_in_none() -> None:
    found = split([frame(n) for n in range(100)], 0.2, 0.2, 5_000)
    assert found == (
        ["train"] * 60 + ["apart"] * 4 + ["validation"] * 16 + ["apart"] * 4 + ["test"] * 16
    )
    assert split([frame(n) for n in range(10)], 0.0, 0.0, 1e6) == ["train"] * 10
    assert split([frame(n, stream=str(n)) for n in range(10)], 0.0, 0.5, 1e6)[5:] == ["test"] * 5


def test_an_incident_is_never_divided() -> None:
    rng = np.random.default_rng(4)
    at = np.sort(rng.uniform(0, 10_000, 400))
    incidents = [f"i{n}" if n else "" for n in rng.integers(0, 6, 400)]
    frames = [frame(t, incident=i) for t, i in zip(at, incidents, strict=True)]
    found = split(frames, 0.2, 0.2, 8_000)
    for name in set(incidents) - {""}:
        parts_of = {p for p, i in zip(found, incidents, strict=True) if i == name} - {"apart"}
        assert len(parts_of) == 1
    for a in range(400):
        for b in range(a):
            if at[a] - at[b] < 7.9:
                assert found[a] == found[b] or "apart" in (found[a], found[b])


def test_a_dataset_calibrates_and_evaluates_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Out of the collector, unpacked, and straight into the commands that the page names."""
    from edge_guard.collector.pictures import PictureStore

    opened = Store(f"sqlite:///{tmp_path / 'c.sqlite'}", PictureStore(tmp_path / "frames"))
    line = Line(opened)
    for n, image in enumerate(parts(90, 3)):
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        line.saw(jpeg, "wrong", ("ok", "dent", "dent")[n % 3], sampled=0.05, **USUAL)
    line.zip(Wish(validation=0.0, test=0.3))[0].extractall(tmp_path / "d")
    opened.close()
    found = find_references(tmp_path / "d" / "train")
    assert {one.label for one in found} == {"ok", "dent"}
    model, bundle = write_model(tmp_path / "tiny.onnx"), tmp_path / "new.guard"
    card = tmp_path / "tiny.toml"
    card.write_text(
        '[input]\ncolor = "rgb"\nresize = "stretch"\nmean = [0.0]\nstd = [255.0]\n'
        '[output]\nlabels = ["ok", "scratch", "dent"]\n'
    )
    train, test = str(tmp_path / "d" / "train"), str(tmp_path / "d" / "test")
    said = ["calibrate", str(model), "--reference", train, "-o", str(bundle), "--json"]
    assert main(said) == 0
    assert main(["evaluate", str(bundle), "--id", test, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert measured["id"]["n"] == 27
