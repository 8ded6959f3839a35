"""Pictures in a real S3 store: kept, found, deleted; what goes wrong is told, and nothing lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, free_port
from core import Core
from fastapi import FastAPI
from fastapi.testclient import TestClient
from reports import Reporter, picture, reference
from resender import wait_until
from s3_server import S3Server

from edge_guard.cli.main import main
from edge_guard.collector.archive import restore
from edge_guard.collector.parse import parse
from edge_guard.collector.pictures import Pictures, PictureStore, open_pictures
from edge_guard.collector.queries import Queries
from edge_guard.collector.store import Store
from edge_guard.collector.web.api.refusals import answer_problems
from edge_guard.config import MqttTable, S3Table, StoreTable, load_collector_config
from edge_guard.errors import ConfigError, StoreError


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


def settings(s3: S3Server, frames: str = "", **changes: str) -> StoreTable:
    keys = {
        "endpoint": s3.endpoint,
        "access_key": s3.access_key,
        "secret_key_file": str(s3.secret_file),
    }
    return StoreTable(frames=frames or f"s3://{s3.bucket}/north", s3=S3Table(**(keys | changes)))


@pytest.fixture(params=["folder", "bucket"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Pictures:
    """An empty picture store of each kind."""
    if request.param == "folder":
        return PictureStore(tmp_path / "frames")
    server: S3Server = request.getfixturevalue("s3")
    return open_pictures(settings(server, f"s3://{server.bucket}/{tmp_path.name}"))


def test_a_picture_is_found_by_its_digest_until_it_is_removed(
    pictures: Pictures, tmp_path: Path
) -> None:
    some = [picture(seed) for seed in range(20)]
    digests = [reference(one).sha256 for one in some]
    assert pictures.put(some[0]) == digests[0]
    pictures.put_all(dict(zip(digests, some, strict=True)))
    assert [pictures.get(digest) for digest in digests] == some
    assert pictures.get("0" * 64) is None
    assert [pictures.has(digest) for digest in (digests[3], "0" * 64)] == [True, False]
    for wrong in ("../../etc/passwd", digests[0].upper(), digests[0][:-1], ""):
        with pytest.raises(ValueError, match="sha-256"):
            pictures.get(wrong)
    assert sorted(pictures.digests(time.time() + 60)) == sorted(digests)
    assert list(pictures.digests(time.time() - 3600)) == []
    assert pictures.save(digests[1], tmp_path / "one.jpg")
    assert (tmp_path / "one.jpg").read_bytes() == some[1]
    with pytest.raises(FileExistsError):
        pictures.save(digests[2], tmp_path / "one.jpg")
    pictures.remove(digests[:2])
    pictures.remove(digests[:2])  # again does no harm
    assert pictures.get(digests[1]) is None
    assert not pictures.save(digests[1], tmp_path / "two.jpg")
    assert pictures.get(digests[2]) == some[2]


def test_stores_in_one_bucket_are_kept_apart(s3: S3Server) -> None:
    here, there = (open_pictures(settings(s3, f"s3://{s3.bucket}/{at}")) for at in ("a", "a/b"))
    digest = here.put(picture(1))
    assert there.get(digest) is None


@pytest.mark.parametrize(
    ("frames", "changes", "problem", "remedy"),
    [
        ("s3://no-such-bucket/x", {}, "NoSuchBucket", "create the bucket"),
        ("", {"access_key": "unknown"}, "InvalidAccessKeyId", "correct [store.s3] access_key"),
        ("", {"secret": "wrong"}, "SignatureDoesNotMatch", "correct [store.s3] secret_key_file"),
        ("", {"endpoint": "down"}, "refused", "start the store, or correct [store.s3] endpoint"),
    ],
)
def test_a_store_that_refuses_says_what_to_do(
    s3: S3Server, tmp_path: Path, frames: str, changes: dict[str, str], problem: str, remedy: str
) -> None:
    if secret := changes.pop("secret", None):
        (tmp_path / "wrong").write_text(secret)
        changes["secret_key_file"] = str(tmp_path / "wrong")
    if "endpoint" in changes:
        changes["endpoint"] = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreError) as refusal:
        open_pictures(settings(s3, frames, **changes))
    assert problem in str(refusal.value)
    assert remedy in str(refusal.value)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (StoreTable(frames="s3://B/x"), "is no bucket"),
        (StoreTable(frames="s3://bucket/x"), r"needs \[store.s3\]"),
        (
            StoreTable(frames="s3://bucket", s3=S3Table(access_key="a", secret_key_file="/none")),
            "secret_key_file '/none' cannot be read",
        ),
        (
            StoreTable(
                frames="s3://bucket",
                s3=S3Table(access_key="a", secret_key_file="/none", endpoint="minio:9000"),
            ),
            "is no address: write https://HOST",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(table: StoreTable, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        open_pictures(table)


def test_frames_wait_at_the_broker_while_the_store_is_away(
    tmp_path: Path, broker: Mosquitto
) -> None:
    first = S3Server(tmp_path)
    device = Reporter()
    with Listener(broker.port) as wire:
        pictures = open_pictures(settings(first))
        core = Core(tmp_path, MqttTable(host="127.0.0.1", port=broker.port), pictures=pictures)
        with core:
            wait_until(lambda: core.status() == "connected")
            for one in device.event(picture(1)):
                assert one is not None
                wire.publish(*one)
            wait_until(lambda: core.stored() == 1)
            first.stop()
            sent = device.event(picture(2))
            for one in sent:
                assert one is not None
                wire.publish(*one)
            wait_until(lambda: "pictures in s3://" in core.trouble(), 30)
            assert core.stored() == 1
            api = FastAPI()
            answer_problems(api)
            api.get("/")(lambda: pictures.get("0" * 64))
            asked = TestClient(api, raise_server_exceptions=False).get("/")
            assert (asked.status_code, "pictures in s3://" in asked.text) == (503, False)
    # Nothing was acknowledged: another collector, with a store that works, gets it.
    second = S3Server(tmp_path)
    pictures = open_pictures(settings(second))
    with Core(tmp_path, MqttTable(host="127.0.0.1", port=broker.port), pictures=pictures) as core:
        wait_until(lambda: core.stored() == 2, 30)
        assert core.trouble() == ""
        assert pictures.get(reference(picture(2)).sha256) == picture(2)
    second.stop()


def test_a_backup_takes_pictures_out_of_the_bucket(
    s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/c.sqlite"
    pictures = open_pictures(settings(s3, f"s3://{s3.bucket}/backed-up"))
    with closing(Store(url, pictures)) as store:
        for one in Reporter().event(picture(7)):
            assert one is not None
            message = parse(*one, "edge-guard/v1")
            assert message is not None
            store.apply([message])
        assert Queries(store.engine).events(1)[0].has_picture
    config = tmp_path / "collector.toml"
    (tmp_path / "key").write_text(s3.secret_file.read_text())
    config.write_text(
        f'[store]\nurl = "{url}"\nframes = "s3://{s3.bucket}/backed-up"\n[store.s3]\n'
        f'endpoint = "{s3.endpoint}"\naccess_key = "{s3.access_key}"\nsecret_key_file = "key"\n'
    )
    assert load_collector_config(config).store.bundle_folder == str(tmp_path / "bundles")
    assert main(["store", "backup", str(config), str(tmp_path / "backup"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["pictures"], made["missing"]) == (1, 0)
    elsewhere = PictureStore(tmp_path / "frames")
    restore(tmp_path / "backup", f"sqlite:///{tmp_path}/d.sqlite", elsewhere, tmp_path / "b")
    assert elsewhere.get(reference(picture(7)).sha256) == picture(7)
