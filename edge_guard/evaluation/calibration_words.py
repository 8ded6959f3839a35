"""What a calibration report says of a bundle: promises in plain words, costs, where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_guard.drift.sensitivity import frames_to_alarm
from edge_guard.drift.spec import DriftSpec
from edge_guard.manifest import Manifest
from edge_guard.plain_words import certified_in_words, promise_in_words
from edge_guard.tuning.guards import GuardCosts

_LABELS_SHOWN = 20
_TASKS = {
    "classify": "names the class of a picture",
    "detect": "finds boxes in a picture",
    "anomaly": "scores how unusual a picture is; the guard’s verdict is its answer",
    "embed": "describes a picture in numbers; the guard’s verdict is its answer",
}
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
_DEAREST = 5
_EVER = 100_000
"""Frames; a step that takes longer is not told in frames."""


def guarded(manifest: Manifest) -> list[str]:
    """Return what the bundle guards, one sentence each."""
    labels = ", ".join(manifest.labels[:_LABELS_SHOWN])
    more = len(manifest.labels) - _LABELS_SHOWN
    answers = f"; it answers with {labels}" + (f" and {more} more" if more > 0 else "")
    references = manifest.references
    said = [
        f"The model {manifest.provenance.model_name}, which {_TASKS[manifest.card.output.task]}"
        + (answers if labels else "")
        + ".",
        "Before the model: whether the picture can be inspected at all (light, contrast, colour, "
        "focus, noise, dirt, a frozen or cut-off picture).",
        f"After it: whether the picture, as the model sees it inside, is like {references.n} "
        f"reference pictures ({len(manifest.guards.scores)} scores, fused into one).",
    ]
    if manifest.view:
        said.append(f"Of the camera’s picture: {manifest.view.words}.")
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
    certificate = manifest.certificate
    if certificate:
        said.append(
            f"Of {certificate.labelled} labelled references {certificate.accepted} are accepted; "
            "the others go to a person, because they are flagged or because the model is not sure "
            "enough. Only the former count as flags on good production."
        )
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
            f"{_rounded(channel.sd)} {channel.unit}",
            *(f"{frames:,.0f}" if frames <= _EVER else "not soon" for frames in soon),
        ]


def _rounded(value: float) -> str:
    """Return two digits that matter, never a power of ten."""
    return f"{value:.0f}" if abs(value) >= 10.0 else f"{value:.2g}"


def cost_rows(record: Mapping[str, Any], guards: GuardCosts) -> Iterator[list[str]]:
    """Yield what a frame costs.

    Parameters
    ----------
    record : mapping
        Of `edge_guard.benchmark.benchmark`.
    guards : GuardCosts
        Measured with the same bundle.
    """
    for name, words in (
        ("gate", "input gate"),
        ("preprocess", "preprocessing"),
        ("model", "model"),
        ("guards", "guards"),
    ):
        yield [words, f"{record['stages'][name]['median_us'] / 1e3:.2f} ms a frame (median)"]
    dear = [f"{name} {us / 1e3:.2f} ms" for name, us in guards.saved_us.items() if us > 0]
    if dear:
        yield ["the dearest guards", ", ".join(dear[:_DEAREST])]
    yield [
        "all together",
        f"{record['guarded_frames_per_second']:.0f} frames a second with {record['threads']} "
        f"thread(s), {record['share_of_bare_frame_rate']:.0%} of the model alone",
    ]
    yield ["memory", f"{record['peak_memory_mib']:.0f} MiB at the peak of calibration and report"]
    yield ["cheaper?", "“edge-guard bench” tries threads, picture sizes and formats on this device"]
