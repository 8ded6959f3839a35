"""One real scene through all changes: what is found, how soon, what it is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from drift_quality.changes import CHANGES, UNKNOWN, Change
from drift_quality.scenes import Scene
from drift_quality.streams import BEFORE, Camera, Outcome
from edge_guard.drift.sensitivity import sentences
from edge_guard.types import Image

MIXED = "half of another board"


@dataclass(slots=True)
class Found:
    """What came of one scene.

    Attributes
    ----------
    scene : str
    promises : list of str
        What calibration said the monitors would see.
    clean, false_alarms : int
        Untouched frames, and alarms among them.
    spoilt : int
        Trials that an alarm before the change spoilt, or in which none could follow.
    outcomes : list of Outcome
        Of changes with a name.
    unknown : list of Outcome
    cost_us : float
        Median over the frames, in situ.
    """

    scene: str
    promises: list[str]
    clean: int = 0
    false_alarms: int = 0
    spoilt: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    unknown: list[Outcome] = field(default_factory=list)
    cost_us: float = 0.0


def scene(it: Scene, repeats: int, seed: int) -> Found:
    """Return what comes of a scene, each change ``repeats`` times."""
    rng = np.random.default_rng([seed, *it.name.encode()])
    frames = it.make(it.index, it.references + it.clean, rng)
    references, clean = frames[: it.references], frames[it.references :]
    camera = Camera(references, seed)
    found = Found(it.name, list(sentences(camera.spec)), clean=len(clean))
    found.false_alarms = camera.false_alarms(clean)
    starts = _starts(clean, repeats)
    quiet = [clean[start : start + camera.quiet(clean[start:])] for start in starts]
    for change, of in [(c, found.outcomes) for c in CHANGES] + [
        (c, found.unknown) for c in UNKNOWN
    ]:
        if "colour" in change.name and clean[0].ndim == 2:
            continue
        for repeat, untouched in enumerate(quiet):
            _note(found, of, camera.outcome(untouched, change, repeat))
    if it.other is not None:
        for untouched in quiet:
            mixed = _mixed(it, untouched, rng)
            _note(found, found.outcomes, camera.outcome(mixed, _MIX, 0))
    found.cost_us = float(np.median(camera.cost_us))
    camera.close()
    return found


_MIX = Change(MIXED, lambda x, _, __: x, ("product mix", "object", "other"))
"""The references know one product only, so that ``other`` is as right as another part."""


def _mixed(it: Scene, clean: Sequence[Image], rng: np.random.Generator) -> list[Image]:
    """Return frames of which, after the first, half show another product."""
    assert it.other is not None
    other = it.make(it.other, len(clean), rng)
    coins = rng.random(len(clean)) < 0.5
    coins[:BEFORE] = False
    return [b if coin else a for a, b, coin in zip(clean, other, coins, strict=True)]


def _starts(clean: Sequence[Image], repeats: int) -> Iterator[int]:
    yield from np.linspace(0, len(clean) // 3, repeats).astype(int).tolist()


def _note(found: Found, outcomes: list[Outcome], outcome: Outcome | None) -> None:
    if outcome is None:
        found.spoilt += 1
    else:
        outcomes.append(outcome)
