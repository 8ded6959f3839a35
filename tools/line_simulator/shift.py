"""One shift of the line: normal production, and the mission's events at known frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from line_simulator import defects, foreign
from line_simulator.part import Floats, Maps
from line_simulator.station import (
    HEIGHT,
    NORMAL,
    WIDTH,
    Conditions,
    Pose,
    Station,
    dead_image,
)

Image = npt.NDArray[np.uint8]

FRAMES_PER_SECOND = 10
FRAMES = 600
DEFECT_RATE = 0.12
"""Share of defective parts on the line; higher than in life, so that a minute shows some."""


@dataclass(frozen=True)
class Event:
    """Something that happens on the line, frames ``first_frame`` to ``last_frame`` inclusive.

    ``expected`` holds the guards whose word is a right leading reason for it.
    """

    name: str
    first_frame: int
    last_frame: int
    expected: tuple[str, ...]


_FOREIGN = ("fused", "gate.occlusion")
EVENTS = (
    Event("bottle_cap", 70, 89, _FOREIGN),
    Event("light_bulb", 130, 159, ("gate.exposure", "gate.color")),
    Event("glove", 200, 219, _FOREIGN),
    Event("defocus", 260, 284, ("gate.focus",)),
    Event("hex_key", 325, 344, _FOREIGN),
    Event("dirty_lens", 385, 409, ("gate.occlusion", "fused")),
    Event("shifted_camera", 450, 474, ("gate.alignment",)),
    Event("frozen_stream", 510, 534, ("gate.frozen",)),
    Event("dead_stream", 565, 589, ("gate.dead",)),
)


def script() -> dict[str, object]:
    """Return the shift's events as plain data, for ``events.json``."""
    return {
        "schema_version": 1,
        "frames": FRAMES,
        "frames_per_second": FRAMES_PER_SECOND,
        "events": [asdict(event) for event in EVENTS],
    }


def play(seed: int) -> Iterator[tuple[Image, str]]:
    """Yield each frame of the shift with its true class, or the event's name."""
    station = Station()
    previous = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number in range(FRAMES):
        rng = np.random.default_rng([seed, number])
        event = next((e for e in EVENTS if e.first_frame <= number <= e.last_frame), None)
        label = rng.choice(defects.LABELS[1:]) if rng.random() < DEFECT_RATE else "ok"
        if event is None:
            image = part_image(station, str(label), rng)
        else:
            image = _eventful(station, event.name, str(label), rng, previous)
        yield image, event.name if event else str(label)
        previous = image


def part_image(
    station: Station, label: str, rng: np.random.Generator, conditions: Conditions = NORMAL
) -> Image:
    """Return one triggered frame of a part of class ``label``."""
    return station.capture([(defects.make(label, rng), jitter(rng))], rng, conditions)


def jitter(rng: np.random.Generator) -> Pose:
    """Return where the next part lies: guide rails and trigger leave a few px and degrees."""
    x, y = rng.uniform(-3, 3, 2)
    return Pose(float(x), float(y), float(rng.uniform(-1.5, 1.5)))


def _eventful(
    station: Station, event: str, label: str, rng: np.random.Generator, previous: Image
) -> Image:
    if event == "frozen_stream":
        return previous
    if event == "dead_stream":
        return dead_image(rng)
    if event in foreign.KINDS:
        return station.capture([*_with_foreign(event, label, rng)], rng)
    return part_image(station, label, rng, CONDITIONS[event])


def _with_foreign(kind: str, label: str, rng: np.random.Generator) -> list[tuple[Maps, Pose]]:
    """Return a part with the object dropped on it, somewhere else at each trigger."""
    x, y = rng.uniform(-55, 55), rng.uniform(-25, 25)
    pose = Pose(float(x), float(y), float(rng.uniform(-180, 180)))
    return [(defects.make(label, rng), jitter(rng)), (foreign.make(kind, rng), pose)]


def _dirt() -> Floats:
    """Return the transmission of a front glass with coolant splashes, out of focus."""
    rng = np.random.default_rng(7)
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(11):
        centre = int(rng.uniform(30, WIDTH - 30)), int(rng.uniform(20, HEIGHT - 20))
        axes = int(rng.uniform(10, 26)), int(rng.uniform(8, 20))
        cv2.ellipse(cover, centre, axes, float(rng.uniform(0, 180)), 0, 360, (1.0,), -1)
    return np.asarray(1 - 0.8 * cv2.GaussianBlur(cover, (0, 0), 5), np.float32)


CONDITIONS = {
    "light_bulb": Conditions(gain=(1.155, 1.185, 1.215)),
    "defocus": Conditions(defocus_px=1.7),
    "dirty_lens": Conditions(dirt=_dirt()),
    "shifted_camera": Conditions(shift=Pose(12, -5, 2)),
}
