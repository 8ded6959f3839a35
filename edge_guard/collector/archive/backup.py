"""Backups of a running collector: a folder that is there whole or not at all.

Pictures are taken before the moment of the database, and after it those that came meanwhile: so
every picture of that moment is among them, even if retention deletes it while the backup is made.
A backup that was cut short stays under another name and is never taken for one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import Connection, func, inspect, select

from edge_guard import __version__
from edge_guard.collector.archive.snapshot import bring_back, moment, take
from edge_guard.collector.pictures import Pictures, is_digest
from edge_guard.collector.pictures.folder import files
from edge_guard.collector.schema import events, pictures
from edge_guard.collector.store import Store, connect, failing
from edge_guard.errors import StoreError

_TOGETHER = 64
_NOTE = "backup.json"


class Backup(msgspec.Struct, frozen=True):
    """What a backup says of itself.

    Attributes
    ----------
    edge_guard : str
        The version that made it.
    taken : str
        When, in UTC.
    kind : str
        ``sqlite`` or ``postgresql``: of what its database is.
    events, pictures : int
        In its database.
    missing : int
        Of these pictures, those that were not in their store any more.
    """

    edge_guard: str
    taken: str
    kind: str
    events: int
    pictures: int
    missing: int


def back_up(url: str, store: Pictures, bundles: Path, target: Path) -> Backup:
    """Return what was backed up, once all of it is in ``target``.

    Parameters
    ----------
    url : str
        Of the database, which may be in use.
    store : Pictures
        Its pictures get a second name where the disk is the same, else they are copied.
    bundles : Path
        Folder of offered bundles; may be missing.
    target : Path
        Folder; must not exist.

    Raises
    ------
    StoreError
        ``target`` exists or cannot be written, or the database cannot be read.
    """
    part = target.with_name(f".{target.name}.part-{os.getpid()}")
    try:
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        done = _write(part, url, store, bundles)
        os.sync()
        part.rename(target)
    except OSError as error:
        raise StoreError(
            f"the backup cannot be written to {target} ({error.strerror})",
            "name a new folder on a disk with room",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def restore(backup: Path, url: str, store: Pictures, bundles: Path) -> Backup:
    """Return what was restored; the database comes last, so what was cut short can be repeated.

    Parameters
    ----------
    backup : Path
        What ``back_up`` wrote.
    url : str
        Of a database that does not exist, or is empty.
    store : Pictures
    bundles : Path
        Folder for offered bundles.

    Raises
    ------
    StoreError
        ``backup`` is none, the database is not empty, or something cannot be written.
    """
    note = _read_note(backup)
    _check_empty(url)
    try:
        paths = (path for path in files(backup / "frames") if is_digest(path.name))
        while some := list(islice(paths, _TOGETHER)):
            contents = [path.read_bytes() for path in some]
            store.put_all({sha256(content).hexdigest(): content for content in contents})
        if (backup / "bundles").is_dir():
            shutil.copytree(backup / "bundles", bundles, dirs_exist_ok=True)
        bring_back(backup, url)
    except OSError as error:
        raise StoreError(
            f"{backup} cannot be restored ({error.strerror})", "free space, or correct permissions"
        ) from error
    opened = Store(url, store)  # brings a backup of an older edge-guard up to date
    with opened.engine.connect() as connection:
        found = _rows(connection)
    opened.close()
    if found != note.events:
        raise StoreError(f"{found} of {note.events} frames were restored", "repeat it elsewhere")
    return note


def _write(part: Path, url: str, store: Pictures, bundles: Path) -> Backup:
    (part / "frames").mkdir(parents=True)
    _save(store, store.digests(float("inf")), part / "frames")
    with moment(url) as connection:
        kind = take(connection, url, part)
        shown = list(connection.scalars(select(pictures.c.sha256)))
        n = _rows(connection)
    missing = _save(store, shown, part / "frames")
    if bundles.is_dir():
        shutil.copytree(bundles, part / "bundles", ignore=shutil.ignore_patterns(".*"))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    done = Backup(__version__, now, kind, n, len(shown), missing)
    (part / _NOTE).write_bytes(msgspec.json.format(msgspec.json.encode(done)))
    return done


def _save(store: Pictures, digests: Iterable[str], folder: Path) -> int:
    """Return how many of the pictures are in neither place; the others are in the folder now."""
    missing = 0
    for digest in digests:
        path = folder / digest[:2] / digest
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            missing += not store.save(digest, path)
    return missing


def _rows(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(events)) or 0


def _read_note(backup: Path) -> Backup:
    try:
        return msgspec.json.decode((backup / _NOTE).read_bytes(), type=Backup)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"{backup} is no backup, or one that was cut short ({_NOTE}: {error})",
            "name a folder that 'edge-guard store backup' has finished",
        ) from error


def _check_empty(url: str) -> None:
    engine = connect(url)
    with failing(url):
        tables = inspect(engine).get_table_names()
    engine.dispose()
    if tables:
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"there is a database at {where} already", "move it away, or name another in [store]"
        )
