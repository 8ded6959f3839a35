"""The calibration as one HTML file that needs nothing else, for a technician and an auditor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from edge_guard.benchmark import benchmark
from edge_guard.bundle import Bundle
from edge_guard.calibration.references import Progress, Reference, relative_name
from edge_guard.evaluation import plots
from edge_guard.evaluation.calibration_pictures import (
    Material,
    evenly,
    examples,
    mishaps,
    verdicts,
)
from edge_guard.evaluation.calibration_settings import (
    card_rows,
    gate_rows,
    guard_rows,
    origin_rows,
)
from edge_guard.evaluation.calibration_words import (
    WATCHED_STEPS,
    cost_rows,
    guarded,
    not_promised,
    promised,
    watched_rows,
)
from edge_guard.evaluation.judge import Judged, judge
from edge_guard.evaluation.page import figure, picture, table, write_page
from edge_guard.evaluation.record import Answers, answers, found_answers, truth
from edge_guard.evaluation.trials import NOTICED, Example, Trial, run_trials
from edge_guard.pipeline import Pipeline
from edge_guard.plain_words import monitors_in_words
from edge_guard.tuning.guards import time_guards
from edge_guard.types import Array

_GUARD_SECONDS = 0.5
_NO_LABELS = "The pictures carry no labels, so nobody can say how often the model is right. "
_NO_ANSWER = "This model gives no answer that could be right or wrong: the guard’s verdict is it."
_UNKNOWN = {
    "classify": f"{_NO_LABELS}Sort them into one folder a label to learn it.",
    "detect": f"{_NO_LABELS}Draw boxes (YOLO text, COCO or CSV) in some, also of what it gets "
    "wrong, to learn it.",
    "anomaly": _NO_ANSWER,
    "embed": _NO_ANSWER,
}
_JUDGED = 500
"""Pictures that are judged for the report, evenly from all."""
_BENCH_FRAMES = 60


def write_calibration_report(
    path: Path, file: Path, bundle: Bundle, material: Material, progress: Progress
) -> None:
    """Show the finished bundle pictures, and write what it says of them.

    Parameters
    ----------
    path : Path
        The report.
    file : Path
        The bundle's file.
    bundle : Bundle
        As it was read from there.
    material : Material
    progress : callable
        Called with (stage, done, total).

    Raises
    ------
    ConfigError
        The report cannot be written.
    BundleError
        The bundle cannot be used here.
    """
    shown = evenly(material.pictures, _JUDGED)
    judged, own, trials = _judged(bundle, shown, material, progress)
    answered = _answered(bundle, judged) if material.labels else None
    progress("measuring what it costs", 0, 1)
    cost = benchmark(bundle, frames=_BENCH_FRAMES, threads=material.threads)
    guards = time_guards(bundle, threads=material.threads, seconds=_GUARD_SECONDS)
    progress("measuring what it costs", 1, 1)
    sections = (
        _summary(bundle, trials),
        verdicts(judged, own, trials, material),
        mishaps(trials, material),
        _scores(bundle, judged, trials, material),
        _confidence(bundle, answered, material),
        _drift(bundle),
        _suspicious(bundle, material),
        ["<h2>What it costs on this device</h2>", table([], cost_rows(cost, guards), "words")],
        _settings(bundle, material),
        _origins(bundle, file, material),
    )
    body = "\n".join(line for section in sections for line in section)
    title = f"Calibration report: {bundle.manifest.provenance.model_name}"
    write_page(path, title, body, f"{title} – {bundle.id}")


def _judged(
    bundle: Bundle, shown: Sequence[Reference], material: Material, progress: Progress
) -> tuple[Judged, list[Example], list[Trial]]:
    """Return what the bundle says of pictures, of some of them in words, and of mishaps."""
    pipeline = Pipeline(bundle, threads=material.threads, live=False)
    try:
        judged = judge(pipeline, shown, "judging pictures for the report", progress)
        own = examples(pipeline, judged)
        rng = np.random.default_rng([material.seed, 4])
        return judged, own, run_trials(pipeline, material.pictures, rng, progress)
    finally:
        pipeline.close()


def _answered(bundle: Bundle, judged: Judged) -> Answers | None:
    """Return the model's answers to pictures of which people said what there is."""
    if bundle.manifest.detection:
        return found_answers(bundle.manifest, judged)
    return answers(judged, truth(bundle.manifest, judged.images))


def _summary(bundle: Bundle, trials: Sequence[Trial]) -> Iterator[str]:
    manifest = bundle.manifest
    yield f"<p>Bundle <b>{escape(bundle.id)}</b>, made {escape(manifest.provenance.created)}.</p>"
    yield "<h2>What is guarded</h2>"
    yield _list(guarded(manifest))
    yield "<h2>What is promised</h2>"
    yield _list(promised(manifest))
    yield "<h2>What is not promised</h2>"
    yield _list(not_promised(manifest))
    warnings = [*_weaknesses(bundle, trials), *manifest.references.warnings]
    warnings += manifest.drift.warnings if manifest.drift else ()
    if warnings:
        yield '<div class="note"><h3>Take note</h3>' + _list(warnings) + "</div>"


