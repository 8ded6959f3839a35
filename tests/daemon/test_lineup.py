"""The bundles of a stream, changed by one thread while others look."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

from edge_guard.config import ProductTable, StreamTable
from edge_guard.duty import NoProduct
from edge_guard.lineup import Lineup
from edge_guard.publish.messages import Topics
from edge_guard.publish.outbox import Outbox
from edge_guard.reporting import Reporter


def test_whoever_looks_while_products_change_sees_the_old_or_the_new(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "spool", 10_000_000, "device", Topics("site", "line", "device"))
    old, new = (
        StreamTable(name="s", source="x", product=(ProductTable(name=name, bundle="x"),))
        for name in ("old", "new")
    )
    lineup = Lineup(old, {"old": NoProduct()}, Reporter(outbox, old, "x"), tmp_path)
    seen: list[str] = []

    def look(frame: FrameType, event: str, _: Any) -> Any:
        """Look before each line of the change, as another thread may."""
        if frame.f_code is not Lineup.adopt.__code__:
            return None
        seen.append(lineup.current.product)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        lineup.adopt(new, {"new": NoProduct()})
    finally:
        sys.settrace(before)
        outbox.spool.close()
    assert seen[0] == "old" and seen[-1] == "new" and len(seen) > 10
    assert seen == sorted(seen, reverse=True)
