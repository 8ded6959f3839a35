"""What people wrote about reference images, in the files that labelling tools export.

- CSV with columns ``file`` and ``label``, and for boxes ``left``, ``top``, ``width``, ``height`` in
  px, one row a box; an empty label is an image with nothing in it.
- COCO JSON: ``images``, ``annotations`` with ``bbox``, ``categories``.
- YOLO text: beside each image, in a folder ``labels`` beside the images' folder, or below
  ``labels`` as the image below ``images``; one line a box: class, centre, size in shares of the
  image.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_guard.calibration.references import Mark, Reference
from edge_guard.errors import ReferencesError

MOST_BYTES = 256 << 20
_FILE_COLUMNS = ("file", "filename", "file_name", "image", "path")
_BOX_COLUMNS = ("left", "top", "width", "height")
_Marks = dict[str, list[Mark | None]]
_FORMATS = "a CSV with columns file and label, or COCO JSON"


def annotated(
    references: Sequence[Reference], folder: Path, file: Path | None, labels: Sequence[str]
) -> list[Reference]:
    """Return the references with what is known of them.

    Parameters
    ----------
    references : sequence of Reference
    folder : Path
        That they were found in.
    file : Path or None
        CSV or COCO JSON; None: YOLO text where it lies beside the images.
    labels : sequence of str
        The model's, which YOLO text counts.

    Raises
    ------
    ReferencesError
        A file cannot be read, speaks of no reference, or of one of two without saying which.
    """
    if file is None:
        return [_from_text(reference, labels) for reference in references]
    rows = _coco(file) if file.suffix.lower() == ".json" else _csv(file)
    by_name: _Marks = {}
    for name, mark in rows:
        by_name.setdefault(_plain(name), []).append(mark)
    told = _told([_inside(one, folder) for one in references], by_name, folder)
    found = [_with(one, told.get(_inside(one, folder))) for one in references]
    if all(reference.marks is None for reference in found):
        raise ReferencesError(
            f"{file} names none of the {len(references)} images in {folder} (it names "
            f"{', '.join(list(by_name)[:3]) or 'nothing'})",
            f"write file names as they are below {folder}",
        )
    return found


def _told(paths: Sequence[str], by_name: _Marks, folder: Path) -> _Marks:
    """Return what is said of each reference, by its path or, where that is plain, its mere name."""
    known = set(paths)
    alike: dict[str, list[str]] = {}
    for path in paths:
        alike.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    told = {path: by_name[path] for path in paths if path in by_name}
    for name, marks in by_name.items():
        meant = [] if name in known else alike.get(name, [])
        if len(meant) > 1:
            raise ReferencesError(
                f"{name} may be {meant[0]} or {meant[1]}",
                f"write file names as they are below {folder}",
            )
        for path in meant:
            told.setdefault(path, marks)
    return told


def _with(reference: Reference, found: Sequence[Mark | None] | None) -> Reference:
    if found is None:
        return replace(reference, label="")
    marks = tuple(mark for mark in found if mark is not None)
    label = marks[0].label if marks and marks[0].corners is None else ""
    return replace(reference, label=label, marks=marks)


def _inside(reference: Reference, folder: Path) -> str:
    path = Path(reference.name)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _csv(file: Path) -> Iterable[tuple[str, Mark | None]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReferencesError(f"{file} cannot be read ({error})", f"give {_FORMATS}") from error
    columns = {(name or "").strip().lower(): name for name in (rows[0] if rows else {})}
    named = next((columns[name] for name in _FILE_COLUMNS if name in columns), None)
    if named is None or "label" not in columns:
        raise ReferencesError(f"{file} has no columns file and label", f"give {_FORMATS}")
    boxed = all(name in columns for name in _BOX_COLUMNS)
    for number, row in enumerate(rows, 2):
        label = (row[columns["label"]] or "").strip()
        box = [(row[columns[name]] or "").strip() for name in _BOX_COLUMNS] if boxed else []
        corners = _corners(box, f"{file}:{number}") if any(box) else None
        yield row[named] or "", Mark(label, corners) if label else None


def _coco(file: Path) -> Iterable[tuple[str, Mark | None]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ReferencesError(f"{file} is larger than {MOST_BYTES >> 20} MiB", "split it")
        document = json.loads(file.read_bytes())
        names = {image["id"]: str(image["file_name"]) for image in document["images"]}
        categories = {one["id"]: str(one["name"]) for one in document["categories"]}
        for name in names.values():
            yield name, None
        for number, one in enumerate(document["annotations"]):
            corners = _corners(one["bbox"], f"{file}: annotation {one.get('id', number)}")
            yield names[one["image_id"]], Mark(categories[one["category_id"]], corners)
    except OSError as error:
        raise ReferencesError(
            f"{file} cannot be read ({error.strerror})", f"give {_FORMATS}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ReferencesError(f"{file} is no COCO JSON ({what})", f"give {_FORMATS}") from error


def _corners(box: Sequence[Any], where: str) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of left, top, width and height."""
    try:
        left, top, width, height = (float(value) for value in box)
        if not all(map(math.isfinite, (left, top, width, height))) or min(width, height) <= 0:
            raise ValueError("no size")
    except (TypeError, ValueError) as error:
        raise ReferencesError(
            f"{where}: {list(box)} is no box", "write left, top, width, height in px"
        ) from error
    return left, top, left + width, top + height


def _from_text(reference: Reference, labels: Sequence[str]) -> Reference:
    """Return the reference with the boxes of its YOLO text, where it has one."""
    file = next((path for path in _text_places(Path(reference.name)) if path.is_file()), None)
    if file is None:
        return reference
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReferencesError(f"{file} cannot be read ({error})", "write YOLO text") from error
    marks = [_mark(line, labels, f"{file}:{n}") for n, line in enumerate(lines, 1) if line.strip()]
    return replace(reference, label="", marks=tuple(marks))


def _text_places(image: Path) -> Iterable[Path]:
    """Yield where an image's YOLO text may be, ``labels`` for its last folder ``images`` too."""
    beside = image.with_suffix(".txt")
    yield beside
    yield image.parent.parent / "labels" / beside.name
    folders = list(image.parent.parts)
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        yield Path(*folders[:last], "labels", *folders[last + 1 :], beside.name)


def _mark(line: str, labels: Sequence[str], where: str) -> Mark:
    try:
        number, x, y, width, height = line.split()
        shares = [float(value) for value in (x, y, width, height)]
        index = int(number)
        inside = all(0.0 <= share <= 1.0 for share in shares)
        if index < 0 or not inside or min(shares[2:]) == 0.0:
            raise ValueError(line)
    except ValueError:
        raise ReferencesError(
            f"{where}: {line[:80]!r} is no box",
            "write class, centre x, centre y, width, height in shares of the image",
        ) from None
    if labels and index >= len(labels):
        raise ReferencesError(
            f"{where}: class {index}, and the model has {len(labels)} labels",
            "number the classes as the model does",
        )
    x0, y0, across, down = shares
    corners = (x0 - across / 2, y0 - down / 2, x0 + across / 2, y0 + down / 2)
    return Mark(labels[index] if labels else f"class {index}", corners, shares=True)
