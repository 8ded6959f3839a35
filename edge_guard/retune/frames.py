"""Labelled frames of production: what a device said of each, and what people say of its answer."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_guard.drift.accuracy import UNSURE
from edge_guard.errors import ReferencesError
from edge_guard.retune.betting import Scale, scales
from edge_guard.types import Doubles

COLUMNS = ("event_id", "occurred_ms", "verdict", "reason", "confidence", "sampled", "answer")
"""Of a file of labels, whose lines stand in the order of judging; other columns are ignored."""

Answer = Literal["right", "wrong", "unsure", ""]
_ANSWERS = ("right", "wrong", "unsure", "")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes
    ----------
    event_id : str
    occurred_ms : int
        When it was captured, since the Unix epoch.
    confidence : float
        Under the parent bundle; NaN where the model gave no answer.
    open : bool
        The guards and the gate let it pass: the confidence decides about it.
    accepted : bool
        By the device.
    sampled : float or None
        With which probability it was drawn at random; None: it was not.
    answer : str
        ``right``, ``wrong``, ``unsure``; empty: nobody has said.
    """

    event_id: str
    occurred_ms: int
    confidence: float
    open: bool
    accepted: bool
    sampled: float | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Frames:
    """N frames in the order of their capture.

    Attributes
    ----------
    confidence : Doubles
        (N,).
    open, accepted, judged, wrong : array of bool
        (N,); what people were unsure of counts as judged and wrong.
    unsure : array of bool
        (N,).
    probability : Doubles
        (N,) of being drawn; NaN for those that were not.
    turn : array of int
        (N,) when each was judged, as a place in a row.
    first_ms, last_ms : int
        Of those that were judged; 0 of none.
    digest : str
        Of which frames were judged, and how.
    """

    confidence: Doubles
    open: npt.NDArray[np.bool_]
    accepted: npt.NDArray[np.bool_]
    judged: npt.NDArray[np.bool_]
    wrong: npt.NDArray[np.bool_]
    unsure: npt.NDArray[np.bool_]
    probability: Doubles
    turn: npt.NDArray[np.intp]
    first_ms: int
    last_ms: int
    digest: str

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def drawn(self) -> npt.NDArray[np.bool_]:
        """Which were drawn at random, (N,)."""
        return ~np.isnan(self.probability)

    def scales(self, first: int) -> list[Scale]:
        """Return the scales of stakes on the drawn frames, of which there must be some.

        Parameters
        ----------
        first : int
            So many of the drawn frames set the first one.
        """
        drawn = self.probability[self.drawn]
        return scales(float(drawn[:first].min()), float(drawn.min()))


def is_open(verdict: str, reason: str) -> bool:
    """Return whether only the confidence decides about a frame.

    Parameters
    ----------
    verdict : str
    reason : str
        The leading one; empty where there is none. What the guards or the gate say comes first.
    """
    return verdict == "accept" or (verdict == "review" and reason in UNSURE)


def gathered(frames: Iterable[Frame]) -> Frames:
    """Return frames as columns.

    Parameters
    ----------
    frames : iterable of Frame
        In the order in which people judged them; of one event, the last counts.
    """
    by_id: dict[str, Frame] = {}
    for frame in frames:
        by_id.pop(frame.event_id, None)
        by_id[frame.event_id] = frame
    turns = {event: turn for turn, event in enumerate(by_id)}
    rows = sorted(by_id.values(), key=lambda frame: (frame.occurred_ms, frame.event_id))
    judged = [row for row in rows if row.answer]
    said = "\n".join(f"{row.event_id} {row.answer}" for row in judged)
    return Frames(
        confidence=np.array([row.confidence for row in rows], np.float64),
        open=np.array([row.open and not math.isnan(row.confidence) for row in rows], np.bool_),
        accepted=np.array([row.accepted for row in rows], np.bool_),
        judged=np.array([bool(row.answer) for row in rows], np.bool_),
        wrong=np.array([row.answer in ("wrong", "unsure") for row in rows], np.bool_),
        unsure=np.array([row.answer == "unsure" for row in rows], np.bool_),
        probability=np.array(
            [math.nan if row.sampled is None else row.sampled for row in rows], np.float64
        ),
        turn=np.array([turns[row.event_id] for row in rows], np.intp),
        first_ms=min((row.occurred_ms for row in judged), default=0),
        last_ms=max((row.occurred_ms for row in judged), default=0),
        digest=hashlib.sha256(said.encode()).hexdigest() if judged else "",
    )


def read_labels(path: Path) -> Frames:
    """Return the frames of a CSV file with the columns `COLUMNS`.

    Raises
    ------
    ReferencesError
        It cannot be read, or a line is no frame; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            found = reader.fieldnames or ()
            missing = [name for name in COLUMNS if name not in found]
            if missing and {"boot", "model_label"} <= set(found):
                raise ReferencesError(
                    f"{path} was written by 'edge-guard labels export', which tells neither the "
                    "bundles nor the drawn frames that nobody has judged",
                    "take them from the database: --collector COLLECTOR.toml --device --stream",
                )
            if missing:
                raise ReferencesError(
                    f"{path} lacks the column {missing[0]}",
                    f"a file of labels has the columns {', '.join(COLUMNS)}",
                )
            return gathered([_frame(row, f"{path}:{reader.line_num}") for row in reader])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise ReferencesError(f"labels {path} cannot be read ({cause})", "check the file") from None


def write_labels(frames: Iterable[Frame], path: Path) -> None:
    """Write the file that `read_labels` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_row(frame) for frame in frames)


def _row(frame: Frame) -> dict[str, object]:
    """Return a frame as a line; why the guards stopped it is not kept."""
    return {
        "event_id": frame.event_id,
        "occurred_ms": frame.occurred_ms,
        "verdict": "accept" if frame.accepted else "review",
        "reason": "" if frame.accepted else "confidence" if frame.open else "guards",
        "confidence": "" if math.isnan(frame.confidence) else repr(frame.confidence),
        "sampled": "" if frame.sampled is None else repr(frame.sampled),
        "answer": frame.answer,
    }


def _frame(row: Mapping[str, str | None], where: str) -> Frame:
    text = {name: (row[name] or "").strip() for name in COLUMNS}
    if text["answer"] not in _ANSWERS:
        raise ReferencesError(
            f"{where}: answer {text['answer']!r} is none",
            "write right, wrong, unsure, or nothing where nobody has said",
        )
    if text["verdict"] not in ("accept", "review", "invalid"):
        raise ReferencesError(
            f"{where}: verdict {text['verdict']!r} is none", "write accept, review or invalid"
        )
    sampled = _number(text["sampled"], where, "sampled")
    if not (math.isnan(sampled) or 0.0 < sampled <= 1.0):
        raise ReferencesError(
            f"{where}: sampled {sampled:g} is no probability of being drawn",
            "it is more than 0 and at most 1, or empty where the frame was not drawn at random",
        )
    when = _number(text["occurred_ms"], where, "occurred_ms")
    return Frame(
        event_id=text["event_id"] or where,
        occurred_ms=0 if math.isnan(when) else int(when),
        confidence=_number(text["confidence"], where, "confidence"),
        open=is_open(text["verdict"], text["reason"]),
        accepted=text["verdict"] == "accept",
        sampled=None if math.isnan(sampled) else sampled,
        answer=text["answer"],  # type: ignore[arg-type]
    )


def _number(text: str, where: str, column: str) -> float:
    """Return a finite number, NaN for an empty field."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise ReferencesError(f"{where}: {column} {text!r} is no number", "correct the line")
    return value
