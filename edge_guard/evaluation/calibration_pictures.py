"""The pictures of a calibration report: what each verdict looks like, and what would be noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from edge_guard.calibration.references import Reference
from edge_guard.errors import EdgeGuardError
from edge_guard.evaluation.judge import Judged
from edge_guard.evaluation.page import figure, picture, table
from edge_guard.evaluation.trials import NOTICED, RARELY, Example, Trial
from edge_guard.pipeline import Pipeline
from edge_guard.types import Frame, Verdict

SHOWN = 6
"""Pictures in a row."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made from.

    Attributes
    ----------
    references : sequence of Reference
        All that calibration was given.
    held_out : sequence of Reference
        Pictures that calibration was not given; none: the report shows references and says so.
    labels : bool
        Whether folders name labels.
    asked : dict of str to str
        The settings in words.
    threads, seed : int
    """

    references: Sequence[Reference]
    held_out: Sequence[Reference]
    labels: bool
    asked: Mapping[str, str]
    threads: int = 1
    seed: int = 0

    @property
    def pictures(self) -> Sequence[Reference]:
        """What the finished bundle is shown."""
        return self.held_out or self.references


def evenly(pictures: Sequence[Reference], most: int) -> list[Reference]:
    """Return at most so many pictures, evenly from all."""
    rows = np.unique(np.linspace(0, len(pictures) - 1, most).astype(int))
    return [pictures[row] for row in rows]


def example_of(pipeline: Pipeline, reference: Reference) -> Example | None:
    """Return what the guard says of a picture; None where it cannot be read."""
    try:
        image = reference.load()
    except EdgeGuardError:
        return None
    return Example(reference.name, image, pipeline.inspect(Frame("report", 0, image)))


def _source_words(material: Material) -> str:
    if material.held_out:
        return (
            f"The {len(material.held_out)} pictures were kept out of the calibration: "
            "the guard had not seen them."
        )
    return (
        "The pictures are the references themselves, which the guard was fitted on, so it knows "
        "them better than it will know production. For figures on pictures that it has not seen, "
        "calibrate with --held-out or run “edge-guard evaluate”."
    )


def examples(pipeline: Pipeline, judged: Judged) -> list[Example]:
    """Return some accepted pictures, some flagged ones, and one of each leading reason."""
    flagged = np.flatnonzero(judged.flagged)
    accepted = [judged.images[i] for i in np.flatnonzero(~judged.flagged)]
    first = {judged.leading[i]: i for i in reversed(flagged.tolist())}
    rows = dict.fromkeys([*first.values(), *flagged[:SHOWN].tolist()])
    shown = [*(evenly(accepted, SHOWN) if accepted else []), *(judged.images[i] for i in rows)]
    return [found for one in shown if (found := example_of(pipeline, one)) is not None]


def verdicts(
    judged: Judged,
    own: Sequence[Example],
    trials: Sequence[Trial],
    material: Material,
) -> Iterator[str]:
    """Yield the section that shows examples of each verdict."""
    yield "<h2>What each verdict looks like</h2>"
    yield f"<p>{escape(_source_words(material))} {escape(_flagged_words(judged, own))}"
    yield "Where none of a verdict is among them, pictures of the trials below stand in.</p>"
    yield "<h3>accept: the model’s answer may be used</h3>" + '<div class="pictures">'
    for example in [one for one in own if one.result.verdict == Verdict.ACCEPT][:SHOWN]:
        said = f": {example.answer}" if example.answer else ""
        yield figure(_pictured(example), short_name(example.name) + said)
    yield "</div>"
    for verdict, words in (
        (Verdict.REVIEW, "review: a person must look"),
        (Verdict.INVALID, "invalid: no picture to judge by; the model’s answer is withheld"),
    ):
        yield f'<h3>{escape(words)}</h3><div class="pictures">'
        found = [(short_name(e.name), e) for e in own if e.result.verdict == verdict]
        made = [(t.degree.name, t.examples[verdict]) for t in trials if verdict in t.examples]
        for name, example in (found + _spread(made, max(SHOWN - len(found), 2)))[:SHOWN]:
            answer = f" ({example.answer})" if example.answer else ""
            yield figure(_pictured(example), f"{name}{answer}: {example.said}")
        yield "</div>" if found or made else "</div><p>No picture here was judged so.</p>"


def _flagged_words(judged: Judged, own: Sequence[Example]) -> str:
    """Return how many of the pictures are flagged, and for which leading reasons."""
    said = (
        f"Of {len(judged.verdicts)} judged for this page, {int(judged.flagged.sum())} are flagged"
    )
    words = {one.result.reasons[0].guard: one.said for one in own if one.result.reasons}
    counts = Counter(reason for reason in judged.leading if reason).most_common()
    told = [f"{n} because {words.get(reason, reason).split(':')[0]}" for reason, n in counts]
    return f"{said}: {', '.join(told)}." if told else f"{said}."


def _pictured(example: Example) -> str:
    return picture(example.image, [one.box for one in example.result.detections or ()])


def _spread(made: list[tuple[str, Example]], most: int) -> list[tuple[str, Example]]:
    if not made:
        return []
    return [made[row] for row in np.unique(np.linspace(0, len(made) - 1, most).astype(int))]


def short_name(name: str) -> str:
    """Return a file's name with its folder's."""
    return "/".join(Path(name).parts[-2:])


def mishaps(trials: Sequence[Trial], material: Material) -> Iterator[str]:
    """Yield the section that shows what would be noticed."""
    yield "<h2>What could happen, and whether it would be noticed</h2>"
    made = "pictures kept out of the calibration" if material.held_out else "the references"
    most = max((trial.verdicts.total() for trial in trials), default=0)
    yield (
        f"<p>Rendered from {made}, up to {most} for each "
        "degree (those that it leaves as they are, such as a blank part blurred, do not count), "
        "and judged by the finished bundle. “Noticed” is a verdict of review or invalid. "
        "Calibration imagined mishaps of some of these kinds to weigh its guards, never to set "
        "its threshold; what really happens at the line can look different.</p>"
    )
    yield from _digest(trials)
    yield '<div class="row">'
    for mishap in dict.fromkeys(t.degree.mishap for t in trials):
        yield f'<section><h3>{escape(mishap)}</h3><div class="pictures">'
        yield from (_degree(trial) for trial in trials if trial.degree.mishap == mishap)
        yield "</div></section>"
    yield "</div>"


def _digest(trials: Sequence[Trial]) -> Iterator[str]:
    rows = (
        (f"Noticed nearly always ({NOTICED:.0%} or more)", NOTICED, 1.1),
        ("Noticed at times", RARELY, NOTICED),
        ("Hardly or never noticed", 0.0, RARELY),
    )
    yield table([], ([words, _listed(trials, low, high)] for words, low, high in rows), "words")


def _listed(trials: Sequence[Trial], low: float, high: float) -> str:
    groups: dict[str, list[str]] = {}
    for trial in trials:
        if low <= trial.share < high:
            groups.setdefault(trial.degree.mishap.lower(), []).append(trial.degree.words)
    return "; ".join(f"{mishap} ({', '.join(w)})" for mishap, w in groups.items()) or "none"


def _degree(trial: Trial) -> str:
    example = trial.typical
    verdict = example.result.verdict
    said = f": {example.said}" if example.said else ""
    return (
        f"<figure>{_pictured(example)}<figcaption><b>{escape(trial.degree.words)}</b><br>"
        f"noticed {trial.noticed} of {trial.verdicts.total()}<br>"
        f'<span class="{verdict}">{verdict}</span>{escape(said)}</figcaption></figure>'
    )
