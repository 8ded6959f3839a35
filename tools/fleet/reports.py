"""What simulated devices say, to be numbered and dated."""

from __future__ import annotations

import random
import time

from edge_guard.publish.messages import Event, HeatGrid, Moments, Summary
from edge_guard.types import Reason, Timing, Verdict
from fleet.pictures import HEIGHT_PX, WIDTH_PX

STREAM = "camera"
BUNDLE = "f1ee7f1ee7f1"
_AREA = (0.0, 0.0, float(WIDTH_PX), float(HEIGHT_PX))


def event_pattern(device: str, boot: str, chance: random.Random) -> Event:
    """Return an event of a device, to be numbered and dated."""
    words = "The frame looks unlike every reference image."
    heat = HeatGrid(16, 12, bytes(chance.randrange(90) for _ in range(192)), _AREA)
    return Event(
        device=device,
        boot_id=boot,
        wall_time="",
        monotonic_ns=0,
        clock_synchronised=True,
        event_id="",
        sequence=0,
        stream=STREAM,
        frame_sequence=0,
        captured_wall_time="",
        source="rtsp://camera.fleet.example/1",
        verdict=Verdict.REVIEW,
        label="ok",
        confidence=None,
        p_value=None,
        scores={"fused": 4.2, "nearest": 0.31, "energy": -3.5},
        reasons=(Reason("fused", words, 4.2, (None, 3.1), (160, 80, 240, 200)),),
        timing_us=Timing(210.0, 640.0, 11_800.0, 190.0),
        bundle=BUNDLE,
        image=None,
        heatmap=heat,
    )


def summary_of(
    event: Event,
    sequence: int,
    window: int,
    wall_time: str,
    seconds: float = 60.0,
    shift: float = 0,
) -> Summary:
    """Return what the device of this event tells of a window in which its light has shifted."""
    frames = max(1, int(25 * seconds))
    light = Moments(frames, 118.0 + shift, 40.0 * frames, 104.0 + shift, 131.0 + shift)
    return Summary(
        device=event.device,
        boot_id=event.boot_id,
        wall_time=wall_time,
        monotonic_ns=time.monotonic_ns(),
        clock_synchronised=True,
        sequence=sequence,
        stream=STREAM,
        bundle=BUNDLE,
        window=window,
        frames=frames,
        verdicts={"accept": frames - 4, "review": 3, "invalid": 1},
        labels={"ok": frames - 3, "scratch": 2},
        reasons={"fused": 3, "gate.focus": 1},
        statistics={"gate.mean": light, "gate.contrast": Moments(frames, 31.0, 9.0, 28, 36)},
        dropped_at_capture={},
        dropped_from_spool={},
    )
