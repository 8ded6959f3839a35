"""All that is seen while references are taken or read, and the advice that follows from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge_guard.calibration.advice.exposure import brightness_moved, changes_by_itself
from edge_guard.calibration.advice.faults import black, blurred, burnt
from edge_guard.calibration.advice.flicker import Flicker, find_flicker
from edge_guard.calibration.advice.looks import Looks, alike
from edge_guard.calibration.advice.sight import Sight
from edge_guard.calibration.folds import correlation_length, standardise

ALIKE_S = 20.0
"""Nothing new for this long is worth a word."""
_ALIKE_FRAMES = 40
"""The same for sources without times."""
_FROZEN_FRAMES = 8
"""Live pictures equal to the bit: a sensor's noise never repeats."""
_BLACK_FRAMES = 5
_BURNT_SHARE = 0.1
_CONSECUTIVE = 256


class Fate(StrEnum):
    """What becomes of a frame."""

    NEW = "new"
    """It may be kept."""
    ALIKE = "alike"
    """It shows what the one kept before shows."""
    FROZEN = "frozen"
    """It is the frame before, to the bit."""
    BLACK = "black"
    """It shows nothing."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that the technician should know.

    Attributes
    ----------
    topic : str
        One word; of one topic only the newest advice holds.
    message : str
        What is seen, and what to do.
    """

    topic: str
    message: str


class Watch:
    """Remembers what was seen and kept.

    Parameters
    ----------
    live : bool
        Frames come from a camera in real time; else from files, whose times say nothing.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self.kept: list[Sight] = []
        self.looks = Looks()
        self._recent: deque[Sight] = deque(maxlen=_CONSECUTIVE)
        self._labels: list[str] = []
        self._last_new: Sight | None = None
        self._since_new = self._unlike = 0
        self._frozen = self._black = self.damaged = 0

    def begin(self) -> None:
        """Forget when pictures came: those until now are from an earlier capture."""
        self._recent.clear()
        self._last_new = None

    def see(self, sight: Sight) -> Fate:
        """Return what becomes of the next frame; kept or not, it counts for the advice."""
        before = self._recent[-1] if self._recent else None
        self._recent.append(sight)
        if self._last_new is None:
            self._last_new, self._since_new, self._unlike = sight, 0, 0
        self._since_new += 1
        self._unlike += not alike(self._last_new, sight)
        same = before is not None and before.pixels_hash == sight.pixels_hash
        self._frozen = self._frozen + 1 if same else 0
        self._black = self._black + 1 if black(sight) else 0
        if self._black:
            return Fate.BLACK
        if same:
            return Fate.FROZEN
        return Fate.ALIKE if self.kept and alike(self.kept[-1], sight) else Fate.NEW

    def keep(self, sight: Sight, label: str = "") -> None:
        """Count a picture as a reference, of the folder of a label."""
        self._labels.append(label)
        self.kept.append(sight)
        if self.looks.add(sight):
            self._last_new, self._since_new, self._unlike = sight, 0, 0

    @property
    def effective(self) -> float:
        """How many independent pictures the kept ones are worth, as calibration counts them."""
        if not self.kept:
            return 0.0
        rows = standardise(np.stack([sight.statistics for sight in self.kept]))
        return len(self.kept) / correlation_length(rows, np.array(self._labels))

    @property
    def labels(self) -> dict[str, int]:
        """How many of the kept pictures lie in the folder of each label."""
        names = [label for label in self._labels if label]
        return {name: names.count(name) for name in sorted(set(names))}

    @property
    def span_s(self) -> float:
        """Wall-clock seconds from the first kept picture to the last."""
        walls = [sight.wall_s for sight in self.kept]
        return max(walls) - min(walls) if walls else 0.0

    def blurred(self) -> list[int]:
        """Return which of the kept pictures are blurred, by number."""
        return blurred(self.kept)

    def advice(self) -> list[Advice]:
        """Return what holds now, the most pressing first."""
        return [*self._of_the_camera(), *self._of_the_pictures(), *self._of_the_light()]

    def _of_the_camera(self) -> Iterator[Advice]:
        if self._black >= _BLACK_FRAMES:
            yield Advice(
                "black",
                "the pictures are black or show one flat tone: take the lens cap off, switch the "
                "lamp on; nothing is kept meanwhile",
            )
        elif self._live and self._frozen >= _FROZEN_FRAMES:
            yield Advice(
                "frozen",
                "the camera repeats one picture to the bit: it is frozen; unplug it and plug it in "
                "again",
            )
        if self.damaged:
            yield Advice(
                "damaged",
                f"{_count(self.damaged, 'picture')} arrived damaged: check the camera's cable",
            )

    def _of_the_pictures(self) -> Iterator[Advice]:
        if said := self._nothing_new():
            yield Advice("alike", said)
        if rows := self.blurred():
            word = "is" if len(rows) == 1 else "are"
            yield Advice(
                "blurred",
                f"{_count(len(rows), 'image')} {word} blurred: let parts pass more slowly or use a "
                "shorter exposure, and check the focus",
            )
        bright = sum(map(burnt, self.kept))
        if bright > _BURNT_SHARE * len(self.kept):
            yield Advice(
                "burnt",
                f"{bright} of {len(self.kept)} images are white without detail in a quarter of the "
                "picture or more: where parts lie there, use less light or a shorter exposure",
            )
        if len({sight.shape for sight in self.kept}) > 1:
            yield Advice(
                "sizes", "the pictures have several sizes: set the camera as it will run, once"
            )

    def _nothing_new(self) -> str:
        """Return what to say when nothing new has come for long; empty when something has."""
        if self._last_new is None or self._black or self._frozen >= _FROZEN_FRAMES:
            return ""
        seconds = self._recent[-1].monotonic_s - self._last_new.monotonic_s
        late = seconds >= ALIKE_S if self._live else self._since_new >= _ALIKE_FRAMES
        if not late:
            return ""
        since = f"last {seconds:.0f} s" if self._live else f"last {self._since_new} frames"
        if not self._unlike:
            return f"all frames from the {since} look alike: move on to other parts"
        return f"the {since} showed only what was seen before: move on to other parts"

    def _of_the_light(self) -> Iterator[Advice]:
        if self._live and (found := find_flicker(self._recent, timed=True)):
            yield Advice("flicker", flicker_in_words(found))
        if changes_by_itself(self.kept):
            yield Advice(
                "automatic",
                "the camera changes its exposure or gain by itself: switch automatic exposure and "
                "gain off, and start again",
            )
        moved = brightness_moved(self.kept) if self._live else None
        if moved is not None:
            way = "brighter" if moved > 0 else "darker"
            yield Advice(
                "exposure",
                f"the pictures got {abs(moved):.0f} grey levels {way} since the beginning: let the "
                "lamp warm up, keep daylight out, switch automatic exposure off",
            )


def flicker_in_words(found: Flicker) -> str:
    """Return what flicker was found and what to do, for people."""
    form = "in bands" if found.bands else "all over the picture"
    size = f"{form}, by {200 * found.swing:.0f} %"
    if found.mains_hz is None:
        return (
            f"light flickers ({size}; these pictures do not tell how fast): use a flicker-free lamp"
        )
    step = "10 ms" if found.mains_hz == 100 else "8.33 ms"
    return (
        f"light flickers at {found.mains_hz} Hz, as lamps on {found.mains_hz // 2} Hz mains do "
        f"({size}): use a flicker-free lamp, or an exposure of {step} or a multiple of it"
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
