"""``edge-guard parity``: how production images differ from the references."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.cli.view import add_view_arguments, note_view, view_of
from edge_guard.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from edge_guard.sources import View
    from edge_guard.types import Frame

_PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Compares production images with the references that a bundle was calibrated on, or with "
        "training images: what differs, the furthest first, in plain words, and whether the "
        "model's accuracy is at stake."
    )
    parser.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle to compare with")
    parser.add_argument(
        "--production",
        required=True,
        metavar="SOURCE",
        help="folder, video, camera or address of production images",
    )
    parser.add_argument(
        "--training",
        metavar="SOURCE",
        help="compare with these training images, a folder or video, in place of the references",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=500,
        metavar="N",
        help="look at so many of each at most (default 500)",
    )
    parser.add_argument(
        "--report", type=Path, metavar="F.html", help="also write plots and pictures into one file"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_view_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.frames < 1 or args.threads < 1:
        raise ConfigError("--frames and --threads must be at least 1", "give a positive number")
    from edge_guard.bundle import read_bundle
    from edge_guard.evaluation.parity import compare
    from edge_guard.evaluation.parity_report import sentences, write_parity

    output = Output(args.json)
    bundle, view = read_bundle(args.bundle), view_of(args)
    note_view(bundle.manifest, view, output)
    training = None
    if args.training:
        training = _frames(args.training, view, args.frames, output, "looking at training images")
    production = _frames(args.production, view, args.frames, output, "looking at production")
    found = compare(bundle, production, args.threads, training)
    if not found.n:
        raise SourceError(f"{args.production} gives no picture that can be measured")
    if args.report:
        write_parity(args.report, bundle, found)
    said = list(sentences(found))
    output.record(
        {
            "type": "parity",
            "bundle": bundle.id,
            "n": found.n,
            "flagged": found.flagged,
            "promised": found.promised,
            "training": found.training,
            "training_flagged": found.training_flagged,
            "at_stake": found.at_stake,
            "cause": found.cause,
            "differences": found.differences,
            "remarks": found.remarks,
            "reasons": found.reasons,
        }
    )
    output.text(said[0], color="red" if found.at_stake else "green")
    for sentence in said[1:]:
        output.text(f"  {sentence}")
    return 0


def _frames(address: str, view: View, most: int, output: Output, stage: str) -> Iterator[Frame]:
    """Yield at most so many frames of a source; damaged ones are left out."""
    from edge_guard.sources import Damaged, open_source

    source = open_source(address, stream="parity", view=view)
    try:
        count = 0
        while not source.finished and count < most:
            frame = source.read(_PATIENCE_S)
            if frame is None:
                if not source.finished:
                    raise SourceError(f"{source.address} gives no frames", source.cause)
            elif isinstance(frame, Damaged):
                output.text(f"  {frame.source} cannot be read: {frame.cause}", color="yellow")
            else:
                count += 1
                output.progress(stage, count, most)
                yield frame
    finally:
        source.close()
