"""A real PostgreSQL for tests, run from the binaries of this machine."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from resender import wait_until
from sqlalchemy import make_url


def program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs; None where it is not installed."""
    if found := shutil.which(name):
        return found
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(newest[0]) if newest else None


def missing() -> str:
    """Return why no PostgreSQL can run here; empty where it can."""
    names = [name for name in ("initdb", "postgres") if program(name) is None]
    if names:
        return f"PostgreSQL is not installed ({', '.join(names)}): apt-get install postgresql"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL does not run as root, and there is neither user postgres nor nobody"
    return ""


def _user() -> str | None:
    """Return whom to run as where the tests run as root."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


class PostgresServer:
    """A server with a password, on a socket in a folder of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="eg-pg-"))  # short: sockets have short names
        self.password = secrets.token_hex(8)
        self._count = 0
        self._shared = ""
        self._as: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            name = _user()
            assert name is not None
            group = pwd.getpwnam(name).pw_gid
            shutil.chown(self.folder, name, group)
            self._as |= {"user": name, "group": group, "extra_groups": []}
        self._initialise()
        self.start()

    def url(self, database: str, password: str | None = None) -> str:
        """Return what the collector is told."""
        secret = self.password if password is None else password
        return f"postgresql+psycopg://edge:{secret}@/{database}?host={self.folder}"

    def new(self) -> str:
        """Return the URL of an empty database, for a test that changes tables."""
        self._count += 1
        self.execute(f"CREATE DATABASE test_{self._count}")
        return self.url(f"test_{self._count}")

    def emptied(self) -> str:
        """Return the URL of a database whose tables, where it has them, are empty.

        It is always the same one, which is four times faster than a new one; whoever still uses it
        is thrown out.
        """
        if not self._shared:
            self._shared = self.new()
        url = make_url(self._shared)
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{url.database}'"
        )
        with self._connect(str(url.database)) as connection:
            tables = connection.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables "
                "WHERE schemaname = 'public' AND tablename <> 'migrations'"
            ).fetchone()
            if tables and tables[0]:
                # The audit trail refuses to be emptied, but for whoever switches triggers off.
                connection.execute("SET session_replication_role = replica")
                connection.execute(f"TRUNCATE {tables[0]} RESTART IDENTITY")
        return self._shared

    def execute(self, statement: str) -> None:
        """Execute a statement that no transaction may hold."""
        self._administrator.execute(statement)

    def start(self) -> None:
        """Return when it answers."""
        postgres = program("postgres")
        # Without fsync a loss of power harms it, a kill does not; tests take a third of the time.
        settings = {
            "fsync": "off",
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
        }
        options = [f"-c{key}={value}" for key, value in settings.items()]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [str(postgres), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                **self._as,
            )
        wait_until(self._answers, 30)

    def kill(self) -> None:
        """End it with all its processes at once; it recovers when it is started again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def stop(self) -> None:
        """End it, and delete its databases."""
        self._administrator.close()
        self.kill()
        shutil.rmtree(self.folder)

    def _initialise(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o644)
        options = ("--no-sync", "--username=edge", f"--pwfile={secret}", "--auth=scram-sha-256")
        options += ("--encoding=UTF8", "--locale=C")
        done = subprocess.run(
            [str(program("initdb")), f"--pgdata={self.folder / 'data'}", *options],
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, done.stderr

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self._administrator = self._connect("postgres")
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.folder),
            user="edge",
            password=self.password,
            dbname=database,
            autocommit=True,
        )
