"""``edge-guard retune``: a new bundle from people's labels, with a stated guarantee."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle
    from edge_guard.retune.frames import Frames
    from edge_guard.retune.outcome import Outcome
    from edge_guard.retune.settings import Wishes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Says what people's labels make of a bundle: coverage, errors, what is certified or what "
        "is missing; with -o writes a new bundle with the certified threshold. Only frames drawn "
        "at random (audits) certify. The bundle itself is never changed."
    )
    parser.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle to retune")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--labels", type=Path, metavar="FILE.csv", help="labelled frames")
    where.add_argument(
        "--collector", type=Path, metavar="COLLECTOR.toml", help="take them from its database"
    )
    parser.add_argument("--device", help="with --collector: name of the device")
    parser.add_argument("--stream", help="with --collector: name of the stream")
    parser.add_argument("-o", "--output", type=Path, metavar="Y.guard", help="bundle to write")
    parser.add_argument("--key", type=Path, metavar="NAME.key", help="sign it with this key")
    parser.add_argument(
        "--unsigned", action="store_true", help="leave the retune of a signed bundle unsigned"
    )
    _add_wishes(parser)
    add_json_argument(parser)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", type=float, default=0.99, help="share of accepted answers right (default 0.99)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.95, help="of the promise (default 0.95)"
    )
    parser.add_argument(
        "--references",
        action="store_true",
        help="count the bundle's labelled references too: holds if production is like them",
    )
    parser.add_argument("--cost-escape", type=float, metavar="C", help="of an accepted error")
    parser.add_argument("--cost-look", type=float, metavar="C", help="of a human look, same unit")
    parser.add_argument(
        "--review-budget", type=float, metavar="SHARE", help="of the frames people can look at"
    )
    parser.add_argument(
        "--frames-per-shift", type=float, default=10_000, metavar="N", help="default 10000"
    )
    parser.add_argument("--who", metavar="NAME", help="who retunes, for the record")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.bundle import read_bundle
    from edge_guard.retune.outcome import settle

    output = Output(args.json)
    parent = read_bundle(args.bundle)
    _check_output(args, parent)
    frames, wishes = _frames(args, parent), _wishes(args)
    outcome = settle(parent, frames, wishes)
    _tell(output, frames, outcome, wishes, args.frames_per_shift)
    if args.output is not None:
        _write(args, output, parent, frames, outcome, wishes)
    return 0


def _check_output(args: argparse.Namespace, parent: Bundle) -> None:
    if args.output is None:
        return
    if args.output.exists():
        raise ConfigError(
            f"{args.output} is there already", "a retuned bundle is a new one: name another file"
        )
    if parent.signature is not None and args.key is None and not args.unsigned:
        raise ConfigError(
            f"bundle {parent.id} is signed, so its retune is to be signed as well",
            "give --key NAME.key, or --unsigned and sign it later",
        )


def _frames(args: argparse.Namespace, parent: Bundle) -> Frames:
    if args.labels is not None:
        from edge_guard.retune.frames import read_labels

        return read_labels(args.labels)
    if args.device is None or args.stream is None:
        raise ConfigError("--collector needs --device and --stream", "name both")
    from edge_guard.collector.retunes.reading import frames_of_config

    return frames_of_config(args.collector, args.device, args.stream, parent.id)


def _wishes(args: argparse.Namespace) -> Wishes:
    from edge_guard.retune.settings import Wishes

    return Wishes(
        target=args.target,
        confidence=args.confidence,
        references=args.references,
        cost_escape=args.cost_escape,
        cost_look=args.cost_look,
        review_budget=args.review_budget,
        who=args.who or "",
    )


def _tell(
    output: Output, frames: Frames, outcome: Outcome, wishes: Wishes, per_shift: float
) -> None:
    from edge_guard.retune.words import certified_in_words, consequence, labels_in_words

    words = certified_in_words(outcome, wishes)
    output.record({"type": "retune", "words": words, **_record(frames, outcome, wishes)})
    output.text(labels_in_words(frames))
    output.text(f"now: {consequence(outcome.now, per_shift, wishes)}")
    certified = outcome.findings.best is not None
    output.text(words, color="green" if certified else "yellow")
    if outcome.then is not None:
        output.text(f"then: {consequence(outcome.then, per_shift, wishes)}")


def _record(frames: Frames, outcome: Outcome, wishes: Wishes) -> dict[str, Any]:
    best = outcome.findings.best
    return {
        "labels": int(frames.judged.sum()),
        "audited": int((frames.judged & frames.drawn).sum()),
        "references": outcome.references,
        "target": wishes.target,
        "confidence": wishes.confidence,
        "certified": best is not None,
        "missing": outcome.findings.missing,
        "threshold": None if best is None else outcome.least,
        "error_bound": None if best is None else outcome.findings.bound,
        "now": outcome.now,
        "then": outcome.then,
        "curve": outcome.points,
    }


def _write(
    args: argparse.Namespace,
    output: Output,
    parent: Bundle,
    frames: Frames,
    outcome: Outcome,
    wishes: Wishes,
) -> None:
    from hashlib import sha256

    from edge_guard.bundle import write_bundle
    from edge_guard.calibration.golden import with_trials
    from edge_guard.retune.bundles import retuned
    from edge_guard.signing import sign_bundle

    digest = sha256(args.bundle.read_bytes()).hexdigest()
    made = with_trials(retuned(parent, digest, frames, outcome, wishes))
    if args.key is None:
        identity = write_bundle(made, args.output)
    else:
        part = args.output.with_name(f".{args.output.name}.unsigned")
        try:
            write_bundle(made, part)
            identity, _ = sign_bundle(part, args.output, args.key)
        finally:
            part.unlink(missing_ok=True)
    output.record({"type": "bundle", "bundle": identity, "path": str(args.output)})
    output.text(f"{args.output}: {identity}, retuned from {parent.id}")
