"""Opening the collector's database: durable, migrated once, refused with a remedy."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from reports import Reporter
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from edge_guard.collector.parse import Message, parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.schema import MIGRATIONS, metadata, migrate
from edge_guard.collector.store import Store
from edge_guard.errors import ConfigError, StoreError

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgresql"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same database again and again; at first it has no tables."""
    url = f"sqlite:///{tmp_path / 'c.sqlite'}"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new()
    return lambda: Store(url, PictureStore(tmp_path / "frames"))


def refused(url: str, folder: Path) -> str:
    with pytest.raises((StoreError, ConfigError)) as refusal:
        Store(url, PictureStore(folder / "frames"))
    message = str(refusal.value)
    assert "\n" not in message
    return message


def event(boot: str = "b1") -> list[Message | str]:
    message = parse(*Reporter(boot=boot).event()[0], "edge-guard/v1")
    assert message is not None
    return [message]


def test_what_was_stored_is_there_again(reopen: Open) -> None:
    with closing(reopen()) as store:
        store.apply(event())
    with closing(reopen()) as store:
        assert len(Queries(store.engine).events(10)) == 1


def test_sqlite_is_durable(tmp_path: Path) -> None:
    with closing(Store(f"sqlite:///{tmp_path}/c.sqlite", PictureStore(tmp_path))) as store:  # noqa: SIM117
        with store.engine.connect() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA synchronous")) == 2


def test_a_newer_schema_is_refused(reopen: Open) -> None:
    with closing(reopen()) as store, store.writing() as connection:
        connection.execute(text("INSERT INTO migrations VALUES ('9999-from-the-future')"))
    with pytest.raises(StoreError, match=r"9999-from-the-future.*install the edge-guard that"):
        reopen()


def test_migrations_run_once_in_order_and_all_or_nothing(reopen: Open) -> None:
    names = [(name, lambda _: None) for name, _ in MIGRATIONS]
    add = ("9001-note", lambda c: c.execute(text("ALTER TABLE devices ADD COLUMN note TEXT")))

    def fail(_: object) -> None:
        raise OperationalError("step", {}, Exception("broken step"))

    with closing(reopen()) as store, store.engine.connect() as connection:
        with pytest.raises(OperationalError), connection.begin():
            migrate(connection, [*names, add, ("9002-broken", fail)])
        with connection.begin():
            assert migrate(connection, [*names, add]) == ["9001-note"]
        with connection.begin():
            assert migrate(connection, [*names, add]) == []


def test_collectors_that_start_together_make_the_tables_once(reopen: Open) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(reopen())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(opened) == 4  # a thread that failed has added none
    tables = set(inspect(opened[0].engine).get_table_names())
    assert tables >= {table.name for table in metadata.sorted_tables}
    for number, store in enumerate(opened):
        store.apply(event(f"boot-{number}"))
        store.close()


def test_a_damaged_or_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"not a database at all " * 100)
    message = refused(f"sqlite:///{tmp_path}/c.sqlite", tmp_path)
    assert "c.sqlite" in message
    assert "not a database" in message
    assert "backup" in message


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://u:secret@h/d", "sqlite+nothing:///x", "postgresql+pg8000://u:secret@h/d"],
)
def test_a_wrong_url_is_refused_without_showing_its_password(tmp_path: Path, url: str) -> None:
    message = refused(url, tmp_path)
    assert "secret" not in message
    assert "postgresql://USER@HOST/DATABASE" in message


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be opened" in refused(f"sqlite:///{tmp_path}/file/c.sqlite", tmp_path)
    with pytest.raises(StoreError, match="file/frames"):
        PictureStore(tmp_path / "file" / "frames")


def test_postgresql_that_cannot_be_used_is_refused_with_a_remedy(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    wrong = refused(postgres.url("postgres", password="guessed"), tmp_path)
    assert "password authentication failed" in wrong
    assert "correct user and password" in wrong
    assert "guessed" not in wrong
    assert "createdb" in refused(postgres.url("nowhere"), tmp_path)
    assert "start PostgreSQL there" in refused(f"postgresql:///x?host={tmp_path}", tmp_path)
    assert "start PostgreSQL there" in refused("postgresql://u@127.0.0.1:1/x", tmp_path)
    assert "correct the host" in refused("postgresql://u@no-such-host.invalid/x", tmp_path)


def test_a_missing_driver_is_an_error_that_names_the_extra(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from edge_guard.collector.pictures import PictureStore\n"
        "from edge_guard.collector.store import Store\n"
        "Store('postgresql://u@h/d', PictureStore(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "pip install 'edge-guard[postgres]'" in done.stderr


def test_a_server_that_went_away_fails_batches_until_it_is_back(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with closing(Store(postgres.new(), PictureStore(tmp_path))) as store:
        store.apply(event("before"))
        postgres.kill()
        with pytest.raises(OperationalError):
            store.apply(event("lost"))
        postgres.start()
        store.apply(event("lost"))
        assert len(Queries(store.engine).events(10)) == 2


def test_a_database_without_part_ids_gets_them(reopen: Open) -> None:
    with closing(reopen()) as store:
        store.apply(event())
        with store.writing() as connection:
            connection.execute(text("DROP INDEX events_by_part"))
            connection.execute(text("ALTER TABLE events DROP COLUMN part"))
            connection.execute(text("DELETE FROM migrations WHERE name = '0016-parts'"))
    with closing(reopen()) as store:
        message = parse(*Reporter(boot="new").event(part_id="A-1")[0], "edge-guard/v1")
        assert message is not None
        store.apply([message])
        queries = Queries(store.engine)
        assert [row.event.part_id for row in queries.events(9)] == ["A-1", ""]
        assert [row.event.part_id for row in queries.events(9, part="A-1")] == ["A-1"]
        assert queries.events(9, part="") == []
        indexes = inspect(store.engine).get_indexes("events")
        assert "events_by_part" in {one["name"] for one in indexes}
