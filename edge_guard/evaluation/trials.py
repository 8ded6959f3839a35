"""What could happen at the line, rendered from pictures of it: would the guard notice?

Each mishap has degrees, from what is hardly seen to what nobody overlooks. They are other pictures
than those that calibration imagined (`edge_guard.calibration.outliers`), though partly of the same
kinds of mishap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_guard.calibration.imagined.layout import turned
from edge_guard.calibration.imagined.resample import gaussian_blur
from edge_guard.calibration.references import Progress, Reference
from edge_guard.errors import EdgeGuardError
from edge_guard.pipeline import Pipeline
from edge_guard.types import Array, Floats, Frame, Image, Result, Verdict

PICTURES = 24
"""Pictures that each degree of each mishap is rendered from."""
NOTICED, RARELY = 0.9, 0.1
"""Shares from which on a mishap of this degree is called noticed nearly always, and at times."""

_SEEN = 8
"""Grey levels; a picture that changes less anywhere (a blank part, blurred) shows no mishap."""

Maker = Callable[[Floats, np.random.Generator], Array]
"""(picture 0 to 255, rng) → changed picture."""


@dataclass(frozen=True, slots=True)
class Degree:
    """One mishap in one degree, in words, and how a picture shows it."""

    mishap: str
    words: str
    make: Maker

    @property
    def name(self) -> str:
        """Mishap and degree in words."""
        return f"{self.mishap.lower()} ({self.words})"


@dataclass(frozen=True, slots=True)
class Example:
    """One picture, and what the guard said of it."""

    name: str
    image: Image
    result: Result

    @property
    def said(self) -> str:
        """The leading reason in words; "" where the picture is accepted."""
        return self.result.reasons[0].message if self.result.reasons else ""

    @property
    def answer(self) -> str:
        """The model's answer in words; "" where it gives none."""
        result = self.result
        if result.label is None:
            return ""
        sure = "" if result.confidence is None else f" {result.confidence:.0%}"
        if result.detections is None:
            return f"{result.label}{sure}"
        names = Counter(found.label for found in result.detections)
        return ", ".join(f"{n} × {name}" for name, n in names.items()) + sure or "nothing"


@dataclass(slots=True)
class Trial:
    """What the guard said of one degree of a mishap.

    Attributes
    ----------
    degree : Degree
    verdicts : Counter of str
    reasons : Counter of str
        Leading reasons of what was not accepted.
    fused : list of float
        Fused scores of what the gate let through to the model.
    examples : dict of str to Example
        The first of each verdict.
    """

    degree: Degree
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    fused: list[float] = field(default_factory=list)
    examples: dict[str, Example] = field(default_factory=dict)

    @property
    def noticed(self) -> int:
        """How many pictures were not accepted."""
        return self.verdicts.total() - self.verdicts[Verdict.ACCEPT]

    @property
    def share(self) -> float:
        """Share of the pictures that was not accepted; 0 for none."""
        return self.noticed / max(self.verdicts.total(), 1)

    @property
    def typical(self) -> Example:
        """An example of the commonest verdict."""
        return self.examples[self.verdicts.most_common(1)[0][0]]


def _lamp(factor: float) -> Maker:
    return lambda x, _: x * np.float32(factor)


def _cast(x: Floats, _: np.random.Generator) -> Array:
    """Return x under a warmer lamp; gray pictures get darker."""
    return x * (np.array([0.8, 1.0, 1.15], np.float32) if x.ndim == 3 else np.float32(0.85))


def _blur(share: float) -> Maker:
    return lambda x, _: gaussian_blur(x, max(0.5, share * min(x.shape[:2])))


def _dirt(count: int, share: float) -> Maker:
    """Soft dark spots, as of dust near the lens."""

    def make(x: Floats, rng: np.random.Generator) -> Array:
        shade = np.ones(x.shape[:2], np.float32)
        for _ in range(count):
            radius = _radius(x, rng.uniform(0.15, 0.85, 2), (share, share))
            shade *= 1.0 - 0.75 * np.exp(-2.0 * radius).astype(np.float32)
        return x * (shade if x.ndim == 2 else shade[..., None])

    return make


def _object(share: float) -> Maker:
    """A shaded ellipse with a rim, of a colour of its own."""

    def make(x: Floats, rng: np.random.Generator) -> Array:
        stretch = rng.uniform(0.7, 1.4)
        radius = _radius(x, rng.uniform(0.3, 0.7, 2), (share * stretch, share / stretch))
        inside = np.clip((1.0 - radius) * 6.0, 0.0, 1.0)
        shade = rng.choice([55.0, 200.0]) * (1.15 - 0.35 * np.minimum(radius, 1.0))
        if x.ndim == 2:
            return np.asarray(x * (1 - inside) + shade * inside)
        colour = shade[..., None] * rng.permutation([0.55, 0.9, 1.15])
        return np.asarray(x * (1 - inside[..., None]) + colour * inside[..., None])

    return make


