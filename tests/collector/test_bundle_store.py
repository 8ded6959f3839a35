"""Bundles on offer: one upload at a time, nothing half stored, nothing beyond the quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_guard.collector import bundles
from edge_guard.collector.bundles import BundleStore, BusyError
from edge_guard.errors import BundleError

BUNDLE = Path(__file__).parents[2] / "models" / "demo_line.guard"


def offer(store: BundleStore, content: bytes) -> str:
    with store.receive() as upload:
        upload.add(content)
        return upload.finish()[0]


def test_one_upload_at_a_time(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    with store.receive() as upload:
        upload.add(b"half")
        with pytest.raises(BusyError), store.receive():
            pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BundleError):
        offer(store, b"no bundle")
    digest = offer(store, BUNDLE.read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == [f"{digest}.guard"]


def test_what_a_killed_run_left_is_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "a.guard").write_bytes(b"kept")
    (tmp_path / ".upload-x1").write_bytes(b"half")
    BundleStore(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.guard"]


def test_bundles_beyond_the_quota_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, store = BUNDLE.read_bytes(), BundleStore(tmp_path)
    monkeypatch.setattr(bundles, "MOST_STORED_BYTES", len(content))
    digest = offer(store, content)
    assert offer(store, content) == digest  # the same again takes no room
    (tmp_path / "other.guard").write_bytes(b"x")
    (tmp_path / f"{digest}.guard").unlink()
    with pytest.raises(BundleError, match="all bundles together"):
        offer(store, content)
    assert [path.name for path in tmp_path.iterdir()] == ["other.guard"]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    with pytest.raises(OSError, match="No space left"), store.receive() as upload:
        upload._file.close()
        upload._file = Path("/dev/full").open("wb")  # noqa: SIM115
        upload.add(b"some")
    assert list(tmp_path.iterdir()) == []
    assert offer(store, BUNDLE.read_bytes())
