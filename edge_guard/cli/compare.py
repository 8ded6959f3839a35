"""``edge-guard compare``: two versions of a model or bundle on the same images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.cli.view import add_view_arguments, view_of

if TYPE_CHECKING:
    from edge_guard.evaluation.versions import Comparison

_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Runs two versions on the same images and says what would change if the new one went live: "
        "the float model beside its quantized export, or last month's bundle beside today's. "
        "Models need their cards beside them."
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="model or bundle that is in use")
    parser.add_argument("new", type=Path, metavar="NEW", help="model or bundle that may follow")
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help="images, or one folder a label: then accuracies are compared too",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_view_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.calibration.references import find_references, viewed
    from edge_guard.evaluation.versions import ask, compare

    output = Output(args.json)
    images = viewed(find_references(args.reference), view_of(args))
    old, new = (ask(path, images, args.threads, output.progress) for path in (args.old, args.new))
    found = compare(images, old, new)
    output.record(_record(found))
    _print(output, found)
    return 0


def _record(found: Comparison) -> dict[str, Any]:
    return {
        "type": "comparison",
        "images": found.images,
        "answers": [
            {"image": name, "old": a.answer, "new": b.answer} for name, a, b in found.answers
        ],
        "verdicts": [
            {"old": old, "new": new, "images": n} for (old, new), n in found.verdicts.items()
        ],
        "newly_flagged": dict(found.newly_flagged),
        "confidence_shift": found.confidence_shift,
        "labelled": found.labelled,
        "old_right": found.old_right,
        "new_right": found.new_right,
        "p_value": found.p_value,
    }


def _print(output: Output, found: Comparison) -> None:
    n = found.images
    color = "green" if not found.answers else "yellow"
    output.text(f"{len(found.answers)} of {n} images are answered differently", color=color)
    for name, old, new in found.answers[:_MOST_SHOWN]:
        output.text(f"  {Path(name).name}: {old.answer or 'nothing'} → {new.answer or 'nothing'}")
    if (more := len(found.answers) - _MOST_SHOWN) > 0:
        output.text(f"  … and {more} more (--json lists all)")
    if found.labelled:
        output.text(
            f"right on {found.old_right} of {found.labelled} labelled images before, "
            f"{found.new_right} after ({_chance(found.p_value)})"
        )
    if found.confidence_shift:
        middle, low, high = found.confidence_shift
        output.text(f"confidence: {middle:+.3f} in the middle, {low:+.3f} to {high:+.3f} for 90 %")
    changed = {pair: k for pair, k in found.verdicts.items() if pair[0] != pair[1]}
    if found.verdicts:
        output.text(f"{sum(changed.values())} of {n} verdicts change")
    for (old_verdict, new_verdict), k in sorted(changed.items(), key=lambda item: -item[1]):
        output.text(f"  {old_verdict} → {new_verdict}: {k}")
    for guard, k in found.newly_flagged.most_common(_MOST_SHOWN):
        output.text(f"  newly flagged by {guard}: {k}")


def _chance(p: float | None) -> str:
    if p is None or p >= 0.05:
        return "no more than chance"
    return f"more than chance, p = {p:.2g}"
