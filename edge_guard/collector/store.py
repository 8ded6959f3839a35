"""The collector's database: opened, migrated, written in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from edge_guard.collector.changes import Applied
from edge_guard.collector.parse import Message
from edge_guard.collector.pictures import Pictures
from edge_guard.collector.schema import migrate
from edge_guard.collector.transaction import Transaction
from edge_guard.collector.webhooks.outbox import Outbox
from edge_guard.errors import ConfigError, StoreError, missing_extra

_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 16384",
)
"""A batch changes a page of each index for each device: a log of 64 MiB, where SQLite's own choice
is 4, takes many such changes before each page is written to its place once."""

_PICTURES = 0x7069637475726573
"""Names the lock that batches share and deletions have alone."""
_TURN = 0x6564676567756172
"""Names the lock that all who write anything but batches have alone."""
_POSTGRES = "postgresql+psycopg"
_PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 20_000, "keepalives_idle": 30}
"""Of libpq: a server that vanished from the network is given up after so many s, ms and s."""


class Store:
    """The one writer of the database; readers use ``engine``.

    Parameters
    ----------
    url : str
        ``sqlite:///collector.sqlite`` or ``postgresql://user@host/database``.
    pictures : Pictures
    outbox : Outbox, optional
        Hears what webhooks are to be told; left out: they are told nothing.

    Raises
    ------
    StoreError
        The database cannot be opened, is damaged, or was written by a newer edge-guard.
    ConfigError
        ``url`` is none.
    """

    def __init__(self, url: str, pictures: Pictures, outbox: Outbox | None = None) -> None:
        self.pictures = pictures
        self.outbox = outbox or Outbox()
        self.engine = connect(url)
        try:
            with failing(url), self.writing() as connection:
                migrate(connection)
        except StoreError:
            self.engine.dispose()
            raise

    def apply(self, batch: Sequence[Message | str]) -> Applied:
        """Return what the batch changed, once it is committed: all of it or nothing.

        Parameters
        ----------
        batch : sequence of Message or str
            Messages in the order of their arrival; a text is the cause of a refusal to count.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, OSError
            The database or the picture folder fails; nothing of the batch is stored.
        """
        with self._transaction() as connection:
            _lock(connection, "pg_advisory_xact_lock_shared", _PICTURES)
            now = time.time_ns() // 1_000_000
            return Transaction(connection, self.pictures, now, self.outbox).apply(batch)

    def close(self) -> None:
        """Let the database go."""
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that may write; it is committed at the end, or undone as a whole.

        What it reads stays as it is until then, but for what batches of messages change: of all
        collectors on one database, one after the other writes by this.
        """
        with self._transaction() as connection:
            _lock(connection, "pg_advisory_xact_lock", _TURN)
            yield connection

    @contextmanager
    def deleting(self) -> Iterator[Connection]:
        """Give a transaction as ``writing``; no collector stores or deletes anything meanwhile."""
        with self.writing() as connection:
            # A batch may refer to a picture that it has seen, which must not go before its commit.
            _lock(connection, "pg_advisory_xact_lock", _PICTURES)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        # SQLite must take its write lock first: a reader that turns into a writer can only fail.
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection


def _lock(connection: Connection, function: str, name: int) -> None:
    """Take a lock until the end of the transaction."""
    if connection.dialect.name == "postgresql":  # SQLite's writers take turns anyway
        connection.exec_driver_sql(f"SELECT {function}({name})")


_REMEDIES = {
    "not a database": "move the file away, or restore it from a backup",
    "malformed": "move the file away, or restore it from a backup",
    "locked": "stop the other collector that uses it",
    "full": "free space on its disk",
    "password": "correct user and password in [store] url, or its passfile",
    "role ": "create the user: createuser --pwprompt USER",
    "database ": "create it: createdb --owner=USER DATABASE",
    "permission denied": "let the user create tables: ALTER DATABASE … OWNER TO …",
    "refused": "start PostgreSQL there, or correct host and port in [store] url",
    "No such file": "start PostgreSQL there, or correct host and port in [store] url",
    "resolve": "correct the host in [store] url",
    "timeout": "let this machine reach host and port in [store] url",
    "too many": "raise max_connections of the server, or let fewer collectors use it",
}
"""What to do, by a word of the database's own complaint."""


def connect(url: str) -> Engine:
    """Return the database as it is, without any migration.

    Raises
    ------
    ConfigError
        ``url`` is none, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(parsed)
        if parsed.drivername in {"postgresql", _POSTGRES}:
            url_of_driver = parsed.set(drivername=_POSTGRES)
            return create_engine(
                url_of_driver, pool_pre_ping=True, connect_args=_PATIENCE, hide_parameters=True
            )
    except (ArgumentError, NoSuchModuleError) as error:
        raise _bad_url(url) from error
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "the database driver", "postgres") from error
    raise _bad_url(url)


@contextmanager
def failing(url: str) -> Iterator[None]:
    """Turn what the database complains of into a ``StoreError`` with its remedy."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise _cannot_open(make_url(url), error) from error


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_open(url, error) from error
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bad_url(url: str) -> ConfigError:
    return ConfigError(
        f"[store] url {url.partition('//')[0]!r}… is not a database that edge-guard knows",
        "write sqlite:///FILE or postgresql://USER@HOST/DATABASE",
    )


def _cannot_open(url: URL, error: Exception) -> StoreError:
    cause = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    cause = " ".join(cause.split())
    remedy = next((text for word, text in _REMEDIES.items() if word in cause), None)
    where = url.render_as_string(hide_password=True)
    return StoreError(
        f"database {where} cannot be opened ({cause})",
        remedy or "correct [store] url, or the permissions of its file and folder",
    )
