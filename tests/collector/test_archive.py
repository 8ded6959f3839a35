"""Backups, exports and moves of a store that is in use, and what a kill leaves of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from postgres_server import PostgresServer, program
from reports import Reporter, picture, reference
from resender import wait_until
from sqlalchemy import func, select, text

from edge_guard.cli.main import main
from edge_guard.collector.archive import back_up, export, move, restore
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.parse import parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.schema import events
from edge_guard.collector.store import Store
from edge_guard.errors import ConfigError, StoreError
from edge_guard.types import Verdict

BUNDLE = b"not looked at by a backup"
Another = Callable[[], str]


@pytest.fixture
def another(store_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """Give URLs of databases that do not exist yet, of the kind that the test's store has."""
    if store_url.startswith("sqlite"):
        return lambda: f"sqlite:///{tmp_path / 'elsewhere' / 'c.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    if program("pg_dump") is None:
        pytest.skip("pg_dump is not installed: apt-get install postgresql-client")
    return server.new


def put(store: Store, device: Reporter, seed: int) -> None:
    event, image = device.event(picture(seed), verdict=Verdict.REVIEW)
    messages = [parse(*one, "edge-guard/v1") for one in (event, image) if one is not None]
    store.apply([message for message in messages if message is not None])


@contextmanager
def writing(store: Store) -> Iterator[threading.Event]:
    """Store frames without a pause; the event is set once there are some more."""
    ending, some = threading.Event(), threading.Event()

    def write() -> None:
        device, n = Reporter(boot="busy"), 0
        while not ending.is_set():
            put(store, device, 1000 + (n := n + 1))
            if n > 5:
                some.set()

    thread = threading.Thread(target=write)
    thread.start()
    yield some
    ending.set()
    thread.join(30)


def check(url: str, frames: Path, at_least: int) -> int:
    """Return how many frames a store has, each with its picture and counted in its receipt."""
    with closing(Store(url, PictureStore(frames))) as store:
        rows = Queries(store.engine).events(10_000)
        for row in rows:
            assert row.has_picture
            assert row.event.image is not None
            assert store.pictures.get(row.event.image.sha256) is not None
        stored = sum(row.stored for row in Queries(store.engine).devices())
        assert stored == len(rows) >= at_least
        put(store, Reporter(boot="afterwards"), 3)  # numbers go on after those that are there
    return len(rows)


def test_a_backup_while_frames_are_stored_is_one_moment_and_comes_back(
    store: Store, store_url: str, another: Another, tmp_path: Path
) -> None:
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    (bundles / "a.guard").write_bytes(BUNDLE)
    with writing(store) as some:
        some.wait(30)
        made = back_up(store_url, store.pictures, bundles, tmp_path / "backup")
    assert made.missing == 0
    url, frames = another(), tmp_path / "frames-2"
    assert restore(tmp_path / "backup", url, PictureStore(frames), tmp_path / "b2") == made
    assert check(url, frames, 5) == made.events
    assert (tmp_path / "b2" / "a.guard").read_bytes() == BUNDLE
    with pytest.raises(StoreError, match=r"there is a database at .* already"):
        restore(tmp_path / "backup", url, PictureStore(frames), tmp_path / "b2")


