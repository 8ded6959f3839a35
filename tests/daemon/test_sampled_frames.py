"""Usual frames that a running device sends because they are unlike those sent before."""

from __future__ import annotations

from pathlib import Path

from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, SLOW, device, write_pictures
from test_daemon import decoded, running

from edge_guard.publish.diverse import LEARN
from edge_guard.publish.messages import Event
from edge_guard.types import Verdict


def test_the_one_frame_unlike_the_others_is_sent_and_marked(
    broker: Mosquitto, tmp_path: Path
) -> None:
    levels = [*[ACCEPTED] * LEARN, FLAGGED, SLOW, *[ACCEPTED] * 5]
    folder = write_pictures(tmp_path / "in", *levels)
    with Counter(broker.port) as collector:
        with running(device(tmp_path, broker.port, folder, watch=True, diverse_per_hour=60)) as d:
            wait_until(lambda: d.describe().streams[0].frames == len(levels))
            wait_until(lambda: len(decoded(collector, "event", Event)) == 2)
        flagged, diverse = decoded(collector, "event", Event)
    assert (flagged.verdict, flagged.diverse, flagged.sampled) == (Verdict.REVIEW, None, None)
    assert (diverse.verdict, diverse.frame_sequence) == (Verdict.ACCEPT, LEARN + 1)
    assert diverse.diverse is not None
    assert diverse.diverse > 1.0
    assert diverse.sampled is None
    assert diverse.image is not None
