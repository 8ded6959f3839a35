"""``edge-guard bundle``: look after bundles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle
    from edge_guard.manifest import Manifest


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


def promise_in_words(promise: Any) -> str:
    """Return what the flag threshold guarantees, for people."""
    rate = f"{promise.false_flag_rate:.2%}"
    if promise.regime == "confident":
        return f"at most {rate} of good frames are flagged, with 95 % confidence"
    if promise.regime == "marginal":
        return f"{rate} of good frames are flagged at most, on average over calibrations"
    return f"no promise, only advice: {rate} of good frames or more may be flagged; add references"


def monitors_in_words(manifest: Manifest) -> list[str]:
    """Return what the drift monitors can see, for people, one sentence each."""
    from edge_guard.drift.sensitivity import sentences

    if manifest.drift is None:
        return ["has no drift monitors: calibrate again with this edge-guard"]
    return list(sentences(manifest.drift))


def labelled_in_words(manifest: Manifest) -> list[str]:
    """Return what labelled references gave, for people, one sentence each."""
    said = []
    confidence, c, dials = manifest.confidence, manifest.certificate, manifest.dials
    if confidence and confidence.ece is not None:
        said.append(
            f"confidence: {confidence.method} map on {confidence.ranking}, off by "
            f"{confidence.ece:.3f} (ECE, out of fold)"
        )
    if c:
        said.append(
            f"certified: at most {c.max_error:.1%} of what is accepted is wrong, with "
            f"{1 - c.delta:.1%} confidence (attempt {c.attempt}), from confidence "
            f"{c.min_confidence:.4f} up; {c.accepted} of {c.labelled} accepted, {c.wrong} wrong"
        )
    if c and c.escapes is not None:
        promised = "not promised" if c.max_escapes is None else f"at most {c.max_escapes:.1%}"
        said.append(
            f"escapes: {c.escapes} of {c.defective} defective parts accepted as "
            f"{c.good_label} ({promised})"
        )
    if dials.cost_confidence is not None:
        said.append(f"costs: a look pays below confidence {dials.cost_confidence:.4f}")
    if dials.review_budget is not None:
        said.append(f"review budget: {dials.review_budget:.1%} of the frames")
    return said
