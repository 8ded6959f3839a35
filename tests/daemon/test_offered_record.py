"""The record of offered bundles, damaged."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from edge_guard import offered
from edge_guard.config import StreamTable
from edge_guard.errors import BundleError, StoreError
from edge_guard.offered import OfferedBundles, signature


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"top": 1}', b'{"top": "\xff"}'])
def test_a_damaged_record_leaves_the_configured_bundle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    record = tmp_path / "bundles" / "active.json"
    record.parent.mkdir()
    record.write_bytes(content)
    table = StreamTable(name="top", source="0", bundle="line.guard")
    with caplog.at_level(logging.ERROR):
        assert OfferedBundles(tmp_path).resolve(table) is table
    assert str(record) in caplog.text


TABLE = StreamTable(name="top", source="0", bundle="line.guard")


def keep(bundles: OfferedBundles, folder: Path, content: str) -> Path:
    (folder / "offer").write_text(content)
    return bundles.keep(TABLE, bundles.receive("top", folder / "offer"), content)


def guarding(bundles: OfferedBundles) -> str:
    return Path(bundles.resolve(TABLE).bundle).read_text()


def test_the_bundle_in_use_stays_until_the_next_is_recorded(tmp_path: Path) -> None:
    bundles = OfferedBundles(tmp_path)
    first = keep(bundles, tmp_path, "first")
    obstacle = tmp_path / "bundles" / "active.new"
    obstacle.mkdir()  # the record cannot be written
    with pytest.raises(StoreError, match="second"):
        keep(bundles, tmp_path, "second")
    assert guarding(OfferedBundles(tmp_path)) == "first"
    obstacle.rmdir()
    third = keep(bundles, tmp_path, "third")
    assert guarding(OfferedBundles(tmp_path)) == "third"
    assert not first.exists()
    assert list(third.parent.glob("*.guard")) == [third]
    assert keep(bundles, tmp_path, "third") == third  # again
    assert guarding(bundles) == "third"


def test_a_record_of_an_earlier_version_holds(tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    (folder / "top.guard").write_text("early")
    record = {"top": {"bundle": "early", "configured": signature(TABLE)}}
    (folder / "active.json").write_bytes(msgspec.json.encode(record))
    assert guarding(OfferedBundles(tmp_path)) == "early"


def test_what_a_crash_left_is_removed_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    (folder / ".fetched-0.guard").touch()
    (folder / ".top.guard").touch()
    OfferedBundles(tmp_path)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("trouble", ["full", "broken"])
def test_a_bundle_that_does_not_fit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    (tmp_path / "offer").write_bytes(b"12345")
    bundles = OfferedBundles(tmp_path)
    if trouble == "full":
        usage = SimpleNamespace(free=9)
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    else:

        def refuse(path: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(offered, "_settle", refuse)
    with pytest.raises(BundleError, match=r"no room|No space"):
        bundles.receive("top", tmp_path / "offer")
    assert list((tmp_path / "bundles").iterdir()) == []