def _weaknesses(bundle: Bundle, trials: Sequence[Trial]) -> Iterator[str]:
    """Yield what an owner of the line should see first: odd references, gross mishaps that pass."""
    odd = len(bundle.manifest.references.suspicious)
    if odd:
        yield (
            f"references unlike the others: {odd}, shown below; where that is no good production, "
            "the guard has learnt to let the like of it pass"
        )
    grossest = {trial.degree.mishap: trial for trial in trials}
    for mishap, trial in grossest.items():
        if trial.share < NOTICED:
            yield (
                f"{mishap.lower()}: even {trial.degree.words} was noticed only in "
                f"{trial.noticed} of {trial.verdicts.total()} trials"
            )


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(said)}</li>" for said in sentences) + "</ul>"


def _scores(
    bundle: Bundle, judged: Judged, trials: Sequence[Trial], material: Material
) -> Iterator[str]:
    promise = bundle.manifest.promise
    sets: dict[str, Array] = {
        "references, each scored by a guard fitted without it": bundle.arrays["fusion.calibration"]
    }
    if material.held_out:
        sets["pictures kept out of the calibration"] = judged.fused
    for trial in trials:
        if trial.degree.words.startswith(("20 %", "blur of 1.2 %")) and trial.fused:
            sets[trial.degree.name] = np.array(trial.fused)
    yield "<h2>Scores and the threshold</h2>"
    yield (
        f"<p>A frame is flagged above a fused score of {promise.score_limit:.4g} (a p-value of "
        f"{promise.p_limit:.4g} or less). What the input gate refuses has no score and is not in "
        "the chart.</p>"
    )
    chart = plots.score_histogram(sets, promise.score_limit)
    yield f'<div class="charts"><figure>{chart}</figure></div>'


def _confidence(bundle: Bundle, answered: Answers | None, material: Material) -> Iterator[str]:
    yield "<h2>Is the model right when it says it is sure?</h2>"
    if answered is None:
        yield f"<p>{escape(_UNKNOWN[bundle.manifest.card.output.task])}</p>"
        return
    wrong = int((1 - answered.correct).sum())
    words = f"Of {len(answered.correct)} labelled pictures the model is wrong on {wrong}. "
    if bundle.manifest.detection:
        words += "It is right where all its boxes are, and none is missing. "
    confidence = bundle.manifest.confidence
    if not material.held_out:
        words += "The confidence was fitted on these pictures, so both curves flatter it a little"
        ece = confidence.ece if confidence else None
        words += "." if ece is None else f"; out of fold it is off by {ece:.3f} (ECE)."
    yield f"<p>{escape(words)}</p>"
    charts = plots.reliability_diagram(answered), plots.risk_curve(answered)
    yield '<div class="charts">' + "".join(f"<figure>{c}</figure>" for c in charts) + "</div>"


def _drift(bundle: Bundle) -> Iterator[str]:
    yield "<h2>Slow changes</h2>"
    yield (
        "<p>Beside each frame, monitors watch the stream as a whole. Computed from how much the "
        "references vary, a step of this size raises an alarm on average within:</p>"
    )
    yield _list(monitors_in_words(bundle.manifest))
    spec = bundle.manifest.drift
    if spec:
        steps = [f"step of {step:g} spreads" for step in WATCHED_STEPS]
        yield "<h3>Frames until an alarm, by the size of a lasting step</h3>"
        yield table(["watched", "spread of a frame", *steps], watched_rows(spec))


def _suspicious(bundle: Bundle, material: Material) -> Iterator[str]:
    names = bundle.manifest.references.suspicious
    yield "<h2>References that are unlike the others</h2>"
    if not names:
        yield "<p>None stands out.</p>"
        return
    yield (
        "<p>Look at them. Take out what is no good production and calibrate again; of what is, add "
        "more pictures: as it is, the threshold makes room for them, and for much else.</p>"
    )
    by_name = {relative_name(r.name, r.label): r for r in material.references}
    yield '<div class="pictures">'
    for name in names:
        yield figure(picture(by_name[name].load()), name)
    yield "</div>"


def _settings(bundle: Bundle, material: Material) -> Iterator[str]:
    manifest = bundle.manifest
    yield "<h2>Settings</h2>"
    yield "<h3>What was asked for</h3>"
    yield table([], material.asked.items(), "words")
    yield "<h3>How a picture reaches the model</h3>"
    yield table([], card_rows(manifest), "words")
    yield "<h3>Limits of the input gate</h3>"
    yield (
        "<p>Inside the usual range nothing is said; outside it the statistic explains a flag; "
        "beyond the last column a frame is invalid.</p>"
    )
    rows = list(gate_rows(manifest))
    yield table(["about", "statistic", "usual", "still a picture"], rows, "words")
    yield "<h3>Scores that are fused into one</h3>"
    yield table(["score", "share", "usual on good pictures", "spread"], guard_rows(bundle))


def _origins(bundle: Bundle, file: Path, material: Material) -> Iterator[str]:
    yield "<h2>Where it comes from</h2>"
    yield table([], origin_rows(bundle, file, material.references), "words")
    yield "<h2>Read and released</h2>"
    yield table(["name", "date", "signature"], [["", "", ""]] * 2, "words signed")
