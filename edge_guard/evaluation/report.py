"""The evaluation as one HTML file that needs nothing else: charts, tables, the worst pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.calibration.references import Reference
from edge_guard.errors import EdgeGuardError
from edge_guard.evaluation import plots
from edge_guard.evaluation.judge import Judged
from edge_guard.evaluation.page import figure, picture, table, write_page
from edge_guard.evaluation.record import Answers

_PICTURES = 12


def write_report(
    path: Path,
    bundle: Bundle,
    record: Mapping[str, Any],
    inside: Judged,
    outside: Mapping[str, Judged],
    answered: Answers | None,
) -> None:
    """Write the report.

    Parameters
    ----------
    path : Path
    bundle : Bundle
    record : mapping
        The evaluation record.
    inside : Judged
    outside : mapping of str to Judged
        Foreign sets by name.
    answered : Answers or None
        None where the images carry no labels.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    body = "\n".join(_body(bundle, record, inside, outside, answered))
    title = f"Evaluation of {bundle.id}"
    write_page(path, title, body)


def _body(
    bundle: Bundle,
    record: Mapping[str, Any],
    inside: Judged,
    outside: Mapping[str, Judged],
    answered: Answers | None,
) -> Iterator[str]:
    promise = bundle.manifest.promise
    yield (
        f"<p>{escape(bundle.manifest.provenance.model_name)}; promised false-flag rate "
        f"{promise.false_flag_rate:.2%} ({promise.regime}). "
        "Intervals of shares are exact, the others are bootstrapped.</p>"
    )
    yield "<h2>Images like the references</h2>"
    yield table(["figure", "value", "95 % interval"], _headline(record["id"]))
    if outside:
        yield "<h2>Foreign images</h2>"
        yield table(
            ["set", "images", "flagged", "AUROC", "95 % interval", "FPR95", "95 % interval"],
            [_foreign(name, entry) for name, entry in record["ood"].items()],
        )
    yield '<h2>Curves</h2><div class="charts">'
    yield from (f"<figure>{c}</figure>" for c in _charts(bundle, inside, outside, answered))
    yield "</div>"
    for name, entry in record["ood"].items():
        yield f"<h2>Guards against {escape(name)}</h2>"
        yield "<p>AUROC of each guard alone, and of the fused score without it.</p>"
        yield table(["guard", "AUROC alone", "FPR95 alone", "fused without it"], _guards(entry))
    yield from _pictures("Good images that are least like the references", inside, -1.0)
    for name, judged in outside.items():
        yield from _pictures(f"Images of {name} that are most like the references", judged, 1.0)


def _charts(
    bundle: Bundle, inside: Judged, outside: Mapping[str, Judged], answered: Answers | None
) -> Iterator[str]:
    yield plots.histograms(inside, outside, bundle.manifest.promise.score_limit)
    if outside:
        yield plots.roc_curves(inside, outside)
    if answered is not None:
        yield plots.risk_curve(answered)
        yield plots.reliability_diagram(answered)


_FIGURES = {
    "false_flag_rate": "flagged although good",
    "coverage": "accepted",
    "accuracy": "the model is right",
    "accepted_accuracy": "the model is right on what is accepted",
    "ece": "confidence is off by (ECE)",
    "aurc": "area under risk and coverage (AURC)",
    "augrc": "area under generalised risk and coverage (AUGRC)",
}


def _headline(inside: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["images", str(inside["n"]), ""]
    for key, words in _FIGURES.items():
        if inside[key] is not None:
            yield [words, f"{inside[key]:.4f}", _between(inside[f"{key}_interval"])]


def _foreign(name: str, entry: Mapping[str, Any]) -> list[str]:
    return [
        name,
        str(entry["n"]),
        f"{entry['flag_rate']:.4f}",
        f"{entry['auroc']:.4f}",
        _between(entry["auroc_interval"]),
        f"{entry['fpr95']:.4f}",
        _between(entry["fpr95_interval"]),
    ]


def _guards(entry: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["all, fused", f"{entry['auroc']:.4f}", f"{entry['fpr95']:.4f}", ""]
    for name, guard in sorted(entry["guards"].items(), key=lambda item: -item[1]["auroc"]):
        figures = (guard["auroc"], guard["fpr95"], guard["auroc_without"])
        yield [name, *(f"{figure:.4f}" for figure in figures)]


def _between(ends: Sequence[float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def _pictures(title: str, judged: Judged, sign: float) -> Iterator[str]:
    """Yield the images that the guard judges worst: highest score first where sign is −1."""
    yield f'<h2>{escape(title)}</h2><div class="pictures">'
    for row in np.argsort(sign * judged.fused, kind="stable")[:_PICTURES]:
        yield _figure(judged, int(row))
    yield "</div>"


def _figure(judged: Judged, row: int) -> str:
    image = judged.images[row]
    verdict = str(judged.verdicts[row])
    words = f"{Path(image.name).name}: {verdict} {judged.leading[row]}, {judged.fused[row]:.2f}"
    return figure(_picture(image), words)


def _picture(image: Reference) -> str:
    try:
        return picture(image.load())
    except EdgeGuardError as error:
        return f"<p>{escape(str(error))}</p>"
