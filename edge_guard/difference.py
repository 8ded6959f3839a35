"""What has changed from one bundle to the next, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.drift.spec import ChannelSpec
from edge_guard.manifest import Manifest
from edge_guard.plain_words import certified_in_words, promise_in_words, retuned_in_words
from edge_guard.signing import fingerprint

_NAMED = 5
_SCATTER = 0.25
"""A channel's mean that moved by less than this share of its spread stands where it was."""


class Difference(NamedTuple):
    """One thing that differs: what it belongs to, and how, in words."""

    part: str
    words: str


def differences(old: Bundle, new: Bundle) -> list[Difference]:
    """Return what differs between two bundles, in the order of what matters at the line.

    Parameters
    ----------
    old, new : Bundle
    """
    a, b = old.manifest, new.manifest
    found = [
        *_model(old, new),
        *_changed("card", _fields(a.card), _fields(b.card)),
        *_changed("labels", {"labels": a.labels}, {"labels": b.labels}),
        *_promise(a, b),
        *_references(a, b),
        *_said("view", _view(a), _view(b)),
        *_said("runtime", _runtime(a), _runtime(b)),
        *_said("taps", _taps(a), _taps(b)),
        *_guards(a, b),
        *_gate(a, b),
        *_drift(a, b),
        *_said("origin", _origin(a), _origin(b)),
        *_retuned(a, b),
        *_said("signature", _signature(old), _signature(new)),
    ]
    return found or _unnamed(old, new)


def _said(part: str, old: str, new: str) -> Iterator[Difference]:
    if old != new:
        yield Difference(part, f"was {old}, is {new}")


def _model(old: Bundle, new: Bundle) -> Iterator[Difference]:
    a, b = old.manifest, new.manifest
    if a.provenance.model_sha256 != b.provenance.model_sha256:
        yield Difference(
            "model",
            f"another one: {a.provenance.model_name} ({a.provenance.model_sha256[:12]}) became "
            f"{b.provenance.model_name} ({b.provenance.model_sha256[:12]})",
        )
    elif old.model != new.model:
        yield Difference("model", "the same file, tapped or written anew otherwise")
    yield from _said("model kind", a.model_kind, b.model_kind)


def _fields(struct: msgspec.Struct) -> dict[str, object]:
    """Return the values of a struct by dotted name."""
    flat: dict[str, object] = {}
    for name, value in msgspec.to_builtins(struct).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat


