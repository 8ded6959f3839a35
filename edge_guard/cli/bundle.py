"""``edge-guard bundle``: look after bundles."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Shows what a bundle guards and promises, verifies it on this device, says how two differ, "
        "and signs them: a device with [device] trusted_keys takes signed ones only."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (summary, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        _add_action(name, action)
        add_json_argument(action)


def _add_action(name: str, action: argparse.ArgumentParser) -> None:
    if name == "keygen":
        action.add_argument("name", type=Path, metavar="NAME", help="writes NAME.key and NAME.pub")
        return
    what = "the older bundle" if name == "diff" else "the bundle"
    action.add_argument("bundle", type=Path, metavar="X.guard", help=what)
    if name == "diff":
        action.add_argument("other", type=Path, metavar="Y.guard", help="the newer bundle")
    elif name == "verify":
        action.add_argument(
            "--key",
            type=Path,
            action="append",
            default=[],
            metavar="NAME.pub",
            help="also require a signature by this key; given again: by one of them",
        )
    elif name == "sign":
        action.add_argument(
            "--key", type=Path, required=True, metavar="NAME.key", help="the secret key"
        )
        action.add_argument(
            "-o", "--output", type=Path, metavar="Y.guard", help="default: in place"
        )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    _ACTIONS[args.action][1](args, Output(args.json))
    return 0


def _show(args: argparse.Namespace, output: Output) -> None:
    from edge_guard.bundle import read_bundle

    bundle = read_bundle(args.bundle)
    output.record({"type": "bundle", "bundle": bundle.id, "manifest": bundle.manifest})
    for line in _lines(bundle):
        output.text(line)


def _verify(args: argparse.Namespace, output: Output) -> None:
    from edge_guard.bundle import read_bundle
    from edge_guard.pipeline import Pipeline
    from edge_guard.signing import check_signature

    bundle = read_bundle(args.bundle)
    signer = check_signature(bundle, args.key) if args.key else None
    Pipeline(bundle, live=False).close()
    golden = len(bundle.manifest.golden)
    output.record({"type": "verified", "bundle": bundle.id, "golden": golden, "key": signer})
    output.text(
        f"{bundle.id}: every byte is as written, and {golden} golden frames "
        "score the same on this device"
    )
    if signer:
        output.text(f"  signed by key {signer}")
    elif bundle.signature:
        output.text("  signed; to check by whom, give --key NAME.pub", color="yellow")


def _keygen(args: argparse.Namespace, output: Output) -> None:
    from edge_guard.signing import generate_keys

    private, public = (args.name.with_name(args.name.name + end) for end in (".key", ".pub"))
    key = generate_keys(private, public)
    output.record({"type": "keys", "key": key, "private": str(private), "public": str(public)})
    output.text(f"{private}: the secret key {key}; keep it off the devices, and a copy of it safe")
    output.text(f'{public}: its public part; [device] trusted_keys = ["{public.name}"]')


def _sign(args: argparse.Namespace, output: Output) -> None:
    from edge_guard.signing import sign_bundle

    path = args.output or args.bundle
    identity, key = sign_bundle(args.bundle, path, args.key)
    output.record({"type": "signed", "bundle": identity, "path": str(path), "key": key})
    output.text(f"{path}: signed by key {key}; its id is now {identity}")


def _diff(args: argparse.Namespace, output: Output) -> None:
    from edge_guard.bundle import read_bundle
    from edge_guard.difference import differences

    old, new = read_bundle(args.bundle), read_bundle(args.other)
    found = differences(old, new)
    for part, words in found:
        output.record({"type": "difference", "part": part, "message": words})
        output.text(f"{part:<12} {words}")
    output.record({"type": "compared", "old": old.id, "new": new.id, "differences": len(found)})
    if not found:
        output.text(f"{old.id} and {new.id} hold the same")


_ACTIONS: dict[str, tuple[str, Callable[[argparse.Namespace, Output], None]]] = {
    "show": ("print what the bundle guards and promises", _show),
    "verify": (
        "check every byte, and that its golden frames score the same on this device",
        _verify,
    ),
    "diff": ("say in plain words how two bundles differ", _diff),
    "keygen": ("make a pair of keys to sign bundles with", _keygen),
    "sign": ("sign a bundle", _sign),
}


def _lines(bundle: Bundle) -> list[str]:
    from edge_guard.plain_words import (
        labelled_in_words,
        monitors_in_words,
        promise_in_words,
        retuned_in_words,
    )

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
        f"  view         {m.view.words if m.view is not None else 'not recorded'}",
        f"  made         {m.provenance.created} by edge-guard {m.provenance.version}",
    ]
    if m.retuned:
        lines.append(f"  retuned      {retuned_in_words(m)}")
    if bundle.signature:
        from edge_guard.signing import fingerprint

        key = fingerprint(bundle.signature.key)
        lines.append(f"  signature    by key {key}, unchecked: bundle verify --key")
    lines += [f"  labels       {line}" for line in labelled_in_words(m)]
    lines += [f"  drift        {line}" for line in monitors_in_words(m)]
    return lines + [f"  warning      {warning}" for warning in m.references.warnings]
