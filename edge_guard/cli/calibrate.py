"""``edge-guard calibrate``: fit a guard to a model from reference images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.calibrate_options import add_arguments, check
from edge_guard.cli.output import Output
from edge_guard.cli.view import view_of
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.backends.infer import LoadedCard
    from edge_guard.bundle import Bundle
    from edge_guard.calibration.references import Reference
    from edge_guard.calibration.settings import Settings
    from edge_guard.manifest import Manifest
    from edge_guard.sources import View


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    check(args)
    if args.camera == "-":
        args.camera = _camera_given()
    from edge_guard.backends.infer import load_card
    from edge_guard.calibration.calibrate import calibrate
    from edge_guard.cli.calibrate_references import gather

    output = Output(args.json)
    view = view_of(args)
    loaded = load_card(args.model, args.card)
    for sentence in loaded.said:
        output.record({"type": "notice", "message": sentence})
        output.text(f"note: {sentence}", color="yellow")
    held_out = _held_out(args, view, loaded)
    references, said = gather(args, output, view, loaded)
    bundle = calibrate(
        args.model,
        references,
        args.output,
        card=loaded.card,
        labels=loaded.labels,
        settings=_settings(args, said, inferred=bool(loaded.said)),
        progress=output.progress,
    )
    output.record(_record(bundle.manifest, bundle.id, args.output))
    _print(output, bundle, args.output)
    if args.report:
        _write_report(args, references, held_out, output)
    return 0


def _camera_given() -> str:
    """Return the address on the first line of standard input."""
    address = "" if sys.stdin is None else sys.stdin.readline().strip()
    if not address:
        raise ConfigError("--camera - got no address on standard input", "give it in one line")
    return address


def _held_out(args: argparse.Namespace, view: View, loaded: LoadedCard) -> list[Reference]:
    """Return the images kept out, with the boxes that YOLO text beside a detector's tells."""
    from edge_guard.calibration.annotations import annotated
    from edge_guard.calibration.references import find_references, viewed

    if not args.held_out:
        return []
    found = find_references(args.held_out)
    if loaded.card.output.task == "detect" and args.labels != "none":
        found = annotated(found, args.held_out, None, loaded.labels)
    return viewed(found, view)


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


def _settings(args: argparse.Namespace, said: tuple[str, ...], *, inferred: bool) -> Settings:
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
        said=said,
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


__all__ = ["add_arguments", "run"]