def _changed(part: str, old: dict[str, object], new: dict[str, object]) -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            words = f"{name} was {_short(old.get(name))}, is {_short(new.get(name))}"
            yield Difference(part, words)


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(map(_short, value[:_NAMED]))
        return shown + (f" and {len(value) - _NAMED} more" if len(value) > _NAMED else "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _promise(a: Manifest, b: Manifest) -> Iterator[Difference]:
    yield from _said("promise", promise_in_words(a.promise), promise_in_words(b.promise))
    limits = a.promise.score_limit, b.promise.score_limit
    if limits[0] != limits[1]:
        words = f"frames are flagged above {limits[1]:.4g}, it was {limits[0]:.4g}"
        yield Difference("threshold", f"{words} (scores of two fits cannot be compared)")
    yield from _list("certificate", certified_in_words(a), certified_in_words(b))
    yield from _changed("dials", _fields(a.dials), _fields(b.dials))


def _view(manifest: Manifest) -> str:
    return manifest.view.words if manifest.view is not None else "not recorded"


def _list(part: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    yield from (Difference(part, f"no longer: {line}") for line in old if line not in new)
    yield from (Difference(part, f"new: {line}") for line in new if line not in old)


def _references(a: Manifest, b: Manifest) -> Iterator[Difference]:
    x, y = a.references, b.references
    counts = [f"{r.n} (worth {r.n_effective:.0f}), {r.labelled} labelled" for r in (x, y)]
    yield from _said("references", *counts)
    names = dict.fromkeys([*x.labels, *y.labels])
    moved = [f"{n} {x.labels.get(n, 0)} → {y.labels.get(n, 0)}" for n in names]
    if x.labels != y.labels:
        yield Difference("references", f"by label: {', '.join(moved)}")
    gone, come = set(x.names) - set(y.names), set(y.names) - set(x.names)
    if gone or come:
        words = f"{len(come)} in the banks are new, {len(gone)} are gone"
        yield Difference("references", words)
    yield from _list("suspicious", x.suspicious, y.suspicious)


def _runtime(m: Manifest) -> str:
    return f"{m.runtime.backend} {m.runtime.version} with {m.runtime.kernels} kernels"


def _taps(m: Manifest) -> str:
    listed = ", ".join(f"{t.name} {t.height}×{t.width}×{t.channels}" for t in m.plan.taps)
    return listed or "none"


def _guards(a: Manifest, b: Manifest) -> Iterator[Difference]:
    gone = [name for name in a.guards.scores if name not in b.guards.scores]
    come = [name for name in b.guards.scores if name not in a.guards.scores]
    if gone:
        yield Difference("guards", f"no longer asked: {', '.join(gone)}")
    if come:
        yield Difference("guards", f"new: {', '.join(come)}")


def _gate(a: Manifest, b: Manifest) -> Iterator[Difference]:
    sizes = [_size(m) for m in (a, b)]
    yield from _said("frames", *sizes)
    for words, attribute in (("dirt and occlusion", "cells"), ("the camera's place", "alignment")):
        had, has = (getattr(m.gate, attribute) is not None for m in (a, b))
        if had != has:
            yield Difference("gate", f"{'now' if has else 'no longer'} watches {words}")
    old = {(limit.check, limit.statistic): limit.hard for limit in a.gate.limits}
    new = {(limit.check, limit.statistic): limit.hard for limit in b.gate.limits}
    moved = [f"{key[0]} ({key[1]})" for key in new if key in old and old[key] != new[key]]
    if moved:
        yield Difference("gate", f"{len(moved)} limits moved: {_short(moved)}")


def _size(m: Manifest) -> str:
    size = m.gate.size
    return "of several sizes" if size is None else f"{size[1]}×{size[0]} with {size[2]} channels"


def _drift(a: Manifest, b: Manifest) -> Iterator[Difference]:
    if a.drift is None or b.drift is None:
        if (a.drift is None) != (b.drift is None):
            yield Difference("drift", "has monitors now" if b.drift else "has no monitors any more")
        return
    before = {channel.name: channel for channel in a.drift.channels}
    after = {channel.name: channel for channel in b.drift.channels}
    for words, names in (("no longer watches", before), ("now watches", after)):
        lone = [name for name in names if name not in before or name not in after]
        if lone:
            yield Difference("drift", f"{words} {', '.join(lone)}")
    for name, channel in before.items():
        if name in after:
            yield from _channel(channel, after[name])


def _channel(a: ChannelSpec, b: ChannelSpec) -> Iterator[Difference]:
    spread = max(a.sd, 1e-12)
    if abs(b.mean - a.mean) > _SCATTER * spread:
        times = (b.mean - a.mean) / spread
        yield Difference("drift", f"the usual {a.name} moved by {times:+.1f} of its spreads")
    if not 0.5 <= b.sd / spread <= 2.0:
        words = f"{a.name} varies {b.sd / spread:.2g} times as much as it did"
        yield Difference("drift", words)


def _origin(m: Manifest) -> str:
    made = m.provenance
    return f"made {made.created} by edge-guard {made.version} with seed {made.seed}"


def _retuned(a: Manifest, b: Manifest) -> Iterator[Difference]:
    if a.retuned != b.retuned:
        words = retuned_in_words(b)
        yield Difference("retuned", words or "no longer: it was calibrated anew")


def _signature(bundle: Bundle) -> str:
    return (
        "by nobody" if bundle.signature is None else f"by key {fingerprint(bundle.signature.key)}"
    )


def _unnamed(old: Bundle, new: Bundle) -> list[Difference]:
    """Return that something else differs, so that two different files are never called equal."""
    arrays = [
        name
        for name in dict.fromkeys([*old.arrays, *new.arrays])
        if name not in old.arrays
        or name not in new.arrays
        or not np.array_equal(old.arrays[name], new.arrays[name])
    ]
    if arrays:
        return [Difference("arrays", f"{len(arrays)} differ: {_short(arrays)}")]
    if old.signed != new.signed:
        return [
            Difference("manifest", "differs in what has no words here: see 'bundle show --json'")
        ]
    return []
