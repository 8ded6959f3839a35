"""A guard that needs no model: it reads its verdict off the picture's mean."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_guard.config import DeviceConfig, DeviceTable, MqttTable, SpoolTable, StreamTable
from edge_guard.sources import Source
from edge_guard.tightening import Tightened
from edge_guard.types import Frame, Nearest, Reason, Result, Verdict

ACCEPTED, FLAGGED, BROKEN, HANGING, FROZEN, SLOW = 0, 50, 100, 150, 200, 250
"""Gray levels of a picture, and what the guard makes of it."""

SLOW_SECONDS = 0.7

NEAREST = (
    Nearest(
        "good/7.png", "features", "the model's features", "references/00007.jpg", b"\xff\xd8\xff"
    ),
    Nearest("good/9.png", "tone", "brightness", "references/00009.jpg", b"\xff\xd8\xff" * 1001),
)
"""The second one's picture is too large to travel."""

TIMING = {"receipt_seconds": 1.0, "reconnect_seconds": (0.1, 0.5)}


class Pretender:
    bundle_id = "pretender"
    model_id = "pretended"
    drift = None
    accuracy = None
    seen = None

    own_limits = Tightened(min_confidence=0.5, p_limit=0.01)
    tightened = Tightened()

    def tighten(self, limits: Tightened) -> None:
        self.tightened = limits

    def __init__(self, _table: StreamTable, _source: Source) -> None:
        self.statistics: dict[str, float] = {}

    def inspect(self, frame: Frame) -> Result:
        level = round(float(frame.image.mean()) / 50) * 50
        self.statistics = {"mean": float(level)}
        if level == BROKEN:
            raise RuntimeError("the model fell over")
        hung = Path(f"{frame.source}.hung")
        if level == HANGING and not hung.exists():  # once a picture
            hung.touch()
            time.sleep(3600)
        if level == SLOW:
            time.sleep(SLOW_SECONDS)
        if level == FLAGGED:
            reason = Reason("fused", "unlike the references", 1.0)
            return Result(
                Verdict.REVIEW,
                label="b",
                scores={"fused": 1.0},
                reasons=(reason,),
                nearest=NEAREST,
            )
        if level == FROZEN:
            reason = Reason("gate.frozen", "the picture does not change", 0.0)
            return Result(Verdict.INVALID, reasons=(reason,))
        return Result(Verdict.ACCEPT, label="a", confidence=0.9, scores={"fused": 0.0})

    def trials(self) -> Iterator[str]:
        yield ""

    def close(self) -> None:
        pass


def write_pictures(folder: Path, *levels: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    first = len(list(folder.iterdir()))
    for number, level in enumerate(levels, first):
        picture = np.full((32, 48, 3), level, np.uint8)
        partial = folder / f".{number}.png"
        cv2.imwrite(str(partial), picture)
        partial.rename(folder / f"{number:04d}.png")
    return folder


def device(tmp_path: Path, port: int, *sources: Path, **stream: Any) -> DeviceConfig:
    settings: dict[str, Any] = {"bundle": "pretender.guard", "frames_per_second": None, **stream}
    tables = [
        StreamTable(name=f"s{number}" if number else "s", source=str(source), **settings)
        for number, source in enumerate(sources)
    ]
    return DeviceConfig(
        device=DeviceTable(id="device", site="site", line="line"),
        stream=tuple(tables),
        mqtt=MqttTable(host="127.0.0.1", port=port),
        spool=SpoolTable(path=str(tmp_path / "spool")),
    )