def test_pictures_of_a_backup_take_no_room_twice(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    put(store, Reporter(), 1)
    digest = reference(picture(1)).sha256
    back_up(store_url, store.pictures, tmp_path / "none", tmp_path / "backup")
    saved = PictureStore(tmp_path / "backup" / "frames").path(digest)
    assert saved.samefile(store.pictures.path(digest))  # type: ignore[attr-defined]
    store.pictures.remove([digest])
    assert saved.read_bytes() == picture(1)


def test_a_backup_that_is_killed_is_no_backup(tmp_path: Path) -> None:
    url, frames = f"sqlite:///{tmp_path}/c.sqlite", tmp_path / "frames"
    with closing(Store(url, PictureStore(frames))) as store:
        for seed in range(30):
            put(store, Reporter(boot=f"b{seed}"), seed)
    config = tmp_path / "c.toml"
    config.write_text('[store]\nurl = "sqlite:///c.sqlite"\n')
    slow = (
        "import sys, time; from edge_guard.collector.pictures import PictureStore\n"
        "save = PictureStore.save\n"
        "def slowly(*given): time.sleep(0.05); return save(*given)\n"
        "PictureStore.save = slowly\n"
        "from edge_guard.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    target = tmp_path / "backup"
    command = [sys.executable, "-c", slow, "store", "backup", str(config), str(target)]
    with subprocess.Popen(command) as process:
        wait_until(lambda: any(tmp_path.glob(".backup.part-*/frames/??/*")), 30)
        process.kill()
    assert not target.exists()
    (part,) = tmp_path.glob(".backup.part-*")
    with pytest.raises(StoreError, match="no backup, or one that was cut short"):
        restore(part, f"sqlite:///{tmp_path}/new.sqlite", PictureStore(frames), tmp_path / "b")
    assert main(["store", "backup", str(config), str(target)]) == 0
    with pytest.raises(StoreError, match="exists"):
        back_up(url, PictureStore(frames), tmp_path / "b", target)


def test_a_restore_that_was_cut_short_is_repeated(tmp_path: Path) -> None:
    url, frames = f"sqlite:///{tmp_path}/c.sqlite", tmp_path / "frames"
    with closing(Store(url, PictureStore(frames))) as store:
        put(store, Reporter(), 1)
    made = back_up(url, PictureStore(frames), tmp_path / "b", tmp_path / "backup")
    lost = f"sqlite:///{tmp_path}/file/c.sqlite"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        restore(tmp_path / "backup", lost, PictureStore(tmp_path / "f2"), tmp_path / "b")
    (tmp_path / "file").unlink()
    assert restore(tmp_path / "backup", lost, PictureStore(tmp_path / "f2"), tmp_path / "b") == made


def test_an_export_says_what_was_seen_and_what_people_said(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    device = Reporter()
    for seed in (1, 2):
        put(store, device, seed)
    message = parse(*device.summary(), "edge-guard/v1")
    assert message is not None
    store.apply([message])
    Judgements(store).add(1, "wrong", "Änne", "scratch")
    folder = tmp_path / "out"
    with writing(store) as some:
        some.wait(30)
        numbers = export(store_url, store.pictures, folder)
    lines = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("frames", "labels", "summaries")
    }
    assert numbers == {name: len(some) for name, some in lines.items()} | {
        "pictures": len(list((folder / "pictures").iterdir()))
    }
    first = lines["frames"][0]
    assert (first["device"], first["stream"], first["event"]["label"]) == ("cam-1", "top", "ok")
    assert (folder / "pictures" / first["picture"]).read_bytes() == picture(1)
    (label,) = lines["labels"]
    assert (label["frame"], label["answer"], label["label"]) == (first["id"], "wrong", "scratch")
    assert label["who"] == "Änne"
    assert lines["summaries"][0]["summary"]["frames"] == 100
    with pytest.raises(StoreError, match="File exists"):
        export(store_url, store.pictures, folder)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_from_sqlite_to_postgresql(
    store: Store, store_url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    device = Reporter()
    for seed in range(5):
        put(store, device, seed)
    Judgements(store).add(1, "wrong", "Anna", "scratch")
    target = postgres.new()
    moved = move(store_url, target, store.pictures)
    assert (moved["events"], moved["judgements"], moved["pictures"]) == (5, 1, 5)
    assert check(target, tmp_path / "frames", 5) == 5
    with closing(Store(target, store.pictures)) as there:
        (said,) = Judgements(there).of(1)
        assert (said.who, said.answer, said.label) == ("Anna", "wrong", "scratch")
        assert Judgements(there).add(2, "right") is not None
    with pytest.raises(StoreError, match="in the new database already"):
        move(store_url, target, store.pictures)
    back = f"sqlite:///{tmp_path}/back.sqlite"
    assert move(target, back, store.pictures)["events"] == 6
    assert check(back, tmp_path / "frames", 6) == 6


def test_a_move_while_frames_are_stored_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, target = (f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("old", "new"))
    pictures = PictureStore(tmp_path / "frames")
    with closing(Store(url, pictures)) as store:
        put(store, Reporter(), 1)
        monkeypatch.setattr(
            "edge_guard.collector.archive.transfer._check_current",
            lambda _: put(store, Reporter(boot="late"), 2),
        )
        with pytest.raises(StoreError, match="written to meanwhile: stop its collector"):
            move(url, target, pictures)
    with closing(Store(target, pictures)) as there, there.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 0


def test_what_is_missing_is_named(tmp_path: Path, postgres: PostgresServer) -> None:
    pictures = PictureStore(tmp_path / "frames")
    with pytest.raises(StoreError, match="there is no database"):
        back_up(f"sqlite:///{tmp_path}/none.sqlite", pictures, tmp_path, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    url = postgres.new()
    Store(url, pictures).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(ConfigError, match="pg_dump, which is not installed"):
            back_up(url, pictures, tmp_path / "b", tmp_path / "backup")
    with pytest.raises(StoreError, match="migrations"):
        export(postgres.new(), pictures, tmp_path / "out")


def test_a_moved_trail_is_unbroken(store: Store, store_url: str, another: Another) -> None:
    from edge_guard.collector.trail import Trail

    Trail(store).note("Anna", "frame.judge", "event 1", {"answer": "wrong"})
    target = another()
    move(store_url, target, store.pictures)
    with closing(Store(target, store.pictures)) as there:
        assert Trail(there).broken() is None
        assert [entry.who for entry in Trail(there).entries(5)] == ["Anna"]
        with there.engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM trail")) == 1
