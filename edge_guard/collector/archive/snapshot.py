"""One moment of a database as a file, taken while others write, and the way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from edge_guard.collector.store import connect, failing
from edge_guard.errors import ConfigError, StoreError

FILES = {"sqlite": "database.sqlite", "postgresql": "database.dump"}


@contextmanager
def moment(url: str) -> Iterator[Connection]:
    """Give a transaction that sees one moment of an existing database, whatever others write.

    Raises
    ------
    StoreError
        There is no such database, or it cannot be read.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise StoreError(f"there is no database {parsed.database}", "correct [store] url")
    engine = connect(url)
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name != "sqlite" else {}
    with ExitStack() as cleanup:
        cleanup.callback(engine.dispose)
        with failing(url):
            connection = cleanup.enter_context(engine.connect()).execution_options(**options)
            connection.execute(text("SELECT name FROM migrations")).all()  # the moment begins
        yield connection


def take(connection: Connection, url: str, folder: Path) -> str:
    """Return the kind of database, once the moment that ``connection`` sees is in ``folder``.

    Raises
    ------
    StoreError
        ``pg_dump`` is missing or fails.
    sqlite3.Error, OSError
        The folder cannot be written.
    """
    kind = connection.dialect.name
    path = folder / FILES[kind]
    if kind == "sqlite":
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        target = sqlite3.connect(path)
        source.backup(target)  # in one step: it would begin again with every write of others
        target.close()
    else:
        moment_id = connection.scalar(text("SELECT pg_export_snapshot()"))
        snapshot = f"--snapshot={moment_id}"
        _run(url, "pg_dump", "--format=custom", "--no-owner", snapshot, f"--file={path}")
    _sync(path)
    return kind


def bring_back(folder: Path, url: str) -> None:
    """Make the database at ``url``, which must not exist or be empty, the one in ``folder``.

    Raises
    ------
    StoreError
        There is something at ``url``, it is another kind, or ``pg_restore`` is missing or fails.
    """
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if not (source := folder / FILES.get(kind, "")).is_file():
        raise StoreError(
            f"the backup is not of a {kind} database",
            "restore it to its own kind, then use 'edge-guard store move'",
        )
    if kind == "postgresql":
        _run(url, "pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", source)
        return
    path = Path(parsed.database or "")
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, part)
    _sync(part)
    part.rename(path)
    _sync(path.parent)


def _run(url: str, program: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs on the database; its password stays off the command line."""
    if shutil.which(program) is None:
        raise ConfigError(
            f"this needs {program}, which is not installed",
            "install PostgreSQL's client programs of the server's version (postgresql-client)",
        )
    parsed = make_url(url).set(drivername="postgresql")
    environment = dict(os.environ)
    if parsed.password is not None:
        environment["PGPASSWORD"] = str(parsed.password)
    address = parsed._replace(password=None).render_as_string()
    done = subprocess.run(
        [program, "--no-password", f"--dbname={address}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StoreError(f"{program} failed ({' '.join(done.stderr.split())[:500]})")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
