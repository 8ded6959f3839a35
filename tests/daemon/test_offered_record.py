"""The record of offered bundles, damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_guard.config import StreamTable
from edge_guard.offered import OfferedBundles


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