def _radius(x: Floats, place: Array, size: tuple[float, float]) -> Array:
    """Return the squared distance from a place (0 to 1) in units of a size (of the short side)."""
    rows, columns = np.indices(x.shape[:2], np.float32)
    short = min(x.shape[:2])
    v = (rows - place[0] * x.shape[0]) / (size[0] * short)
    h = (columns - place[1] * x.shape[1]) / (size[1] * short)
    return np.asarray(v**2 + h**2)


def _turn(degrees: float) -> Maker:
    return lambda x, rng: turned(x, degrees * float(rng.choice([-1.0, 1.0])))


DEGREES = (
    Degree("The light gets weaker", "10 % less light", _lamp(0.9)),
    Degree("The light gets weaker", "25 % less light", _lamp(0.75)),
    Degree("The light gets weaker", "half the light", _lamp(0.5)),
    Degree("The light gets weaker", "lamp off: 4 % of the light", _lamp(0.04)),
    Degree("The light gets stronger", "15 % more light", _lamp(1.15)),
    Degree("The light gets stronger", "50 % more light", _lamp(1.5)),
    Degree("The light gets another colour", "a warmer lamp", _cast),
    Degree("The lens loses its focus", "blur of 0.5 % of the picture", _blur(0.005)),
    Degree("The lens loses its focus", "blur of 1.2 % of the picture", _blur(0.012)),
    Degree("The lens loses its focus", "blur of 3 % of the picture", _blur(0.03)),
    Degree("Dirt lies on the lens", "one soft spot, 6 % of the picture", _dirt(1, 0.03)),
    Degree("Dirt lies on the lens", "three soft spots, 10 % each", _dirt(3, 0.05)),
    Degree("Dirt lies on the lens", "one large smear, 40 %", _dirt(1, 0.2)),
    Degree("A foreign part lies there", "8 % of the picture’s side", _object(0.04)),
    Degree("A foreign part lies there", "20 % of the picture’s side", _object(0.1)),
    Degree("A foreign part lies there", "50 % of the picture’s side", _object(0.25)),
    Degree("The camera is turned", "by 2°", _turn(2.0)),
    Degree("The camera is turned", "by 8°", _turn(8.0)),
    Degree("The camera is turned", "by 25°", _turn(25.0)),
)
"""In the order of the report; degrees of a mishap from slight to gross."""


def run_trials(
    pipeline: Pipeline,
    pictures: Sequence[Reference],
    rng: np.random.Generator,
    progress: Progress,
) -> list[Trial]:
    """Return what the guard says of every degree, rendered from at most `PICTURES` pictures.

    Parameters
    ----------
    pipeline : Pipeline
        Not live.
    pictures : sequence of Reference
        Taken evenly from all of them. Unreadable ones, and those that a mishap leaves as they are,
        are left out; so is a degree that changes none.
    rng : numpy.random.Generator
    progress : callable
        Called with (stage, done, total).
    """
    rows = np.unique(np.linspace(0, len(pictures) - 1, PICTURES).astype(int))
    loaded = [(pictures[row].name, i) for row in rows for i in _load(pictures[row])]
    stage, trials = "trying what could happen", []
    for done, degree in enumerate(DEGREES):
        progress(stage, done, len(DEGREES))
        trials.append(_try(pipeline, degree, loaded, rng))
    progress(stage, len(DEGREES), len(DEGREES))
    return [trial for trial in trials if trial.examples]


def _load(reference: Reference) -> list[Image]:
    try:
        return [reference.load()]
    except EdgeGuardError:
        return []


def _try(
    pipeline: Pipeline,
    degree: Degree,
    loaded: Sequence[tuple[str, Image]],
    rng: np.random.Generator,
) -> Trial:
    trial = Trial(degree)
    for name, image in loaded:
        changed = degree.make(image.astype(np.float32), rng)
        shown = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        if np.abs(shown.astype(np.int16) - image).max() < _SEEN:
            continue
        result = pipeline.inspect(Frame("trial", 0, shown))
        trial.verdicts[result.verdict] += 1
        if result.reasons:
            trial.reasons[result.reasons[0].guard] += 1
        if "fused" in result.scores:
            trial.fused.append(result.scores["fused"])
        trial.examples.setdefault(result.verdict, Example(name, shown, result))
    return trial
