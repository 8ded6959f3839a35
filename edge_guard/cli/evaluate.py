"""``edge-guard evaluate``: measure a bundle on images it has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Measures a bundle: how often it flags images like the references (--id), and how well it "
        "tells foreign images (--ood) from them. Intervals are 95 % bootstrap intervals."
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
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.bundle import read_bundle
    from edge_guard.calibration.references import find_references
    from edge_guard.evaluation import inside_report, judge, outside_report
    from edge_guard.pipeline import Pipeline

    output = Output(args.json)
    sets = [_named_folder(word) for word in args.ood]
    pipeline = Pipeline(read_bundle(args.bundle), threads=args.threads, live=False)
    inside = judge(pipeline, find_references(args.inside), str(args.inside), output.progress)
    record: dict[str, Any] = {
        "type": "evaluation",
        "bundle": pipeline.bundle_id,
        "id": inside_report(pipeline, inside),
        "ood": {},
    }
    for name, folder in sets:
        outside = judge(pipeline, find_references(folder), name, output.progress)
        record["ood"][name] = outside_report(pipeline, inside, outside)
    pipeline.close()
    output.record(record)
    _print(output, record)
    return 0


def _named_folder(word: str) -> tuple[str, Path]:
    name, separator, folder = word.partition("=")
    if not (name and separator and folder):
        raise ConfigError(f"--ood {word!r} is not NAME=DIR", "for example --ood shoes=photos/shoes")
    return name, Path(folder)


def _print(output: Output, record: dict[str, Any]) -> None:
    inside = record["id"]
    output.text(f"{record['bundle']}")
    low, high = inside["false_flag_rate_interval"]
    output.text(
        f"  like the references: {inside['n']} images, {inside['false_flag_rate']:.2%} flagged "
        f"({low:.2%} to {high:.2%})"
    )
    if inside["accuracy"] is not None:
        accepted = inside["accepted_accuracy"]
        output.text(
            f"  the model is right on {inside['accuracy']:.2%}"
            + (f", on {accepted:.2%} of what is accepted" if accepted is not None else "")
            + f"; confidence is off by {inside['ece']:.3f} (ECE)"
        )
    if record["ood"]:
        output.text(
            f"  {'foreign set':<18}{'n':>6}{'flagged':>9}{'AUROC':>8}{'FPR95':>8}  best guard"
        )
    for name, ood in record["ood"].items():
        best = max(ood["guards"], key=lambda g: ood["guards"][g]["auroc"])
        output.text(
            f"  {name:<18}{ood['n']:>6}{ood['flag_rate']:>9.1%}{ood['auroc']:>8.4f}"
            f"{ood['fpr95']:>8.4f}  {best} {ood['guards'][best]['auroc']:.4f}"
        )
