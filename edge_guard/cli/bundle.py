"""``edge-guard bundle``: look after bundles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Shows what a bundle guards and promises, or verifies it on this device."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (
        ("show", "print what the bundle guards and promises"),
        ("verify", "check every byte, and that its golden frames score the same on this device"),
    ):
        action = actions.add_parser(name, help=summary, description=summary)
        action.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle")
        add_json_argument(action)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.bundle import read_bundle

    output = Output(args.json)
    bundle = read_bundle(args.bundle)
    if args.action == "verify":
        from edge_guard.pipeline import Pipeline

        Pipeline(bundle, live=False).close()
        golden = len(bundle.manifest.golden)
        output.record({"type": "verified", "bundle": bundle.id, "golden": golden})
        output.text(
            f"{bundle.id}: every byte is as written, and {golden} golden frames "
            "score the same on this device"
        )
        return 0
    output.record({"type": "bundle", "bundle": bundle.id, "manifest": bundle.manifest})
    for line in _lines(bundle):
        output.text(line)
    return 0


def _lines(bundle: Bundle) -> list[str]:
    from edge_guard.plain_words import labelled_in_words, monitors_in_words, promise_in_words

    m = bundle.manifest
    size = sum(a.nbytes for a in bundle.arrays.values())
    taps = ", ".join(f"{t.height}×{t.width}×{t.channels}" for t in m.plan.taps)
    lines = [
        f"{bundle.id}",
        f"  model        {m.provenance.model_name} ({m.model_kind}, {len(bundle.model):,} bytes), "
        f"task {m.card.output.task}, {len(m.labels)} labels",
        f"  runtime      {m.runtime.backend} {m.runtime.version}, {m.runtime.kernels} kernels",
        f"  taps         {taps}",
        f"  guards       {', '.join(m.guards.scores)} ({size:,} bytes of arrays)",
        f"  promise      {promise_in_words(m.promise)}",
        f"  references   {m.references.n} images, worth {m.references.n_effective:.0f} "
        f"independent ones; {m.references.labelled} labelled",
        f"  made         {m.provenance.created} by edge-guard {m.provenance.version}",
    ]
    lines += [f"  labels       {line}" for line in labelled_in_words(m)]
    lines += [f"  drift        {line}" for line in monitors_in_words(m)]
    return lines + [f"  warning      {warning}" for warning in m.references.warnings]
