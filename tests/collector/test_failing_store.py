"""A collector whose PostgreSQL fails, or is asked for what no database holds, says so in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from brokers import free_port
from postgres_server import PostgresServer
from resender import wait_until
from running import Running
from sqlalchemy import Engine, create_engine, text
from visitor import Visitor, people


@dataclass
class House:
    """A collector with people, and its database."""

    collector: Running
    engine: Engine
    reads: Visitor

    def fresh(self, name: str) -> Visitor:
        found = Visitor(self.collector.url)
        assert found.sign_in(name).status == 303
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[House]:
    url = postgres.new()
    running = Running(tmp_path_factory.mktemp("failing"), free_port(), url)
    config = str(running.config)
    for name, role in (("Ada", "engineer"), ("Vic", "viewer")):
        people(running.config, "add", config, name, "--role", role)
    token = people(running.config, "token", "create", config, "--name", "mes", "--scope", "read")
    reads = Visitor(running.url, headers={"Authorization": f"Bearer {token}"})
    engine = create_engine(url)
    with running:
        yield House(running, engine, reads)
    engine.dispose()


@contextmanager
def away(house: House, table: str) -> Iterator[None]:
    """A database that cannot be asked what is in a table."""
    with house.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    try:
        yield
    finally:
        with house.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))


def test_a_store_that_fails_is_said_in_the_usual_form(house: House) -> None:
    ada, reads = house.fresh("Ada"), house.reads
    with away(house, "people"), away(house, "tokens"):
        for asking in (reads, ada):
            wait_until(lambda who=asking: who.get("/api/devices").status == 503, 10)
            answer = asking.get("/api/devices")
            assert answer.headers["Retry-After"] == "5"
            assert set(answer.json()) == {"detail", "remedy"}
            assert "people" not in answer.text()
        page = ada.get("/")
        assert (page.status, page.headers["Retry-After"]) == (503, "5")
        assert "store fails" in page.text()
        assert Visitor(house.collector.url).get("/sign-in").status == 503
        assert ada.get("/api/health").json().keys() == {"status"}
    wait_until(lambda: ada.get("/").status == 200, 10)
    assert reads.get("/api/devices").status == 200


def test_strangers_learn_nothing_of_a_store_that_fails(house: House) -> None:
    vic = house.fresh("Vic")
    with away(house, "losses"):
        assert Visitor(house.collector.url).get("/api/health").json() == {"status": "degraded"}
        told = vic.get("/api/health")
        assert told.status == 503
        assert told.headers["Retry-After"] == "5"
        assert "losses" in told.json()["detail"]


def test_texts_that_databases_refuse_find_nothing(house: House) -> None:
    ada, long = house.fresh("Ada"), "x" * 5_000
    for evil in ("a%00b", long):
        for path in (
            f"/events?stream={evil}&incident={evil}",
            f"/review?line={evil}&stream={evil}&reason={evil}",
            f"/stream/1/{evil}",
            f"/retune/1/{evil}",
            f"/rollouts/new?bundle={evil}",
            f"/datasets?device={2**80}&stream={evil}",
        ):
            assert ada.get(path).status < 500, path[:60]
