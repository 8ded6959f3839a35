"""Datasets as the collector keeps them: made once, written out as often as somebody wants."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from edge_guard import __version__
from edge_guard.collector.datasets.archive import Entry, archive
from edge_guard.collector.datasets.layout import Filed, coco, filed, frames_csv, moment, provenance
from edge_guard.collector.datasets.selection import select_frames
from edge_guard.collector.datasets.split import APART, SPLITS, split
from edge_guard.collector.datasets.wish import Wish
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.schema import datasets, events, judgements
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import StoreError

MOST_LISTED = 100


class Counts(msgspec.Struct, frozen=True):
    """How many frames a dataset holds.

    Attributes
    ----------
    frames : int
    pictures : int
        Of them, those whose picture is stored.
    labelled, random : int
        With a label; drawn at random.
    splits, labels : dict of str to int
        By part, and by label.
    """

    frames: int
    pictures: int
    labelled: int
    random: int
    splits: dict[str, int]
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One that was made.

    Attributes
    ----------
    id : int
    name, who : str
    made_ms : int
        Since the Unix epoch.
    wish : Wish
    upto_event, upto_judgement : int
        Rows that came later do not belong to it.
    counts : Counts
    digest : str
        SHA-256 of its ``frames.csv``, which names every picture by its digest.
    """

    id: int
    name: str
    who: str
    made_ms: int
    wish: Wish
    upto_event: int
    upto_judgement: int
    counts: Counts
    digest: str


class Datasets:
    """Makes, lists and writes datasets; thread-safe.

    Parameters
    ----------
    store : Store
    pictures : Pictures
    trail : Trail
    collector : str
        Name of this collector, for the provenance.
    """

    def __init__(self, store: Store, pictures: Pictures, trail: Trail, collector: str) -> None:
        self._store, self._pictures = store, pictures
        self._trail, self._collector = trail, collector

    def preview(self, wish: Wish) -> Counts:
        """Return what a dataset would hold now.

        Raises
        ------
        StoreError
            It would be too large.
        """
        with self._store.engine.connect() as connection:
            return _counted(_filed(connection, wish, *_newest(connection)))

    def make(self, wish: Wish, name: str, who: str) -> Dataset:
        """Return a new dataset of what is stored and said until now.

        Raises
        ------
        StoreError
            It would hold nothing, or be too large.
        """
        with self._store.engine.connect() as connection:  # nobody's writing waits for the reading
            upto = _newest(connection)
            files = _filed(connection, wish, *upto)
        if not files:
            raise StoreError("no frame is what was asked for", "choose a longer time or others")
        row = {"name": name, "who": who, "made_ms": time.time_ns() // 1_000_000}
        row |= {"wish": _text(wish), "upto_event": upto[0], "upto_judgement": upto[1]}
        row |= {"counts": _text(_counted(files)), "digest": _digest(files)}
        with self._store.writing() as connection:
            statement = datasets.insert().values(row).returning(datasets)
            made = _dataset(connection.execute(statement).one())
            details = {"name": name, "frames": made.counts.frames, "sha256": made.digest}
            self._trail.note(who, "dataset.make", f"dataset {made.id}", details, connection)
            return made

    def listed(self) -> list[Dataset]:
        """Return the newest datasets, newest first."""
        query = select(datasets).order_by(datasets.c.id.desc()).limit(MOST_LISTED)
        with self._store.engine.connect() as connection:
            return [_dataset(row) for row in connection.execute(query)]

    def get(self, number: int) -> Dataset | None:
        """Return one, or None."""
        with self._store.engine.connect() as connection:
            row = connection.execute(select(datasets).where(datasets.c.id == number)).one_or_none()
        return _dataset(row) if row is not None else None

    def written(self, made: Dataset) -> Iterator[bytes]:
        """Yield the pieces of its zip file: the same bytes while its pictures are stored."""
        with self._store.engine.connect() as connection:
            files = _filed(connection, made.wish, made.upto_event, made.upto_judgement)
        return archive(self._entries(made, files))

    def _entries(self, made: Dataset, files: list[Filed]) -> Iterator[Entry]:
        table = frames_csv(files)
        same = hashlib.sha256(table).hexdigest() == made.digest
        about = self._about(made, files) | {"changed_since_made": not same}
        yield "provenance.json", provenance(about)
        yield "frames.csv", table
        for part in (*SPLITS, APART):
            yield f"coco/{part}.json", coco(files, part, made.wish.boxed)
        missing = []
        for one in files:
            image = one.frame.event.image
            picture = self._pictures.get(image.sha256) if one.file and image else None
            if picture is not None:
                yield one.file, picture
            elif one.file:
                missing.append(f"{one.file}\n")
        if missing:
            yield "missing.txt", "".join(missing).encode()

    def _about(self, made: Dataset, files: list[Filed]) -> dict[str, Any]:
        bundles = Counter(one.frame.event.bundle for one in files)
        return {
            "dataset": made.id,
            "name": made.name,
            "made_by": made.who,
            "made_at": moment(made.made_ms).isoformat(),
            "collector": self._collector,
            "edge_guard": __version__,
            "wish": msgspec.to_builtins(made.wish),
            "upto": {"event": made.upto_event, "judgement": made.upto_judgement},
            "counts": msgspec.to_builtins(_counted(files)),
            "frames_csv_sha256": made.digest,
            "bundles": dict(bundles),
            "folders": _folders(files),
        }


def _newest(connection: Connection) -> tuple[int, int]:
    newest = [connection.scalar(select(func.max(t.c.id))) or 0 for t in (events, judgements)]
    return newest[0], newest[1]


def _filed(connection: Connection, wish: Wish, event: int, judgement: int) -> list[Filed]:
    frames = select_frames(connection, wish, event, judgement)
    return filed(frames, split(frames, wish.validation, wish.test, wish.apart_s * 1000.0))


def _counted(files: list[Filed]) -> Counts:
    labels = Counter(one.frame.label for one in files if one.frame.label is not None)
    return Counts(
        frames=len(files),
        pictures=sum(bool(one.file) for one in files),
        labelled=labels.total(),
        random=sum(one.frame.event.sampled is not None for one in files),
        splits=dict(Counter(one.split for one in files)),
        labels=dict(sorted(labels.items())),
    )


def _folders(files: list[Filed]) -> dict[str, str]:
    """Return the label that each folder stands for."""
    named = [one for one in files if one.file and one.frame.label is not None]
    return {one.file.split("/")[1]: one.frame.label or "" for one in named}


def _digest(files: list[Filed]) -> str:
    return hashlib.sha256(frames_csv(files)).hexdigest()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _dataset(row: Row[Any]) -> Dataset:
    known = dict(row._mapping)
    known["wish"] = msgspec.json.decode(row.wish, type=Wish)
    known["counts"] = msgspec.json.decode(row.counts, type=Counts)
    return Dataset(**known)
