"""Every setting of a bundle, and where bundle and report come from, as rows of tables."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_guard.bundle import Bundle
from edge_guard.calibration.references import Reference
from edge_guard.gate.spec import Range
from edge_guard.manifest import Manifest
from edge_guard.plain_words import retuned_in_words
from edge_guard.signing import fingerprint

_LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "ai-edge-litert", "onnx", "scipy")
_CPUINFO = Path("/proc/cpuinfo")


def card_rows(manifest: Manifest) -> Iterator[list[str]]:
    """Yield how a picture becomes the model's input, and what its outputs mean."""
    card, plan = manifest.card, manifest.plan
    target = plan.input
    view = manifest.view.words if manifest.view is not None else "not recorded"
    yield ["of the camera’s picture", view]
    yield [
        "input",
        f"{target.width}×{target.height} px, {target.channels} channels, {target.dtype}",
    ]
    yield ["resized by", card.input.resize]
    yield ["colour", card.input.color]
    yield ["mean, std", f"{_numbers(card.input.mean)}; {_numbers(card.input.std)}"]
    output = card.output
    yield ["output", f"{output.task}, {output.activation}"]
    if manifest.detection:
        spec = manifest.detection
        yield ["boxes", f"read as {spec.form}, from a score of {spec.threshold:g} up"]
    taps = ", ".join(f"{t.name} ({t.height}×{t.width}×{t.channels})" for t in plan.taps)
    yield ["read inside the model", taps or "nothing"]


def gate_rows(manifest: Manifest) -> Iterator[list[str]]:
    """Yield each limit of the input gate: what is usual, and beyond what a frame is invalid."""
    for limit in manifest.gate.limits:
        yield [limit.check, limit.statistic, _range(limit.usual), _range(limit.hard)]


def guard_rows(bundle: Bundle) -> Iterator[list[str]]:
    """Yield each score: its share in the fused one, and what it is on good pictures."""
    weight = bundle.arrays["fusion.weight"] + bundle.arrays["fusion.tail"]
    center, spread = bundle.arrays["fusion.center"], bundle.arrays["fusion.spread"]
    whole = max(float(weight.sum()), 1e-12)
    for k, name in enumerate(bundle.manifest.guards.scores):
        share = f"{weight[k] / whole:.0%}" if weight[k] else "–"
        yield [name, share, f"{center[k]:.3g}", f"{spread[k]:.2g}"]


def origin_rows(bundle: Bundle, file: Path, references: Sequence[Reference]) -> Iterator[list[str]]:
    """Yield names, versions and digests that identify what this report is about."""
    manifest = bundle.manifest
    made, runtime = manifest.provenance, manifest.runtime
    yield ["bundle", f"{bundle.id}, format {manifest.format}, {len(manifest.entries)} entries"]
    yield ["sha-256 of the bundle’s file", hashlib.sha256(file.read_bytes()).hexdigest()]
    key = f"by key {fingerprint(bundle.signature.key)}" if bundle.signature else "none yet"
    yield ["signature", key]
    yield ["model", f"{made.model_name} ({manifest.model_kind})"]
    yield ["sha-256 of the model’s file", made.model_sha256]
    yield ["sha-256 of the model with taps", manifest.entries[f"model.{manifest.model_kind}"]]
    yield ["references", _references(manifest)]
    digest = _digest(references)
    if digest:
        yield ["sha-256 of the references’ sha-256s, in their order", digest]
    yield ["runtime", f"{runtime.backend} {runtime.version}, {runtime.kernels} kernels"]
    yield ["made", f"{made.created} by edge-guard {made.version}, seed {made.seed}"]
    if manifest.retuned:
        yield ["retuned", retuned_in_words(manifest)]
    yield ["by", f"{_user()} at {platform.node() or 'a machine without a name'}"]
    yield ["on", f"{_processor()}; {platform.system()} {platform.release()} {platform.machine()}"]
    yield ["Python and libraries", ", ".join([f"Python {platform.python_version()}", *_versions()])]
    golden = len(manifest.golden)
    yield ["golden frames", f"{golden}: a device that scores them otherwise refuses the bundle"]


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _range(limits: Range) -> str:
    low, high = limits
    if low is None and high is None:
        return "any"
    if low is None:
        return f"up to {high:.4g}"
    return f"from {low:.4g}" if high is None else f"{low:.4g} to {high:.4g}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def _processor() -> str:
    """Return what the processors are called, and how many there are."""
    names = []
    if _CPUINFO.is_file():
        lines = (
            line.partition(":") for line in _CPUINFO.read_text("utf-8", "replace").splitlines()
        )
        names = [value.strip() for key, _, value in lines if key.strip() in ("model name", "Model")]
    return f"{os.cpu_count()} × {names[-1] if names else platform.processor() or 'processor'}"


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
