"""What a calibration report says of a bundle: promises in plain words, costs, where it is from."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge_guard.bundle import Bundle
from edge_guard.calibration.references import Reference
from edge_guard.drift.sensitivity import frames_to_alarm
from edge_guard.drift.spec import DriftSpec
from edge_guard.manifest import Manifest
from edge_guard.plain_words import certified_in_words, promise_in_words

_LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "ai-edge-litert", "scipy")
_LABELS_SHOWN = 20
WATCHED_STEPS = (0.5, 1.0, 2.0)
"""Steps of a channel's mean, in standard deviations of a frame."""
_CHANNELS = {
    "across": "position across",
    "down": "position down",
    "red": "red against green",
    "blue": "blue against green",
    "local": "parts of the picture",
    "unlike": "unlikeness to the guards",
    "doubt": "doubt of the model",
}
_EVER = 100_000
"""Frames; a step that takes longer is not told in frames."""


def guarded(manifest: Manifest) -> list[str]:
    """Return what the bundle guards, one sentence each."""
    labels = ", ".join(manifest.labels[:_LABELS_SHOWN])
    more = len(manifest.labels) - _LABELS_SHOWN
    answers = f"; it answers with {labels}" + (f" and {more} more" if more > 0 else "")
    references = manifest.references
    said = [
        f"The model {manifest.provenance.model_name} (task: {manifest.card.output.task})"
        + (answers if labels else "")
        + ".",
        "Before the model: whether the picture can be inspected at all (light, contrast, colour, "
        "focus, noise, dirt, a frozen or cut-off picture).",
        f"After it: whether the picture, as the model sees it inside, is like {references.n} "
        f"reference pictures ({len(manifest.guards.scores)} scores, fused into one).",
    ]
    if manifest.drift:
        said.append("Over time: whether the stream drifts away from the references.")
    return said


def promised(manifest: Manifest) -> list[str]:
    """Return what the bundle promises, one sentence each."""
    references = manifest.references
    said = [
        f"Flags on good production: {promise_in_words(manifest.promise)}.",
        f"This rests on {references.n} pictures, worth {references.n_effective:.0f} independent "
        "ones, and holds for frames like them: same parts, same camera, same light.",
    ]
    said += [f"{line[0].upper()}{line[1:]}." for line in certified_in_words(manifest)]
    said.append("Whatever cannot be judged goes to a person; it is never accepted.")
    return said


def not_promised(manifest: Manifest) -> list[str]:
    """Return what nobody should read into the promise, one sentence each."""
    said = [
        "How many foreign or spoilt pictures are noticed: that depends on what they look like. "
        "The trials below show some.",
        "The rate of flags when parts, camera or light are no longer those of the references: then "
        "more flags are the guard’s work. Calibrate again after an intended change.",
    ]
    if manifest.certificate is None and manifest.plan.logits is not None:
        said.insert(
            0,
            "That an accepted answer is right: no certificate was asked for (--max-error, with "
            "labelled references).",
        )
    return said


def watched_rows(spec: DriftSpec) -> Iterator[list[str]]:
    """Yield each watched channel: its spread, and how soon a step is an alarm."""
    for channel in spec.channels:
        soon = [frames_to_alarm(channel, times * channel.sd) for times in WATCHED_STEPS]
        yield [
            _CHANNELS.get(channel.name, channel.name),
            f"{channel.sd:.2g} {channel.unit}",
            *(f"{frames:,.0f}" if frames <= _EVER else "not soon" for frames in soon),
        ]


def cost_rows(record: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield what a frame costs, from the record of `edge_guard.benchmark.benchmark`."""
    for name, words in (
        ("gate", "input gate"),
        ("preprocess", "preprocessing"),
        ("model", "model"),
        ("guards", "guards"),
    ):
        yield [words, f"{record['stages'][name]['median_us'] / 1e3:.2f} ms a frame (median)"]
    yield [
        "all together",
        f"{record['guarded_frames_per_second']:.0f} frames a second with {record['threads']} "
        f"thread(s), {record['share_of_bare_frame_rate']:.0%} of the model alone",
    ]


def origin_rows(bundle: Bundle, file: Path, references: Sequence[Reference]) -> Iterator[list[str]]:
    """Yield names, versions and digests that identify what this report is about."""
    manifest = bundle.manifest
    made, runtime = manifest.provenance, manifest.runtime
    yield ["bundle", f"{bundle.id}, format {manifest.format}, {len(manifest.entries)} entries"]
    yield ["sha-256 of the bundle’s file", hashlib.sha256(file.read_bytes()).hexdigest()]
    yield ["model", f"{made.model_name} ({manifest.model_kind})"]
    yield ["sha-256 of the model’s file", made.model_sha256]
    yield ["sha-256 of the model with taps", manifest.entries[f"model.{manifest.model_kind}"]]
    yield ["references", _references(manifest)]
    digest = _digest(references)
    if digest:
        yield ["sha-256 of the references’ sha-256s, in their order", digest]
    yield ["runtime", f"{runtime.backend} {runtime.version}, {runtime.kernels} kernels"]
    yield ["made", f"{made.created} by edge-guard {made.version}, seed {made.seed}"]
    yield ["on", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"]
    yield ["libraries", ", ".join(_versions())]
    golden = len(manifest.golden)
    yield ["golden frames", f"{golden}: a device that scores them otherwise refuses the bundle"]


def _references(manifest: Manifest) -> str:
    references = manifest.references
    labels = ", ".join(f"{name} {n}" for name, n in references.labels.items())
    return f"{references.n}, {references.labelled} labelled" + (f" ({labels})" if labels else "")


def _digest(references: Sequence[Reference]) -> str:
    """Return one digest for all reference files; "" where they are no files."""
    whole = hashlib.sha256()
    for reference in references:
        try:
            whole.update(hashlib.sha256(Path(reference.name).read_bytes()).digest())
        except OSError:
            return ""
    return whole.hexdigest()


def _versions() -> Iterator[str]:
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
