"""The spool's SQLite file: its tables, its transactions, and what happens when it is damaged.

``message`` holds one row for a message (part 0) and one for its picture (part 1). ``epoch`` says
where a row is on its way: 0 never sent, −1 to be sent again, else the round in which it was sent.
Triggers keep ``total`` exact, so that nobody counts rows in the hot path. STRICT lets SQLite's
check find a damaged type.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from edge_guard.errors import StoreError
from edge_guard.publish.marks import Marks
from edge_guard.publish.pictures import Pictures, sync_directory
from edge_guard.publish.reserve import Reserve

log = logging.getLogger(__name__)

VERSION = 1
_BUSY_SECONDS = 10.0
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PRAGMAS = (
    "journal_mode=WAL",
    "wal_autocheckpoint=256",  # pages; a small disk cannot hold SQLite's usual 1000
    "temp_store=MEMORY",
)
_SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, part INTEGER NOT NULL,
    kind TEXT NOT NULL, topic TEXT NOT NULL, retain INTEGER NOT NULL,
    payload BLOB, file TEXT, bytes INTEGER NOT NULL, crc INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    UNIQUE (boot_id, sequence, part)) STRICT;
CREATE INDEX message_due ON message (part, epoch, id);
CREATE INDEX message_kind ON message (kind, id);
CREATE TABLE boot (boot_id TEXT PRIMARY KEY, last INTEGER NOT NULL, sent INTEGER NOT NULL);
CREATE TABLE loss (kind TEXT, cause TEXT, n INTEGER NOT NULL, PRIMARY KEY (kind, cause));
CREATE TABLE alarm (topic TEXT PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE total (part INTEGER PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0, 0), (1, 0, 0);
CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    UPDATE total SET rows = rows + 1, bytes = bytes + new.bytes WHERE part = new.part; END;
CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
    UPDATE total SET rows = rows - 1, bytes = bytes - old.bytes WHERE part = old.part; END;
CREATE TRIGGER message_resized AFTER UPDATE OF bytes ON message BEGIN
    UPDATE total SET bytes = bytes - old.bytes + new.bytes WHERE part = new.part; END;
"""


class DamagedError(StoreError):
    """The file is not the intact database that it was."""


class FullError(StoreError):
    """The disk has no room left."""


class Database:
    """The spool's folder, held by one process: database, pictures, lock.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    reserve_bytes : int
        Room on the disk to hold back.

    Raises
    ------
    StoreError
        The folder cannot be written, or another process has it.

    Attributes
    ----------
    set_aside : Path or None
        Where a damaged spool was put since this one was opened.
    generation : int
        Counts the files that were set aside.
    mutex : RLock
        Held during every transaction.
    reserve : Reserve
    marks : Marks
    """

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self.folder = folder
        self.set_aside: Path | None = None
        self.generation = 0
        self._usable = False
        self.mutex = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync_directory(folder.parent)
            self._lock = (folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"spool {folder} is in use by another process",
                "stop it, or give this device a [spool] path of its own",
            ) from None
        except OSError as error:
            raise self._unusable(error) from error
        self.reserve = Reserve(folder / "reserve", reserve_bytes)
        self.marks = Marks(folder / "marks.json")
        with self.reserve.lent():  # SQLite needs some for its files even to open them
            self.open()

    def open(self) -> None:
        """Open the database; a damaged one is set aside with its pictures, and a new one made."""
        try:
            self._open()
        except DamagedError as damage:
            self.replace(damage)

    def replace(self, damage: DamagedError) -> None:
        """Set the database aside as a wreck, whatever a check of it says, and open a new one.

        Where the disk refuses, the next transaction tries to open it.
        """
        log.error("%s; a new one is used, with what is whole in it", damage.problem)
        with self.reserve.lent():
            try:
                self._put_aside()
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error
            self._open()

    def wrecks(self) -> list[Path]:
        """Return the folders of damaged databases that nobody has looked through yet."""
        return sorted(self.folder.glob("wreck-*"))

    def rescued(self) -> None:
        """Note that the wrecks were looked through; the newest is kept.

        Raises
        ------
        StoreError
            The disk fails.
        """
        try:
            for wreck in self.wrecks():
                for older in self.folder.glob("damaged-*"):
                    shutil.rmtree(older, ignore_errors=True)
                aside = self.folder / wreck.name.replace("wreck", "damaged")
                wreck.rename(aside)
                self.set_aside = aside
                sync_directory(self.folder)
                log.error("the damaged spool is kept as %s", aside)
        except OSError as error:
            raise self._unusable(error) from error

    def checkpoint(self) -> None:
        """Give the log's room back to the disk, as far as that can be done now."""
        with self.mutex, contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction; committed at the end, undone on an error.

        Parameters
        ----------
        durable : bool
            True: on the disk when the block ends. False: a power cut may undo it, with every
            later one.

        Raises
        ------
        StoreError
            The disk is full or fails; ``DamagedError`` when the file is corrupt.
        """
        with self.mutex:
            if not self._usable:
                self._open()
            try:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                raise self._unusable(error) from error

    def close(self) -> None:
        """Close the database and let another process have the folder."""
        with self.mutex:
            self._connection.close()
            self._lock.close()

    def _open(self) -> None:
        path = self.folder / "spool.sqlite"
        try:
            self._disconnect()
            self.pictures = Pictures(self.folder / "pictures")
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._check_or_create()
            self._usable = True
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise self._unusable(error) from error

    def _check_or_create(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;"
            )
            return
        if version != VERSION:
            raise DamagedError(f"spool {self.folder} has version {version}, not {VERSION}")
        if self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise DamagedError(f"spool {self.folder} fails SQLite's check")

    def _disconnect(self) -> None:
        self._usable = False
        if hasattr(self, "_connection"):
            self._connection.close()

    def _put_aside(self) -> None:
        self._disconnect()
        wreck = self.folder / f"wreck-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}"
        wreck.mkdir()
        self.generation += 1
        for path in [*sorted(self.folder.glob("spool.sqlite*")), self.folder / "pictures"]:
            if path.exists():
                path.rename(wreck / path.name)
        sync_directory(self.folder)

    def _unusable(self, error: sqlite3.Error | OSError | UnicodeDecodeError) -> StoreError:
        extended = getattr(error, "sqlite_errorcode", 0)
        code = extended & 0xFF
        words = str(error)  # a text in the file, or SQLite's words about it, may be garbled
        garbled = isinstance(error, UnicodeDecodeError) or "Could not decode to UTF-8" in words
        if code in _CORRUPT or type(error) is sqlite3.DatabaseError or garbled:
            return DamagedError(f"spool {self.folder} is damaged ({error})")
        full = code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE
        if full or getattr(error, "errno", 0) in _FULL:
            return FullError(f"spool {self.folder}: its disk is full ({error})", "make room on it")
        return StoreError(
            f"spool {self.folder} cannot be used ({error})", "check its disk and permissions"
        )
