"""``edge-guard calibrate``: fit a guard to a model from reference images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.cli.view import add_view_arguments, view_of
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.backends.infer import LoadedCard
    from edge_guard.bundle import Bundle
    from edge_guard.calibration.references import Reference
    from edge_guard.calibration.settings import Settings
    from edge_guard.manifest import Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Fits guards to a model from images of good production and writes a bundle that a device "
        "can run. 50 images give an advisory guard, 300 a promise with 95 % confidence."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="ONNX or TFLite file")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="reference images, or one folder a label",
    )
    where.add_argument(
        "--camera", metavar="SOURCE", help="take references from a camera, address or video"
    )
    parser.add_argument(
        "--frames", type=int, default=300, help="frames to take with --camera (default 300)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="X.guard", help="bundle to write"
    )
    parser.add_argument("--card", type=Path, help="model card; default MODEL.toml beside the model")
    parser.add_argument(
        "--labels",
        metavar="auto|none|FILE",
        default="auto",
        help="auto: folders name labels, YOLO text beside the images their boxes; none: ignore "
        "both; FILE: COCO JSON, or a CSV with columns file and label (left, top, width, height)",
    )
    parser.add_argument(
        "--false-flag-rate",
        type=float,
        default=0.01,
        metavar="RATE",
        help="share of good frames that may be flagged (default 0.01)",
    )
    _add_wishes(parser)
    parser.add_argument(
        "--advisory",
        action="store_true",
        help="write a guard without a promise where the references support none",
    )
    _add_report(parser)
    add_view_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="makes runs repeatable (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_json_argument(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", type=Path, metavar="F.html", help="also write a report that can be printed"
    )
    parser.add_argument(
        "--held-out",
        type=Path,
        metavar="DIR",
        help="images kept out of the calibration, for the report; default: the references",
    )


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    """Declare what labelled references can be asked for."""
    asked = parser.add_argument_group("with labelled references")
    asked.add_argument(
        "--max-error",
        type=float,
        metavar="RATE",
        help="certify that at most this share of the accepted answers is wrong",
    )
    asked.add_argument(
        "--max-escapes",
        type=float,
        metavar="RATE",
        help="certify as well that at most this share of defective parts is accepted as good",
    )
    asked.add_argument(
        "--good-label",
        metavar="NAME",
        help="class of good parts (default: a label called ok, good, normal or pass)",
    )
    asked.add_argument(
        "--previous",
        type=Path,
        metavar="X.guard",
        help="earlier bundle of this model: its attempts at a certificate count",
    )
    asked.add_argument(
        "--cost-error", type=float, metavar="C", help="what an accepted wrong answer costs"
    )
    asked.add_argument(
        "--cost-review",
        type=float,
        metavar="C",
        help="what a person's look costs, in the same unit",
    )
    asked.add_argument(
        "--review-budget",
        type=float,
        metavar="SHARE",
        help="share of the frames that people can look at; the least sure ones fill it",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    _check_rates(args)
    _check_report(args.report, args.held_out)
    from edge_guard.backends.infer import load_card
    from edge_guard.calibration.calibrate import calibrate
    from edge_guard.calibration.references import find_references, viewed

    output = Output(args.json)
    view = view_of(args)
    loaded = load_card(args.model, args.card)
    references = viewed(_annotated(args, _references(args, output), loaded), view)
    held_out = viewed(find_references(args.held_out), view) if args.held_out else []
    for sentence in loaded.said:
        output.record({"type": "notice", "message": sentence})
        output.text(f"note: {sentence}", color="yellow")
    bundle = calibrate(
        args.model,
        references,
        args.output,
        card=loaded.card,
        labels=loaded.labels,
        settings=_settings(args, inferred=bool(loaded.said)),
        progress=output.progress,
    )
    output.record(_record(bundle.manifest, bundle.id, args.output))
    _print(output, bundle, args.output)
    if args.report:
        _write_report(args, references, held_out, output)
    return 0


def _record(manifest: Manifest, identity: str, path: Path) -> dict[str, Any]:
    from edge_guard.plain_words import monitors_in_words

    return {
        "type": "calibration",
        "bundle": identity,
        "path": str(path),
        "promise": manifest.promise,
        "certificate": manifest.certificate,
        "confidence": manifest.confidence,
        "accuracy": manifest.accuracy,
        "dials": manifest.dials,
        "references": manifest.references,
        "monitors": list(monitors_in_words(manifest)),
    }


def _settings(args: argparse.Namespace, *, inferred: bool) -> Settings:
    from edge_guard.calibration.dials import Wishes
    from edge_guard.calibration.settings import Settings

    wishes = Wishes(
        max_error=args.max_error,
        max_escapes=args.max_escapes,
        good_label=args.good_label,
        cost_error=args.cost_error,
        cost_review=args.cost_review,
        review_budget=args.review_budget,
        previous=args.previous,
    )
    return Settings(
        false_flag_rate=args.false_flag_rate,
        wishes=wishes,
        advisory=args.advisory,
        labels="none" if args.labels == "none" else "auto",
        card_inferred=inferred,
        seed=args.seed,
        threads=args.threads,
        view=view_of(args),
    )


def _write_report(
    args: argparse.Namespace,
    references: Sequence[Reference],
    held_out: Sequence[Reference],
    output: Output,
) -> None:
    from edge_guard.bundle import read_bundle
    from edge_guard.evaluation.calibration_pictures import Material
    from edge_guard.evaluation.calibration_report import write_calibration_report

    left_out = ("command", "json", "verbose", "report")
    asked = {
        "--" + name.replace("_", "-"): _shown(value)
        for name, value in vars(args).items()
        if name not in left_out and value is not None
    }
    material = Material(references, held_out, args.labels != "none", asked, args.threads, args.seed)
    bundle = read_bundle(args.output)
    write_calibration_report(args.report, args.output, bundle, material, output.progress)
    output.record({"type": "report", "path": str(args.report)})
    output.text(f"report: {args.report}")


def _shown(value: object) -> str:
    """Return a setting for a report, which travels: without folders and passwords."""
    from edge_guard.sources.address import masked

    if isinstance(value, str) and "://" in value:
        return masked(value)
    if isinstance(value, str | Path):
        return Path(value).name or Path(value).resolve().name
    return str(value)


def _check_report(report: Path | None, held_out: Path | None) -> None:
    """Refuse before the long part what could not be written after it."""
    if held_out is not None and report is None:
        raise ConfigError("--held-out is for the report", "give --report F.html as well")
    if report is not None and not report.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {report}: its folder is missing", "make the folder first")


def _check_rates(args: argparse.Namespace) -> None:
    for option in ("false_flag_rate", "max_error", "max_escapes"):
        value = getattr(args, option)
        if value is not None and not 0.0 < value < 0.5:
            name = "--" + option.replace("_", "-")
            raise ConfigError(
                f"{name} {value} is out of range", "give a share above 0 and below 0.5"
            )
    if args.review_budget is not None and not 0.0 < args.review_budget < 1.0:
        raise ConfigError(
            f"--review-budget {args.review_budget} is out of range", "give a share between 0 and 1"
        )
    _check_costs(args.cost_error, args.cost_review)
    if args.frames < 1 or args.threads < 1:
        raise ConfigError("--frames and --threads must be at least 1", "give a positive number")


def _check_costs(error: float | None, review: float | None) -> None:
    if (error is None) != (review is None):
        raise ConfigError(
            "--cost-error and --cost-review belong together", "give both, in the same unit"
        )
    if error is not None and review is not None and not 0.0 < review < error:
        raise ConfigError(
            f"--cost-review {review:g} against --cost-error {error:g}: no look would pay",
            "give a review cost above 0 and below the error's",
        )


def _references(args: argparse.Namespace, output: Output) -> Sequence[Reference]:
    if args.reference:
        from edge_guard.calibration.references import find_references

        return find_references(args.reference)
    from edge_guard.calibration.capture import capture

    return capture(args.camera, args.frames, output.progress)


def _annotated(
    args: argparse.Namespace, references: Sequence[Reference], loaded: LoadedCard
) -> Sequence[Reference]:
    """Return the references with what files beside them say."""
    from edge_guard.calibration.annotations import annotated

    file = None if args.labels in ("auto", "none") else Path(args.labels)
    if file is None and (args.labels == "none" or loaded.card.output.task != "detect"):
        return references
    if args.reference is None:
        if file is not None:
            raise ConfigError("--labels FILE is about images in a folder", "give --reference DIR")
        return references
    return annotated(references, args.reference, file, loaded.labels)


def _print(output: Output, bundle: Bundle, path: Path) -> None:
    from edge_guard.plain_words import labelled_in_words, monitors_in_words, promise_in_words

    m = bundle.manifest
    output.text(f"{path} guards {m.provenance.model_name} ({bundle.id})", color="green")
    output.text(f"  promise: {promise_in_words(m.promise)}")
    if m.references.accuracy is not None:
        output.text(f"  the model is right on {m.references.accuracy:.1%} of the labelled images")
    for line in labelled_in_words(m):
        output.text(f"  {line}")
    for sentence in monitors_in_words(m):
        output.text(f"  {sentence}")
    for warning in (*m.references.warnings, *(m.drift.warnings if m.drift else ())):
        output.text(f"  note: {warning}", color="yellow")
    for name in m.references.suspicious:
        output.text(f"  look at {name}: it is unlike the other references", color="yellow")
    if m.references.suspicious:
        words = "take out what is no good production; of what is, add more: the threshold spares it"
        output.text(f"  {words}, and much else with it", color="yellow")
    output.text(f"next: edge-guard inspect {path} IMAGES")
