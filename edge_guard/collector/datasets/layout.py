"""What a dataset's files are called, and its tables: CSV and COCO.

Folders are named like the labels, so that ``edge-guard calibrate --reference`` and ``evaluate
--id`` take them as they are. Whatever a device or a person has written is data in all of them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge_guard.collector.datasets.selection import Picked
from edge_guard.collector.spreadsheet import to_cell
from edge_guard.types import Box

UNLABELLED = "unlabelled"
COLUMNS = (
    "file", "split", "label", "answer", "judged_by", "model_label", "verdict", "confidence",
    "p_value", "why", "probability", "weight", "distance", "captured", "occurred_ms", "site",
    "line", "device", "stream", "bundle", "incident", "event", "event_id", "sha256", "width_px",
    "height_px",
)  # fmt: skip
_FORBIDDEN = set('/\\:*?"<>|%')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{n}{i}" for n in ("com", "lpt") for i in range(10))}
_MOST_LETTERS = 80


@dataclass(frozen=True, slots=True)
class Filed:
    """A frame, its part, and its file; the file is empty where the picture is not stored."""

    frame: Picked
    split: str
    file: str


def filed(frames: Sequence[Picked], splits: Sequence[str]) -> list[Filed]:
    """Return where each frame's picture goes: ``train/LABEL/…``, or ``unlabelled/train/…``."""
    return [
        Filed(frame, part, _file(frame, part)) for frame, part in zip(frames, splits, strict=True)
    ]


def folder_name(label: str) -> str:
    """Return a label as the name of a folder on any system; ordinary labels as they are.

    Letters that some system forbids are written in per cent, as in addresses.
    """
    name = "".join(_escaped(c) if c in _FORBIDDEN or not c.isprintable() else c for c in label)
    name = name[:_MOST_LETTERS]
    if not name.strip(". ") or name.split(".")[0].casefold() in _RESERVED:
        return f"%{name}" if name else "%"
    ends = [_escaped(c) if c in ". " else c for c in (name[0], name[-1])]
    return f"{ends[0]}{name[1:-1]}{ends[1] if len(name) > 1 else ''}"


def frames_csv(files: Sequence[Filed]) -> bytes:
    """Return one row a frame, with the probability with which it was drawn and its weight."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([_cell(value) for value in _row(one)] for one in files)
    return text.getvalue().encode("utf-8", "replace")


def coco(files: Sequence[Filed], split: str, boxed: Sequence[str]) -> bytes:
    """Return the labelled images of a part as COCO; files are named as they are below its folder.

    A frame has the boxes of a detector whose answer people have called right: none where it rightly
    found nothing. What other models say is no place: their frames' annotations have a box only
    where the label is one of ``boxed`` and the leading reason has a place. Frames that nobody has
    labelled are left out, and so are those where a detector was wrong: without their boxes they
    would teach that nothing is there.
    """
    marks = [(one, _marks(one.frame, boxed)) for one in files if one.file and _is_told(one.frame)]
    labels = sorted({label for _, found in marks for label, _ in found})
    numbers = {label: number for number, label in enumerate(labels, 1)}
    chosen = [(one, found) for one, found in marks if one.split == split]
    annotations = [
        {"image_id": one.frame.id, "category_id": numbers[label], **place}
        for one, found in chosen
        for label, place in found
    ]
    return _json(
        {
            "categories": [{"id": number, "name": name} for name, number in numbers.items()],
            "images": [_image(one) for one, _ in chosen],
            "annotations": [one | {"id": n} for n, one in enumerate(annotations, 1)],
        }
    )


def provenance(about: dict[str, Any]) -> bytes:
    """Return where a dataset comes from as JSON."""
    return _json(about)


def moment(ms: int) -> datetime:
    """Return a time since the Unix epoch in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(
        "utf-8", "replace"
    )


def _file(frame: Picked, part: str) -> str:
    if not frame.has_picture:
        return ""
    name = f"{moment(frame.occurred_ms):%Y%m%dT%H%M%S}-{frame.id:09}.jpg"
    if frame.label is None:
        return f"{UNLABELLED}/{part}/{name}"
    return f"{part}/{folder_name(frame.label)}/{name}"


def _row(one: Filed) -> tuple[Any, ...]:
    frame, event, image = one.frame, one.frame.event, one.frame.event.image
    return (
        one.file, one.split, frame.label, frame.answer, frame.who, event.label, event.verdict.value,
        event.confidence, event.p_value, frame.why, event.sampled,
        None if event.sampled is None else 1.0 / event.sampled, event.diverse,
        event.captured_wall_time, frame.occurred_ms, frame.site, frame.line, frame.device,
        event.stream, event.bundle, event.incident, frame.id, event.event_id,
        image.sha256 if image else None, image.width_px if image else None,
        image.height_px if image else None,
    )  # fmt: skip


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return to_cell(value)
    return "" if value is None else value


def _image(one: Filed) -> dict[str, Any]:
    event, size = one.frame.event, one.frame.event.image
    return {
        "id": one.frame.id,
        "file_name": one.file.removeprefix(f"{one.split}/"),
        "width": size.width_px if size else 0,
        "height": size.height_px if size else 0,
        "date_captured": event.captured_wall_time,
        "places": [
            {"guard": reason.guard, "box": list(reason.box)}
            for reason in event.reasons
            if reason.box is not None
        ],
    }


def _is_told(frame: Picked) -> bool:
    return frame.label is not None and (frame.event.detections is None or frame.answer == "right")


def _marks(frame: Picked, boxed: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return what a labelled frame shows: labels, and where there is one, its box and whose."""
    if frame.event.detections is not None:
        return [(one.label, _place(one.box, "model")) for one in frame.event.detections]
    label, reasons = frame.label or "", frame.event.reasons
    box = reasons[0].box if reasons else None
    if box is None or label not in boxed:
        return [(label, {})]
    return [(label, _place(box, f"guard {reasons[0].guard}"))]


def _place(box: Box, who: str) -> dict[str, Any]:
    area, drawn = box[2] * box[3], {"drawn_by": who}
    return {"bbox": list(box), "area": area, "iscrowd": 0, "attributes": drawn}


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "replace"))
