"""The same detectors on real frames: the light of four boards, one channel, tuned on normal noise.

The light is measured as the monitors do, in standard deviations of 300 references, so that what was
tuned for independent normal frames applies; edge-guard's charts and ranks watch this channel alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from real_data import data_dir

from drift_quality.changes import changed
from drift_quality.scenes import REFERENCES, SCENES, Scene, view
from edge_guard.calibration.drift_baseline import fit_channels, fit_ranks, padded
from edge_guard.calibration.drift_likeness import Series
from edge_guard.calibration.drift_scene import fit_scene
from edge_guard.drift.channels import Reader
from edge_guard.drift.cusum import Charts
from edge_guard.drift.edetector import EDetector
from edge_guard.drift.spec import DriftSpec
from edge_guard.gate.gate import Meter
from edge_guard.types import Array, Doubles, Image

Feed = Callable[[Doubles, Doubles, int], int | None]
"""(references, stream, seed) → frames to the first alarm."""

STEPS = {"+2 levels": 2.0, "-4 levels": -4.0, "+0.01 level a frame": 0.01}
_CLEAN, _REPEATS = 200, 3


def ours(promised: float) -> Feed:
    """Return edge-guard's monitors on one channel, told the promise, nothing tuned."""

    def feed(references: Doubles, stream: Doubles, seed: int) -> int | None:
        series = Series("light", references, np.zeros(len(references)))
        channels, lengths = fit_channels([series], promised)
        consecutive = bool((lengths > 1.5).any())
        ranks = [fit_ranks(channels[0], series, consecutive=consecutive)]
        spec = DriftSpec(promised, channels, len(references), consecutive)
        charts, bets = Charts(channels), EDetector(spec, *padded(ranks), seed=seed)
        for count, x in enumerate(stream[:, None], 1):
            fast, guaranteed = charts.update(x), bets.update(x)
            if fast or guaranteed:
                return count
        return None

    return feed


def table(rivals: dict[str, Feed]) -> Iterator[str]:
    """Yield alarms on untouched frames and median delays, side by side."""
    if data_dir() is None:
        return
    boards = [scene for scene in SCENES if scene.name.startswith("board")]
    seen = [_lights(board, repeat) for board in boards for repeat in range(_REPEATS)]
    yield ""
    yield f"The light of {len(boards)} real boards, {_REPEATS} streams each: median frames"
    yield ""
    yield f"| detector | alarms in {_CLEAN} untouched frames | {' | '.join(STEPS)} |"
    yield "|---|---|" + "---|" * len(STEPS)
    for name, feed in rivals.items():
        false, delays = 0, []
        for number, (references, clean, _) in enumerate(seen):
            false += feed(references, clean, number) is not None
        for step in STEPS:
            found = [feed(r, after[step], n) for n, (r, _, after) in enumerate(seen)]
            delays.append(float(np.median([np.inf if f is None else f for f in found])))
        told = " | ".join(f"{delay:.0f}" for delay in delays)
        yield f"| {name} | {false} of {len(seen)} | {told} |"


def _lights(scene: Scene, repeat: int) -> tuple[Doubles, Doubles, dict[str, Doubles]]:
    """Return the light of references, of untouched frames, and of frames after each change."""
    rng = np.random.default_rng([repeat, *scene.name.encode()])
    frames = scene.make(scene.index, REFERENCES + _CLEAN + 400, rng)
    meter = Meter()
    cells = np.array([_cells(meter, frame) for frame in frames[:REFERENCES]])
    reader = Reader(fit_scene(cells[:, 0], cells, [], fixed=False), ("light",))

    def light(some: list[Image]) -> Doubles:
        values = []
        for frame in some:
            seen = meter.measure(view(frame))
            values.append(reader.of_image(seen.statistics, seen.cells, None)[0])
        return np.array(values)

    known = light(frames[:REFERENCES])
    mean, sd = known.mean(), known.std()
    later = frames[REFERENCES + _CLEAN :]
    after = {name: (light(_stepped(later, step)) - mean) / sd for name, step in STEPS.items()}
    clean = light(frames[REFERENCES : REFERENCES + _CLEAN])
    return (known - mean) / sd, (clean - mean) / sd, after


def _stepped(frames: list[Image], step: float) -> list[Image]:
    def befall(image: Image, t: int, _: np.random.Generator) -> Array:
        return image + step * (t if abs(step) < 1 else 1)

    return [changed(frame, befall, t, 0) for t, frame in enumerate(frames)]


def _cells(meter: Meter, frame: Image) -> Array:
    return meter.measure(view(frame)).cells.copy()
