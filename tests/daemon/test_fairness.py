"""Several streams on one device: none goes without because another takes all it can get."""

from __future__ import annotations

from collections import Counter as Tally
from itertools import pairwise
from pathlib import Path

import msgspec
from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, device, write_pictures
from test_daemon import running

FRAMES = 20


def test_a_greedy_stream_leaves_a_slow_one_its_turn(broker: Mosquitto, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    greedy = write_pictures(tmp_path / "greedy", *[ACCEPTED] * 8)
    slow = write_pictures(tmp_path / "slow", *[FLAGGED] * FRAMES)
    config = device(tmp_path, broker.port, greedy, slow)
    first, second = config.stream
    endless = msgspec.structs.replace(first, loop=True)  # as fast as it can be read
    paced = msgspec.structs.replace(second, frames_per_second=25.0)
    config = msgspec.structs.replace(config, stream=(endless, paced))
    with Counter(broker.port) as collector:
        with running(
            config, on_result=lambda item, _: seen.append((item.stream, item.sequence))
        ) as daemon:
            wait_until(lambda: seen.count(("s1", FRAMES - 1)), 60)
            states = {one.name: one for one in daemon.describe().streams}
        collector.wait_for(daemon.outbox.spool.boot_id, daemon.final_counts[0], 60)
        events = collector.listener.on("event/s1")
    assert [number for name, number in seen if name == "s1"] == list(range(FRAMES))
    assert len(set(events)) == FRAMES  # judged, stored, and published
    assert states["s1"].dropped == {}
    taken = Tally(name for name, _ in seen)
    assert taken["s"] > FRAMES  # the other one was greedy indeed
    shares = between(seen)
    assert min(shares) > 0, "and was not held up itself"


def between(seen: list[tuple[str, int]]) -> list[int]:
    """How many frames of the greedy stream came in each quarter of the slow one's time."""
    places = [place for place, (name, _) in enumerate(seen) if name == "s1"]
    quarters = places[:: FRAMES // 4] + places[-1:]
    return [sum(name == "s" for name, _ in seen[begin:end]) for begin, end in pairwise(quarters)]
