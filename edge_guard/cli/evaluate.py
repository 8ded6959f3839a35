"""``edge-guard evaluate``: measure a bundle on images it has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.cli.view import add_view_arguments, note_view, view_of
from edge_guard.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Measures a bundle: how often it flags images like the references (--id), and how well it "
        "tells foreign images (--ood) from them. 95 % intervals: exact for "
        "shares, bootstrapped for the rest."
    )
    parser.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle to measure")
    parser.add_argument(
        "--id",
        type=Path,
        required=True,
        metavar="DIR",
        dest="inside",
        help="images like the references, not used to calibrate; one folder a label, or plain",
    )
    parser.add_argument(
        "--ood",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="foreign images under a name; may be given again",
    )
    parser.add_argument(
        "--labels",
        choices=("auto", "none"),
        default="auto",
        help="auto: folders of --id name labels; none: ignore the folders' names",
    )
    parser.add_argument(
        "--report", type=Path, metavar="F.html", help="also write curves and pictures into one file"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_view_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.bundle import read_bundle
    from edge_guard.calibration.references import find_references, viewed
    from edge_guard.evaluation.judge import judge
    from edge_guard.evaluation.record import answers, inside_record, outside_record, truth
    from edge_guard.pipeline import Pipeline

    output = Output(args.json)
    view = view_of(args)
    folders = {
        name: viewed(find_references(folder), view) for name, folder in map(_named_folder, args.ood)
    }
    images = viewed(find_references(args.inside), view)
    bundle = read_bundle(args.bundle)
    note_view(bundle.manifest, view, output)
    known = truth(bundle.manifest, images if args.labels == "auto" else ())
    pipeline = Pipeline(bundle, threads=args.threads, live=False)
    inside = judge(pipeline, images, str(args.inside), output.progress)
    outside = {name: judge(pipeline, f, name, output.progress) for name, f in folders.items()}
    pipeline.close()
    answered = answers(inside, known) if args.labels == "auto" else None
    record: dict[str, Any] = {
        "type": "evaluation",
        "bundle": bundle.id,
        "id": inside_record(inside, answered),
        "ood": {name: outside_record(bundle, inside, judged) for name, judged in outside.items()},
    }
    if args.report:
        from edge_guard.evaluation.report import write_report

        write_report(args.report, bundle, record, inside, outside, answered)
    output.record(record)
    _print(output, record)
    return 0


def _named_folder(word: str) -> tuple[str, Path]:
    name, separator, folder = word.partition("=")
    if not (name and separator and folder):
        raise ConfigError(f"--ood {word!r} is not NAME=DIR", "for example --ood shoes=photos/shoes")
    return name, Path(folder)


def _print(output: Output, record: dict[str, Any]) -> None:
    output.text(f"{record['bundle']}")
    _print_inside(output, record["id"])
    if record["ood"]:
        output.text(
            f"  {'foreign set':<18}{'n':>6}{'flagged':>9}{'AUROC':>8}  {'95 % interval':<18}"
            f"{'FPR95':>6}  best guard"
        )
    for name, ood in record["ood"].items():
        best = max(ood["guards"], key=lambda g: ood["guards"][g]["auroc"])
        low, high = ood["auroc_interval"]
        output.text(
            f"  {name:<18}{ood['n']:>6}{ood['flag_rate']:>9.1%}{ood['auroc']:>8.4f}  "
            f"{f'{low:.4f} to {high:.4f}':<18}{ood['fpr95']:>6.4f}  "
            f"{best} {ood['guards'][best]['auroc']:.4f}"
        )


def _print_inside(output: Output, inside: dict[str, Any]) -> None:
    low, high = inside["false_flag_rate_interval"]
    output.text(
        f"  like the references: {inside['n']} images, {inside['false_flag_rate']:.2%} flagged "
        f"({low:.2%} to {high:.2%})"
    )
    if inside["accuracy"] is None:
        return
    accepted = inside["accepted_accuracy"]
    output.text(
        f"  the model is right on {inside['accuracy']:.2%}"
        + (f", on {accepted:.2%} of what is accepted" if accepted is not None else "")
        + f"; confidence is off by {inside['ece']:.3f} (ECE), AURC {inside['aurc']:.4f}, "
        f"AUGRC {inside['augrc']:.4f}"
    )
